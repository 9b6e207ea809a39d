package ctap2

import (
	"errors"
	"fmt"
)

// Status is the first byte of an authenticator's answer (CTAP 2.1 §8.2). It is
// an error value to be compared with errors.Is.
type Status byte

// The status codes of CTAP 2.1 §8.2 that an authenticator may answer.
const (
	StatusOK                   Status = 0x00
	StatusInvalidCommand       Status = 0x01
	StatusInvalidParameter     Status = 0x02
	StatusInvalidLength        Status = 0x03
	StatusTimeout              Status = 0x05
	StatusChannelBusy          Status = 0x06
	StatusUnexpectedType       Status = 0x11
	StatusInvalidCBOR          Status = 0x12
	StatusMissingParameter     Status = 0x14
	StatusLimitExceeded        Status = 0x15
	StatusFPDatabaseFull       Status = 0x17
	StatusLargeBlobFull        Status = 0x18
	StatusCredentialExcluded   Status = 0x19
	StatusProcessing           Status = 0x21
	StatusInvalidCredential    Status = 0x22
	StatusUserActionPending    Status = 0x23
	StatusOperationPending     Status = 0x24
	StatusNoOperations         Status = 0x25
	StatusUnsupportedAlgorithm Status = 0x26
	StatusOperationDenied      Status = 0x27
	StatusKeyStoreFull         Status = 0x28
	StatusUnsupportedOption    Status = 0x2B
	StatusInvalidOption        Status = 0x2C
	StatusKeepaliveCancel      Status = 0x2D
	StatusNoCredentials        Status = 0x2E
	StatusUserActionTimeout    Status = 0x2F
	StatusNotAllowed           Status = 0x30
	StatusPINInvalid           Status = 0x31
	StatusPINBlocked           Status = 0x32
	StatusPINAuthInvalid       Status = 0x33
	StatusPINAuthBlocked       Status = 0x34
	StatusPINNotSet            Status = 0x35
	StatusPUATRequired         Status = 0x36
	StatusPINPolicyViolation   Status = 0x37
	StatusRequestTooLarge      Status = 0x39
	StatusActionTimeout        Status = 0x3A
	StatusUPRequired           Status = 0x3B
	StatusUVBlocked            Status = 0x3C
	StatusIntegrityFailure     Status = 0x3D
	StatusInvalidSubcommand    Status = 0x3E
	StatusUVInvalid            Status = 0x3F
	StatusUnauthorized         Status = 0x40
	StatusOther                Status = 0x7F
)

var statusNames = map[Status]string{
	StatusOK:                   "success",
	StatusInvalidCommand:       "invalid command",
	StatusInvalidParameter:     "invalid parameter",
	StatusInvalidLength:        "invalid length",
	StatusTimeout:              "timeout",
	StatusChannelBusy:          "channel busy",
	StatusUnexpectedType:       "unexpected CBOR type",
	StatusInvalidCBOR:          "invalid CBOR",
	StatusMissingParameter:     "missing parameter",
	StatusLimitExceeded:        "limit exceeded",
	StatusFPDatabaseFull:       "fingerprint database full",
	StatusLargeBlobFull:        "large blob storage full",
	StatusCredentialExcluded:   "credential excluded",
	StatusProcessing:           "processing",
	StatusInvalidCredential:    "invalid credential",
	StatusUserActionPending:    "user action pending",
	StatusOperationPending:     "operation pending",
	StatusNoOperations:         "no operation pending",
	StatusUnsupportedAlgorithm: "unsupported algorithm",
	StatusOperationDenied:      "operation denied",
	StatusKeyStoreFull:         "key store full",
	StatusUnsupportedOption:    "unsupported option",
	StatusInvalidOption:        "invalid option",
	StatusKeepaliveCancel:      "cancelled",
	StatusNoCredentials:        "no credentials",
	StatusUserActionTimeout:    "user action timeout",
	StatusNotAllowed:           "not allowed",
	StatusPINInvalid:           "PIN invalid",
	StatusPINBlocked:           "PIN blocked",
	StatusPINAuthInvalid:       "PIN authentication invalid",
	StatusPINAuthBlocked:       "PIN authentication blocked until power-off",
	StatusPINNotSet:            "PIN not set",
	StatusPUATRequired:         "PIN or user verification required",
	StatusPINPolicyViolation:   "PIN policy violation",
	StatusRequestTooLarge:      "request too large",
	StatusActionTimeout:        "action timeout",
	StatusUPRequired:           "user presence required",
	StatusUVBlocked:            "user verification blocked",
	StatusIntegrityFailure:     "integrity failure",
	StatusInvalidSubcommand:    "invalid subcommand",
	StatusUVInvalid:            "user verification invalid",
	StatusUnauthorized:         "unauthorized permission",
	StatusOther:                "other error",
}

func (s Status) Error() string {
	if name, known := statusNames[s]; known {
		return fmt.Sprintf("CTAP status 0x%02X (%s)", byte(s), name)
	}
	return fmt.Sprintf("CTAP status 0x%02X", byte(s))
}

// Errors of a card or of its answers. Each one has a sentence of its own for
// the person at the reader.
var (
	ErrNoApplet       = errors.New("the card has no FIDO application")
	ErrNotOverContact = errors.New("the FIDO application refuses to work over this interface")
	ErrU2FOnly        = errors.New("the FIDO application speaks U2F only")
	ErrSelectCutShort = errors.New("the rest of the answer to SELECT cannot be fetched")
	ErrNotCanonical   = errors.New("answer out of CTAP2 canonical CBOR form")
	ErrMalformed      = errors.New("answer that cannot be decoded")
)

// Errors of what was asked of this package.
var (
	ErrPINTooShort   = errors.New("PIN shorter than the card demands")
	ErrPINTooLong    = errors.New("PIN longer than 63 bytes")
	ErrPINMustChange = errors.New("the card demands a new PIN first")
	ErrPINRequired   = errors.New("the card has a PIN and none was given")
	ErrLastTry       = errors.New("one PIN try is left and is not to be spent")
	ErrUnsupported   = errors.New("not supported by this card")
	ErrTooLong       = errors.New("message longer than the card accepts")
)

// PINError is a refused PIN and the tries that are left.
type PINError struct {
	Status Status
	Left   int
}

func (e *PINError) Error() string { return fmt.Sprintf("%v, %d tries left", e.Status, e.Left) }

// Unwrap makes errors.Is see the status.
func (e *PINError) Unwrap() error { return e.Status }

// Quirk is a deviation that this client copes with, kept so that a person can
// be told: it is an error value, but stands in the way of nothing.
type Quirk string

// The quirks known.
const (
	// QuirkSelectChained: SELECT answered 61xx on T=1.
	QuirkSelectChained Quirk = "select-chained"
	// QuirkAnnouncesU2F: SELECT announces U2F_V2, CTAP2 answers behind it.
	QuirkAnnouncesU2F Quirk = "announces-u2f"
	// QuirkUnknownVersion: SELECT announces neither FIDO_2_0 nor U2F_V2.
	QuirkUnknownVersion Quirk = "unknown-version"
	// QuirkNotCanonical: an answer out of canonical form was accepted because
	// Options.AcceptNotCanonical is set.
	QuirkNotCanonical Quirk = "not-canonical"
)

func (q Quirk) Error() string { return "quirk of the card: " + string(q) }
