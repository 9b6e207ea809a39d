package authenticator

import (
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"
)

// State is all that outlasts a power cycle. It serialises as JSON; it holds
// private keys and belongs in a file only its owner reads.
type State struct {
	MasterKey    []byte       `json:"masterKey"` // 32 bytes, wraps credentials that are not discoverable
	PINHash      []byte       `json:"pinHash,omitempty"`
	PINLength    int          `json:"pinLength,omitempty"` // code points
	PINRetries   int          `json:"pinRetries"`
	UVRetries    int          `json:"uvRetries"`
	MinPINLength int          `json:"minPINLength"`
	MinPINRPs    []string     `json:"minPINLengthRPIDs,omitempty"`
	ForceChange  bool         `json:"forcePINChange,omitempty"`
	AlwaysUV     bool         `json:"alwaysUv,omitempty"`
	Enterprise   bool         `json:"enterpriseAttestation,omitempty"`
	Counter      uint32       `json:"counter"`
	Credentials  []Credential `json:"credentials,omitempty"` // in the order of their making
	ResetAsked   bool         `json:"resetAsked,omitempty"`  // a two-step reset waits for its second step
}

// Credential is a discoverable credential on the card.
type Credential struct {
	ID          []byte `json:"id"`
	PrivateKey  []byte `json:"privateKey"` // P-256 scalar
	RPID        string `json:"rpId"`
	RPName      string `json:"rpName,omitempty"`
	UserID      []byte `json:"userId"`
	UserName    string `json:"userName,omitempty"`
	DisplayName string `json:"displayName,omitempty"`
	Protection  int    `json:"credProtect"` // 1 to 3, CTAP 2.1 §12.1
}

// blank is the state of an authenticator as delivered, and after a reset.
func blank(o Options) State {
	key := make([]byte, 32)
	rand.Read(key) // never fails
	return State{
		MasterKey: key, PINRetries: o.PINTries, UVRetries: maxUVTries, MinPINLength: o.MinPINLength,
	}
}

// Blank is the state of an authenticator as delivered.
func Blank(o Options) (State, error) {
	o, err := o.withDefaults()
	if err != nil {
		return State{}, err
	}
	return blank(o), nil
}

// WithPIN is the state with a PIN already set, as on a card personalised
// elsewhere. No rule on PINs is applied.
func (s State) WithPIN(pin string) State {
	s = s.clone()
	digest := sha256.Sum256([]byte(pin))
	s.PINHash, s.PINLength = digest[:16], utf8.RuneCountInString(pin)
	return s
}

// clone is a copy that shares nothing with s.
func (s State) clone() State {
	s.MasterKey, s.PINHash, s.MinPINRPs = slices.Clone(s.MasterKey), slices.Clone(s.PINHash), slices.Clone(s.MinPINRPs)
	s.Credentials = slices.Clone(s.Credentials)
	for i, c := range s.Credentials {
		s.Credentials[i].ID, s.Credentials[i].PrivateKey = slices.Clone(c.ID), slices.Clone(c.PrivateKey)
		s.Credentials[i].UserID = slices.Clone(c.UserID)
	}
	return s
}

// check refuses a state that no authenticator can be in: it comes from a file.
func (s State) check() error {
	switch {
	case len(s.MasterKey) != 32:
		return errors.New("master key is not 32 bytes")
	case len(s.PINHash) != 0 && len(s.PINHash) != 16:
		return errors.New("PIN hash is not 16 bytes")
	case s.PINRetries < 0 || s.PINRetries > defaultPINTries || s.UVRetries < 0 || s.UVRetries > maxUVTries:
		return errors.New("retries out of range")
	case s.MinPINLength < 4 || s.MinPINLength > maxPINLength:
		return errors.New("minimum PIN length out of range")
	case len(s.MinPINRPs) > maxMinPINRPs:
		return errors.New("too many RP IDs for the minimum PIN length")
	}
	for i, c := range s.Credentials {
		if err := c.check(); err != nil {
			return fmt.Errorf("credential %d: %w", i, err)
		}
	}
	return nil
}

func (c Credential) check() error {
	if len(c.ID) == 0 || len(c.ID) > maxCredentialID {
		return errors.New("id of no possible length")
	}
	if c.Protection < 1 || c.Protection > 3 {
		return errors.New("credProtect out of range")
	}
	_, err := privateKey(c.PrivateKey)
	return err
}
