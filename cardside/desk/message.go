package desk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"cpsgate/cardside"
	"cpsgate/cardside/ctap2"
)

// claim is request 1: the code, where it is typed, and the applet as it was read
// before anything was changed.
type claim struct {
	Code        string `json:"code"`
	Workstation string `json:"workstation"`
	Reader      string `json:"reader"`
	Generation  string `json:"generation"` // "cps3", "cps4" or ""
	Applet      applet `json:"applet"`
}

type applet struct {
	Blank        bool            `json:"blank"`
	PINSet       bool            `json:"pinSet"`
	Credentials  int             `json:"credentials"` // -1: cannot be told
	AAGUID       string          `json:"aaguid"`
	Versions     []string        `json:"versions"`
	MinPINLength int             `json:"minPinLength"`
	Options      map[string]bool `json:"options"`
}

// claimed is the answer to it.
type claimed struct {
	Sitting string    `json:"sitting"` // the secret of requests 2 to 6
	Ticket  string    `json:"ticket"`
	CardURL string    `json:"cardURL"`
	Holder  string    `json:"holder"` // "": the card will say
	Policy  policy    `json:"policy"`
	Origin  string    `json:"origin"`
	Expires time.Time `json:"expires"`
}

// policy is what the hospital asks of applets, and what the desk lets this
// sitting do.
type policy struct {
	MinPINLength          int    `json:"minPinLength"`
	SetMinPINLength       bool   `json:"setMinPinLength"`
	ForcePINChange        bool   `json:"forcePinChange"`
	CredProtect           int    `json:"credProtect"`
	EnterpriseAttestation bool   `json:"enterpriseAttestation"`
	Reset                 string `json:"reset"`    // "no" or "allowed"
	SameCard              string `json:"sameCard"` // "required" or "preferred"
}

const (
	resetNo           = "no"
	resetAllowed      = "allowed"
	sameCardRequired  = "required"
	sameCardPreferred = "preferred"
)

// longestPIN is the most bytes that an applet's PIN has (CTAP 2.1 §6.5.1).
const longestPIN = 63

// UnmarshalJSON refuses a rule that this workstation does not know: it would not be
// kept.
func (p *policy) UnmarshalJSON(text []byte) error {
	type rules policy
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode((*rules)(p))
}

// check refuses rules that the protocol does not know, before any of them is
// written to a card that cannot take it back.
func (p policy) check() error {
	switch {
	case p.MinPINLength < 0 || p.MinPINLength > longestPIN:
		return fmt.Errorf("%w: a least PIN length of %d", cardside.ErrServerAnswer, p.MinPINLength)
	case p.CredProtect < 0 || p.CredProtect > int(ctap2.ProtectUVRequired):
		return fmt.Errorf("%w: credProtect %d", cardside.ErrServerAnswer, p.CredProtect)
	case p.Reset != resetNo && p.Reset != resetAllowed:
		return fmt.Errorf("%w: reset %.40q", cardside.ErrServerAnswer, p.Reset)
	case p.SameCard != sameCardRequired && p.SameCard != sameCardPreferred:
		return fmt.Errorf("%w: sameCard %.40q", cardside.ErrServerAnswer, p.SameCard)
	}
	return nil
}

// asked is what the applet is to do next.
type asked struct {
	Holder   string          `json:"holder"`
	Card     string          `json:"card"` // token id, where the operator named it
	Passkey  Passkey         `json:"passkey"`
	Ceremony string          `json:"ceremony"` // "create" or "get"
	Options  json.RawMessage `json:"options"`
}

const (
	ceremonyCreate = "create"
	ceremonyGet    = "get"
)

// registration is request 3: the credential, and what was done to the PIN.
type registration struct {
	Response any     `json:"response"`
	PIN      pinDone `json:"pin"`
}

type pinDone struct {
	Set         bool `json:"set"`
	MinLength   int  `json:"minLength"`
	ForceChange bool `json:"forceChange"`
}

// proof is request 4.
type proof struct {
	Response any `json:"response"`
}

// proved is the answer to it: the passkey is active.
type proved struct {
	Passkey Passkey `json:"passkey"`
	Ticket  string  `json:"ticket"`
}

// Passkey is a passkey as the server tells of it.
type Passkey struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
}

// note is one step of the workstation's, for the desk's page.
type note struct {
	Step   string `json:"step"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// standing is the answer to it.
type standing struct {
	Phase   string    `json:"phase"`
	Holder  string    `json:"holder"`
	Policy  policy    `json:"policy"`
	Expires time.Time `json:"expires"`
}

type abandonment struct {
	Reason string `json:"reason"`
}

// Refusal is the server's no, in its own words.
type Refusal struct {
	Reason string   `json:"reason"`
	Title  string   `json:"title"`
	Detail string   `json:"detail"`
	Why    string   `json:"why"`
	Do     []string `json:"do"`
	Event  string   `json:"event"` // the number under which the audit holds it
	Status int      `json:"-"`     // of HTTP
}

func (r *Refusal) Error() string { return "the server refused: " + r.Reason + " (" + r.Event + ")" }

// Is makes every Refusal one of cardside.ErrServerRefused.
func (r *Refusal) Is(target error) bool { return target == cardside.ErrServerRefused }

// refusedFor reports a refusal for one of these reasons.
func refusedFor(err error, reasons ...string) bool {
	var r *Refusal
	if !errors.As(err, &r) {
		return false
	}
	for _, reason := range reasons {
		if r.Reason == reason {
			return true
		}
	}
	return false
}

// decode reads one JSON object and nothing after it. Members that are not known
// are a later server's, and left.
func decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("bytes after the object")
	}
	return nil
}
