package apdu

import (
	"errors"
	"fmt"
)

// Status is the status word SW1-SW2 of a response (ISO/IEC 7816-4 §5.1.3).
type Status uint16

// The status words that this program reads (ISO/IEC 7816-4 tables 5 and 6).
const (
	OK                      Status = 0x9000
	WrongLength             Status = 0x6700
	ChainingNotSupported    Status = 0x6884
	LastOfChainExpected     Status = 0x6883
	SecurityNotSatisfied    Status = 0x6982
	ConditionsNotSatisfied  Status = 0x6985
	WrongData               Status = 0x6A80
	FunctionNotSupported    Status = 0x6A81
	FileNotFound            Status = 0x6A82
	WrongParameters         Status = 0x6B00
	InstructionNotSupported Status = 0x6D00
	ClassNotSupported       Status = 0x6E00
	NoPreciseDiagnosis      Status = 0x6F00
	// Processing is proprietary (CTAP 2.1 §11.3.7.1, NFCCTAP_GETRESPONSE);
	// it is answered only to those who said with P1=80 that they know it.
	Processing Status = 0x9100
)

var statusNames = map[Status]string{
	OK:                      "normal processing",
	WrongLength:             "wrong length",
	LastOfChainExpected:     "last command of the chain expected",
	ChainingNotSupported:    "command chaining not supported",
	SecurityNotSatisfied:    "security status not satisfied",
	ConditionsNotSatisfied:  "conditions of use not satisfied",
	WrongData:               "incorrect parameters in the data field",
	FunctionNotSupported:    "function not supported",
	FileNotFound:            "file or application not found",
	WrongParameters:         "wrong parameters P1-P2",
	InstructionNotSupported: "instruction not supported",
	ClassNotSupported:       "class not supported",
	NoPreciseDiagnosis:      "no precise diagnosis",
	Processing:              "still processing",
}

// More tells how many further bytes wait for GET RESPONSE (61xx); 256 stands
// for "256 or more".
func (s Status) More() (n int, waiting bool) {
	if s>>8 != 0x61 {
		return 0, false
	}
	return lengthOf(s), true
}

// RightLe tells the Le that the card wants instead (6Cxx).
func (s Status) RightLe() (le int, wrong bool) {
	if s>>8 != 0x6C {
		return 0, false
	}
	return lengthOf(s), true
}

func lengthOf(s Status) int {
	if n := int(s & 0xFF); n > 0 {
		return n
	}
	return MaxShortLe
}

func (s Status) String() string {
	if name, known := statusNames[s]; known {
		return fmt.Sprintf("%04X (%s)", uint16(s), name)
	}
	return fmt.Sprintf("%04X", uint16(s))
}

// StatusError is a card's refusal of one command.
type StatusError struct {
	Command Command // header only: Data is never kept
	Status  Status
}

func (e *StatusError) Error() string {
	c := e.Command
	return fmt.Sprintf("card answered %s to %02X %02X %02X %02X", e.Status, c.CLA, c.INS, c.P1, c.P2)
}

// Is lets errors.Is compare a status alone: errors.Is(err, apdu.FileNotFound).
func (e *StatusError) Is(target error) bool {
	s, ok := target.(Status)
	return ok && s == e.Status
}

// Error makes a Status usable as the target of errors.Is.
func (s Status) Error() string { return "card status " + s.String() }

// ErrShortResponse is a response without room for a status word.
var ErrShortResponse = errors.New("response shorter than a status word")

// ParseResponse splits a response APDU into its data and its status word.
func ParseResponse(response []byte) ([]byte, Status, error) {
	n := len(response) - 2
	if n < 0 {
		return nil, 0, fmt.Errorf("%w: %d bytes", ErrShortResponse, len(response))
	}
	return response[:n], Status(response[n])<<8 | Status(response[n+1]), nil
}
