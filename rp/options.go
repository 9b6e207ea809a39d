package rp

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"cpsgate/identity"
)

// UserVerification is whether the answer must show user verification. The zero
// value demands it.
type UserVerification string

// The requirements of WebAuthn L3 §5.8.6 that this package knows. The server
// sends UserVerificationRequired always; the other one serves to judge
// ceremonies captured elsewhere.
const (
	UserVerificationRequired  UserVerification = "required"
	UserVerificationPreferred UserVerification = "preferred"
)

// newChallenge is a challenge's length in bytes; WebAuthn L3 §13.4.3 asks for 16.
const newChallenge = 32

// maxUserHandle is the limit of WebAuthn L3 §5.4.3.
const maxUserHandle = 64

// The COSE algorithms (RFC 9053, IANA) that a registration offers, in order of
// preference.
const (
	algES256 = -7
	algEdDSA = -8
	algES384 = -35
	algES512 = -36
	algPS256 = -37
	algRS256 = -257
)

var offered = []int{algES256, algEdDSA, algES384, algES512, algPS256, algRS256}

// Algorithms is the list of COSE algorithms that BeginRegistration offers.
func Algorithms() []int { return slices.Clone(offered) }

// PendingRegistration is what the server keeps between BeginRegistration and
// FinishRegistration, and gives up once.
type PendingRegistration struct {
	Challenge        []byte           `json:"create_challenge"`
	Holder           identity.PSIdNat `json:"holder"`
	UserHandle       []byte           `json:"user_handle"`
	Excluded         [][]byte         `json:"excluded,omitempty"` // credential ids
	Algorithms       []int            `json:"algorithms"`
	UserVerification UserVerification `json:"user_verification"`
	Attachment       string           `json:"attachment,omitempty"` // "" = any
	Expires          time.Time        `json:"expires"`
}

// PendingLogin is what the server keeps between BeginLogin and FinishLogin,
// and gives up once.
type PendingLogin struct {
	Challenge []byte `json:"get_challenge"`
	// Allowed are the credential ids of a person who is known already
	// (WebAuthn L3 §7.2 steps 5 and 6); empty = discoverable login, where the
	// response must carry the user handle.
	Allowed          [][]byte         `json:"allowed,omitempty"`
	UserVerification UserVerification `json:"user_verification"`
	Expires          time.Time        `json:"expires"`
}

// BeginRegistration makes the PublicKeyCredentialCreationOptionsJSON for a
// passkey of who, on a separate authenticator that does not hold one of
// exclude already.
func (p *RelyingParty) BeginRegistration(who identity.Professional, exclude []identity.Passkey) (json.RawMessage, PendingRegistration, error) {
	if len(who.UserHandle) == 0 || len(who.UserHandle) > maxUserHandle {
		return nil, PendingRegistration{}, fmt.Errorf("a user handle of %d bytes", len(who.UserHandle))
	}
	pending := PendingRegistration{
		Challenge:        challenge(),
		Holder:           who.IdNat,
		UserHandle:       slices.Clone(who.UserHandle),
		Algorithms:       Algorithms(),
		UserVerification: UserVerificationRequired,
		Attachment:       attachmentSeparate,
		Expires:          p.o.Now().Add(p.o.Timeout),
	}
	for _, k := range exclude {
		pending.Excluded = append(pending.Excluded, slices.Clone(k.ID))
	}
	options, err := json.Marshal(p.creationOptions(who, exclude, pending))
	if err != nil {
		return nil, PendingRegistration{}, fmt.Errorf("writing creation options: %w", err)
	}
	return options, pending, nil
}

// BeginLogin makes the PublicKeyCredentialRequestOptionsJSON of a discoverable
// login: whoever answers says who they are by the user handle.
func (p *RelyingParty) BeginLogin() (json.RawMessage, PendingLogin, error) {
	pending := PendingLogin{
		Challenge:        challenge(),
		UserVerification: UserVerificationRequired,
		Expires:          p.o.Now().Add(p.o.Timeout),
	}
	options, err := json.Marshal(p.requestOptions(pending))
	if err != nil {
		return nil, PendingLogin{}, fmt.Errorf("writing request options: %w", err)
	}
	return options, pending, nil
}

func challenge() []byte {
	b := make([]byte, newChallenge)
	_, _ = rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

// checkPending refuses a pending value that no Begin made: the zero value, or
// one of the other ceremony read as this one.
func checkPending(challenge []byte, uv UserVerification) error {
	if len(challenge) == 0 {
		return errors.New("pending ceremony without challenge")
	}
	switch uv {
	case "", UserVerificationRequired, UserVerificationPreferred:
		return nil
	}
	return errors.New("pending ceremony with an unknown user verification")
}

// shownName is what the browser lists: the person and the profession, for one
// person may hold two cards, one for each.
func shownName(who identity.Professional) (name, display string) {
	display = who.FamilyName
	if who.GivenName != "" {
		display += " " + who.GivenName
	}
	name = display
	if profession := who.Profession.String(); profession != "" {
		name += " — " + profession
	}
	return name, display
}
