package ctap2

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Subcommands of authenticatorClientPIN (CTAP 2.1 §6.5.5).
const (
	pinGetRetries       = 0x01
	pinGetKeyAgreement  = 0x02
	pinSetPIN           = 0x03
	pinChangePIN        = 0x04
	pinGetToken         = 0x05
	pinGetTokenUsingUV  = 0x06
	pinGetUVRetries     = 0x07
	pinGetTokenUsingPIN = 0x09
)

// permission limits what a PIN token may be used for (§6.5.5.7).
type permission uint8

const (
	mayMakeCredential permission = 0x01
	mayGetAssertion   permission = 0x02
	mayManage         permission = 0x04
	mayConfigure      permission = 0x20
)

type pinRequest struct {
	Protocol     int        `cbor:"1,keyasint,omitempty"`
	Subcommand   int        `cbor:"2,keyasint"`
	KeyAgreement *coseECDH  `cbor:"3,keyasint,omitempty"`
	AuthParam    []byte     `cbor:"4,keyasint,omitempty"`
	NewPIN       []byte     `cbor:"5,keyasint,omitempty"`
	PINHash      []byte     `cbor:"6,keyasint,omitempty"`
	Permissions  permission `cbor:"9,keyasint,omitempty"`
	RPID         string     `cbor:"10,keyasint,omitempty"`
}

type pinAnswer struct {
	KeyAgreement *coseECDH `cbor:"1,keyasint"`
	Token        []byte    `cbor:"2,keyasint"`
	Retries      *uint8    `cbor:"3,keyasint"`
	PowerCycle   bool      `cbor:"4,keyasint"`
	UVRetries    *uint8    `cbor:"5,keyasint"`
}

// Retries are the PIN tries left.
type Retries struct {
	Left int `json:"left"`
	// PowerCycle: the card takes no PIN until it has been without power
	// (§6.5.5.2: three wrong ones in a row).
	PowerCycle bool `json:"powerCycleNeeded,omitempty"`
}

// Allow says whether a PIN may be sent: never on a blocked card, on the last
// try only if it is to be spent.
func (r Retries) Allow(spendLast bool) error {
	switch {
	case r.Left == 0:
		return &PINError{Status: StatusPINBlocked}
	case r.PowerCycle:
		return &PINError{Status: StatusPINAuthBlocked, Left: r.Left}
	case r.Left == 1 && !spendLast:
		return ErrLastTry
	}
	return nil
}

// Retries asks how many PIN tries are left.
func (c *Client) Retries(ctx context.Context) (Retries, error) {
	var retries Retries
	err := c.Together(ctx, func() error {
		info, err := c.known(ctx)
		if err != nil {
			return err
		}
		retries, err = c.readRetries(ctx, protocolOf(info))
		return err
	})
	return retries, err
}

func (c *Client) readRetries(ctx context.Context, protocol int) (Retries, error) {
	var answer pinAnswer
	// §6.5.5.2 needs no protocol; CTAP 2.0 made it mandatory, so it is sent.
	request := pinRequest{Protocol: protocol, Subcommand: pinGetRetries}
	if err := c.call(ctx, cmdClientPIN, request, &answer); err != nil {
		return Retries{}, fmt.Errorf("reading PIN tries: %w", err)
	}
	if answer.Retries == nil {
		return Retries{}, fmt.Errorf("reading PIN tries: %w: no count", ErrMalformed)
	}
	return Retries{Left: int(*answer.Retries), PowerCycle: answer.PowerCycle}, nil
}

// UVRetries asks how many tries of the card's own user verification are left.
func (c *Client) UVRetries(ctx context.Context) (int, error) {
	var answer pinAnswer
	err := c.Together(ctx, func() error {
		return c.call(ctx, cmdClientPIN, pinRequest{Subcommand: pinGetUVRetries}, &answer)
	})
	if err != nil {
		return 0, fmt.Errorf("reading user verification tries: %w", err)
	}
	if answer.UVRetries == nil {
		return 0, fmt.Errorf("reading user verification tries: %w: no count", ErrMalformed)
	}
	return int(*answer.UVRetries), nil
}

// protocolOf chooses the first PIN protocol that the card lists and this
// client knows (§6.5.5.4); cards that list none know protocol one.
func protocolOf(info Info) int {
	for _, p := range info.PINProtocols {
		if p == 1 || p == 2 {
			return p
		}
	}
	if len(info.PINProtocols) == 0 {
		return 1
	}
	return 0
}

// agree returns the secret shared with the card, agreed once an exchange: the
// card's key holds until power-off or a wrong PIN (§6.5.5.1).
func (c *Client) agree(ctx context.Context, info Info) (*sharedSecret, error) {
	if c.shared != nil {
		return c.shared, nil
	}
	protocol := protocolOf(info)
	if protocol == 0 {
		return nil, fmt.Errorf("%w: PIN protocols %v", ErrUnsupported, info.PINProtocols)
	}
	var answer pinAnswer
	request := pinRequest{Protocol: protocol, Subcommand: pinGetKeyAgreement}
	if err := c.call(ctx, cmdClientPIN, request, &answer); err != nil {
		return nil, fmt.Errorf("agreeing on a key: %w", err)
	}
	if answer.KeyAgreement == nil {
		return nil, fmt.Errorf("agreeing on a key: %w: no key", ErrMalformed)
	}
	shared, err := encapsulate(protocol, *answer.KeyAgreement)
	if err != nil {
		return nil, fmt.Errorf("agreeing on a key: %w", err)
	}
	c.shared = shared
	return shared, nil
}

func (c *Client) dropShared() {
	if c.shared != nil {
		c.shared.destroy()
		c.shared = nil
	}
}

// paddedPINSize and maxPIN: §6.5.5.5, a PIN is padded with zeros to 64 bytes of
// which the last stays zero.
const (
	paddedPINSize = 64
	maxPIN        = 63
)

// MinPINLength is the least that any card demands (§6.4, minPINLength).
const MinPINLength = 4

// NormalPIN spells a PIN in the one way that cards compare (§6.5.1: Unicode
// NFC). The caller clears the result.
func NormalPIN(pin []byte) []byte {
	return norm.NFC.Append(make([]byte, 0, 2*len(pin)+paddedPINSize), pin...)
}

// CheckPIN tells whether a PIN in its normal spelling is one (§6.5.1: code
// points counted, 63 bytes of UTF-8 at most, no NUL).
func CheckPIN(normal []byte, least int) error {
	switch {
	case len(normal) > maxPIN:
		return ErrPINTooLong
	case !utf8.Valid(normal) || slices.Contains(normal, 0):
		return fmt.Errorf("%w: not plain text", ErrPINTooShort)
	case utf8.RuneCount(normal) < least:
		return fmt.Errorf("%w: %d at least", ErrPINTooShort, least)
	}
	return nil
}

// padPIN spells a PIN normally, checks it and pads it. The caller clears the
// result.
func padPIN(pin []byte, least int) ([]byte, error) {
	normal := NormalPIN(pin)
	defer clear(normal)
	if err := CheckPIN(normal, least); err != nil {
		return nil, err
	}
	padded := make([]byte, paddedPINSize)
	copy(padded, normal)
	return padded, nil
}

// hashPIN is the left half of SHA-256(PIN) (§6.5.5.6). The caller clears it.
func hashPIN(pin []byte) []byte {
	normal := NormalPIN(pin)
	sum := sha256.Sum256(normal)
	clear(normal)
	return sum[:16]
}

// SetPIN sets the first PIN of a blank application (§6.5.5.5).
func (c *Client) SetPIN(ctx context.Context, pin []byte) error {
	return c.write(ctx, func() error {
		info, err := c.known(ctx)
		if err != nil {
			return err
		}
		padded, err := padPIN(pin, info.PINLength())
		if err != nil {
			return err
		}
		defer clear(padded)
		shared, err := c.agree(ctx, info)
		if err != nil {
			return err
		}
		request := pinRequest{Protocol: shared.protocol, Subcommand: pinSetPIN, KeyAgreement: &shared.platform}
		if request.NewPIN, err = shared.encrypt(padded); err != nil {
			return err
		}
		request.AuthParam = authenticate(shared.protocol, shared.hmacKey, request.NewPIN)
		if err := c.call(ctx, cmdClientPIN, request, nil); err != nil {
			return fmt.Errorf("setting the PIN: %w", err)
		}
		c.pinIsSet()
		return nil
	})
}

// pinIsSet spares asking the card what it has just confirmed.
func (c *Client) pinIsSet() {
	if c.info != nil && c.info.Options != nil {
		c.info.Options[OptionClientPIN] = true
		c.info.ForcePINChange = false
	}
}

// ChangePIN replaces the PIN (§6.5.5.6). A wrong current PIN spends a try.
func (c *Client) ChangePIN(ctx context.Context, current, next []byte) error {
	return c.write(ctx, func() error {
		info, err := c.known(ctx)
		if err != nil {
			return err
		}
		padded, err := padPIN(next, info.PINLength())
		if err != nil {
			return err
		}
		defer clear(padded)
		retries, err := c.mayTry(ctx, info)
		if err != nil {
			return err
		}
		shared, err := c.agree(ctx, info)
		if err != nil {
			return err
		}
		request := pinRequest{Protocol: shared.protocol, Subcommand: pinChangePIN, KeyAgreement: &shared.platform}
		if request.NewPIN, err = shared.encrypt(padded); err != nil {
			return err
		}
		if request.PINHash, err = sealPIN(shared, current); err != nil {
			return err
		}
		request.AuthParam = authenticate(shared.protocol, shared.hmacKey, request.NewPIN, request.PINHash)
		if err := c.call(ctx, cmdClientPIN, request, nil); err != nil {
			return fmt.Errorf("changing the PIN: %w", c.pinRefused(err, retries))
		}
		c.pinIsSet()
		return nil
	})
}

func sealPIN(shared *sharedSecret, pin []byte) ([]byte, error) {
	hash := hashPIN(pin)
	defer clear(hash)
	return shared.encrypt(hash)
}
