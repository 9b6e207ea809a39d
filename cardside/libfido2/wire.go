package libfido2

import (
	"errors"

	"cpsgate/cardside/ctap2"
	"cpsgate/cardside/pcsc"
)

// Errors of this package; all others are ctap2's and pcsc's.
var (
	ErrNotBuilt    = errors.New("this program was built without libfido2 (cgo and libfido2 are needed)")
	ErrUnsupported = errors.New("go-libfido2 cannot do this")
	ErrChild       = errors.New("the libfido2 process failed")
	ErrLibrary     = errors.New("libfido2 failed")
)

// operation names what a child is asked to do.
type operation string

const (
	opDevices     operation = "devices"
	opInfo        operation = "info"
	opRetries     operation = "retries"
	opSetPIN      operation = "set-pin"
	opChangePIN   operation = "change-pin"
	opMake        operation = "make"
	opAssert      operation = "assert"
	opCredentials operation = "credentials"
	opDelete      operation = "delete"
	opReset       operation = "reset"
)

// writes tells the operations that change the card.
func (o operation) writes() bool {
	switch o {
	case opSetPIN, opChangePIN, opMake, opDelete, opReset:
		return true
	}
	return false
}

// request is what a child reads from its standard input: JSON, once.
type request struct {
	Operation  operation
	Device     string          // USB: libfido2's path
	Reader     string          // PC/SC: the reader's name
	Protocol   pcsc.Protocol   // PC/SC
	PIN        []byte          `json:",omitempty"`
	NewPIN     []byte          `json:",omitempty"`
	Creation   *ctap2.Creation `json:",omitempty"`
	Assertion  *ctap2.Request  `json:",omitempty"`
	Credential []byte          `json:",omitempty"`
}

func (r *request) clearPINs() {
	clear(r.PIN)
	clear(r.NewPIN)
	if r.Creation != nil {
		clear(r.Creation.PIN)
	}
	if r.Assertion != nil {
		clear(r.Assertion.PIN)
	}
}

// reply is what a child writes to its standard output: JSON, once.
type reply struct {
	Failure     *failure           `json:",omitempty"`
	Devices     []Device           `json:",omitempty"`
	Info        *info              `json:",omitempty"`
	Retries     int                `json:",omitempty"`
	Attestation *ctap2.Attestation `json:",omitempty"`
	Assertions  []ctap2.Assertion  `json:",omitempty"`
	Credentials []ctap2.Stored     `json:",omitempty"`
}

// info is what go-libfido2 reads of getInfo.
type info struct {
	Versions   []string
	Extensions []string
	AAGUID     []byte
	Options    map[string]bool
	Protocols  []int
}

// Device is a security key that libfido2 found.
type Device struct {
	Path         string `json:"path"`
	Manufacturer string `json:"manufacturer,omitempty"`
	Product      string `json:"product,omitempty"`
}

// failure carries an error between processes: its text for operators, and what
// errors.Is will find.
type failure struct {
	Text   string
	Status ctap2.Status `json:",omitempty"`
	Kind   string       `json:",omitempty"`
}

// kinds are the error values that cross from the child.
var kinds = map[string]error{
	"not-built":        ErrNotBuilt,
	"unsupported":      ErrUnsupported,
	"library":          ErrLibrary,
	"no-applet":        ctap2.ErrNoApplet,
	"not-over-contact": ctap2.ErrNotOverContact,
	"u2f-only":         ctap2.ErrU2FOnly,
	"select-cut-short": ctap2.ErrSelectCutShort,
	"malformed":        ctap2.ErrMalformed,
	"no-service":       pcsc.ErrNoService,
	"no-reader":        pcsc.ErrNoReader,
	"no-card":          pcsc.ErrNoCard,
	"removed":          pcsc.ErrRemoved,
	"reset":            pcsc.ErrReset,
	"in-use":           pcsc.ErrInUse,
	"denied":           pcsc.ErrDenied,
	"unresponsive":     pcsc.ErrUnresponsive,
	"protocol":         pcsc.ErrProtocol,
	"transmission":     pcsc.ErrTransmission,
	"timeout":          pcsc.ErrTimeout,
	"pcsc-not-built":   pcsc.ErrNotBuilt,
}

// precedence orders kinds where an error is several: what explains comes
// before what it explains.
var precedence = []string{
	"removed", "no-applet", "not-over-contact", "u2f-only", "select-cut-short", "malformed",
	"no-service", "no-reader", "no-card", "reset", "in-use", "denied", "unresponsive", "protocol",
	"timeout", "pcsc-not-built", "not-built", "unsupported", "transmission", "library",
}

func failureOf(err error) *failure {
	if err == nil {
		return nil
	}
	f := &failure{Text: err.Error()}
	var status ctap2.Status
	if errors.As(err, &status) {
		f.Status = status
		return f
	}
	for _, name := range precedence {
		if errors.Is(err, kinds[name]) {
			f.Kind = name
			break
		}
	}
	return f
}

// crossed is an error that came from the child.
type crossed struct {
	text string
	is   error
}

func (e *crossed) Error() string { return e.text }
func (e *crossed) Unwrap() error { return e.is }

func (f *failure) error() error {
	if f == nil {
		return nil
	}
	if f.Status != ctap2.StatusOK {
		return &crossed{f.Text, f.Status}
	}
	if kind, known := kinds[f.Kind]; known {
		return &crossed{f.Text, kind}
	}
	return &crossed{f.Text, ErrChild}
}
