package pcsc

import (
	"errors"
	"fmt"
)

// The kinds of failure, to be compared with errors.Is.
var (
	ErrNotBuilt     = errors.New("this program was built without PC/SC (cgo and libpcsclite are needed)")
	ErrNoService    = errors.New("the smart card service does not run")
	ErrNoReader     = errors.New("no such reader")
	ErrNoCard       = errors.New("no card in the reader")
	ErrRemoved      = errors.New("the card was removed")
	ErrReset        = errors.New("another program reset the card")
	ErrInUse        = errors.New("another program holds the card")
	ErrDenied       = errors.New("access to the card is denied")
	ErrUnresponsive = errors.New("the card does not answer")
	ErrProtocol     = errors.New("the card does not speak the protocol asked for")
	ErrTransmission = errors.New("transmission to the card failed")
	ErrTimeout      = errors.New("the smart card service did not answer in time")
	ErrOther        = errors.New("smart card service error")
)

// Code is a PC/SC return code (part 5, and winscard.h).
type Code uint32

// The codes told apart.
const (
	codeCancelled         Code = 0x80100002
	codeUnknownReader     Code = 0x80100009
	codeTimeout           Code = 0x8010000A
	codeSharingViolation  Code = 0x8010000B
	codeNoSmartcard       Code = 0x8010000C
	codeProtoMismatch     Code = 0x8010000F
	codeCommError         Code = 0x80100013
	codeNotTransacted     Code = 0x80100016
	codeReaderUnavailable Code = 0x80100017
	codeNoService         Code = 0x8010001D
	codeServiceStopped    Code = 0x8010001E
	codeNoAccess          Code = 0x80100027
	codeNoReaders         Code = 0x8010002E
	codeCommDataLost      Code = 0x8010002F
	codeUnresponsive      Code = 0x80100066
	codeUnpowered         Code = 0x80100067
	codeReset             Code = 0x80100068
	codeRemoved           Code = 0x80100069
	codeSecurityViolation Code = 0x8010006A
)

// Windows answers plain system errors from within the service too.
const (
	windowsAccessDenied  Code = 5
	windowsInvalidHandle Code = 6
	windowsGenFailure    Code = 31
	windowsBadCommand    Code = 22
	windowsBrokenPipe    Code = 109
)

var kinds = map[Code]error{
	codeUnknownReader:     ErrNoReader,
	codeReaderUnavailable: ErrNoReader,
	codeNoReaders:         ErrNoReader,
	codeTimeout:           ErrTimeout,
	codeSharingViolation:  ErrInUse,
	codeNoSmartcard:       ErrNoCard,
	codeProtoMismatch:     ErrProtocol,
	codeCommError:         ErrTransmission,
	codeNotTransacted:     ErrTransmission,
	codeCommDataLost:      ErrTransmission,
	windowsGenFailure:     ErrTransmission,
	windowsBadCommand:     ErrTransmission,
	codeNoService:         ErrNoService,
	codeServiceStopped:    ErrNoService,
	windowsInvalidHandle:  ErrNoService, // the service was restarted
	windowsBrokenPipe:     ErrNoService, // a remote session ended
	codeNoAccess:          ErrDenied,    // SELECT of FIDO by a normal Windows user
	codeSecurityViolation: ErrDenied,    // polkit, on Linux
	windowsAccessDenied:   ErrDenied,
	codeUnresponsive:      ErrUnresponsive,
	codeUnpowered:         ErrUnresponsive,
	codeReset:             ErrReset,
	codeRemoved:           ErrRemoved,
}

// Error is a failed call to the service.
type Error struct {
	Op   string // what was being done, as a gerund
	Code Code   // what the service answered; 0: it did not
	Kind error  // one of this package's kinds
}

func (e *Error) Error() string {
	if e.Code == 0 {
		return fmt.Sprintf("%s: %v", e.Op, e.Kind)
	}
	return fmt.Sprintf("%s: %v (0x%08X)", e.Op, e.Kind, uint32(e.Code))
}

// Unwrap makes errors.Is see the kind.
func (e *Error) Unwrap() error { return e.Kind }

// coded makes the error of a return code.
func coded(op string, code Code) error {
	kind, known := kinds[code]
	if !known {
		kind = ErrOther
	}
	return &Error{Op: op, Code: code, Kind: kind}
}

// unreached turns a failed transmission to the service into its absence.
func unreached(err error) error {
	var e *Error
	if errors.As(err, &e) && errors.Is(e.Kind, ErrTransmission) {
		return &Error{Op: e.Op, Code: e.Code, Kind: ErrNoService}
	}
	return err
}

// lost turns a failure to reach the service itself into its absence: it ended
// while this program was connected to it. A denial is one too, since leave was
// given when the session was opened: pcsc-lite answers its waiting clients so
// as it ends.
func lost(err error) error {
	var e *Error
	if errors.As(err, &e) && errors.Is(e.Kind, ErrDenied) {
		return &Error{Op: e.Op, Code: e.Code, Kind: ErrNoService}
	}
	return unreached(err)
}

func hasCode(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}
