package virtualcard

import (
	"errors"
	"fmt"
	"time"

	"cpsgate/internal/virtualcard/authenticator"
)

// Generation is what the card is.
type Generation int

// The generations. The zero value is a CPS4.
const (
	CPS4 Generation = iota
	CPS3            // no FIDO2 applet, no crypto applet; T=0 only
)

// Protocol is the transmission protocol. vpcd does not say which one the
// reader chose, so the card is told beforehand and its ATR agrees.
type Protocol int

// The protocols. The zero value is T=0: a CPS4's ATR offers it first, and
// PC/SC takes the first offered unless a program asks otherwise.
const (
	T0 Protocol = iota
	T1
)

// GetResponseRule is which class byte GET RESPONSE must have.
type GetResponseRule int

// The rules. The zero value takes both classes.
const (
	GetResponseAny     GetResponseRule = iota
	GetResponseISO                     // 00 C0 only, whatever the command's class was
	GetResponseCommand                 // only the class of the command it belongs to
)

// Applet is the condition of the FIDO2 applet.
type Applet int

// The conditions. The zero value works.
const (
	AppletWorks  Applet = iota
	AppletAbsent        // SELECT is answered 6A82
	AppletDead          // 6985 to everything, SELECT included: not over contact
	AppletMute          // SELECT works, then 6985 to everything
)

// Options says what card New makes and how difficult it is. The zero value is
// a blank CPS4 on T=0 that does as the specifications say.
type Options struct {
	Generation Generation
	Protocol   Protocol
	// KeepATR leaves the ATR as it is, offering T=0 first, on a card that
	// speaks T=1: for programs that ask for T=1.
	KeepATR bool
	ATR     []byte // another ATR than the generation's

	Extended    bool // extended length; T=1 only
	GetResponse GetResponseRule
	SelectMore  bool // SELECT is answered 61xx on T=1 too
	U2FVersion  bool // SELECT of FIDO says "U2F_V2", CTAP2 being there all the same
	Applet      Applet
	// KeepAlive is how many times a command that allows it (P1=80) is answered
	// 9100 and fetched by NFCCTAP_GETRESPONSE before its answer comes.
	KeepAlive int

	Delay   time.Duration // before each answer
	EjectAt int           // the card leaves instead of answering its n-th APDU; 0: stays

	FIDO authenticator.Options
	// PIN is one set beforehand; PINTriesLeft, if not 0, what is left of its
	// tries. Both are for new cards: a StateFile that exists has its own.
	PIN          string
	PINTriesLeft int
	StateFile    string // where the card is kept between insertions; "": nowhere

	// Interrupt is shown each whole CTAP message: before the applet acts on it, and
	// again once it has acted and before its answer goes out. The card waits for it.
	// An error of its takes the card out there and then; ErrEjected is one.
	Interrupt func(message []byte, acted bool) error
	// Trace is shown each APDU and its answer; a nil answer is an ejection.
	Trace func(command, answer []byte)
}

// check refuses what no card can be.
func (o Options) check() error {
	switch {
	case o.Generation == CPS3 && o.Protocol == T1:
		return errors.New("a CPS3 speaks T=0 only")
	case o.Protocol == T0 && o.Extended:
		return errors.New("extended length needs T=1")
	case o.Protocol == T0 && o.KeepATR:
		return errors.New("keeping the ATR is meant for T=1")
	case o.EjectAt < 0 || o.KeepAlive < 0 || o.Delay < 0:
		return errors.New("negative count or delay")
	case o.PINTriesLeft < 0 || o.PINTriesLeft > 8:
		return fmt.Errorf("%d PIN tries left are not within 0 and 8", o.PINTriesLeft)
	case o.PINTriesLeft > 0 && o.PIN == "":
		return errors.New("PIN tries left without a PIN")
	case o.Generation == CPS3 && o.PIN != "":
		return errors.New("a CPS3 has no FIDO2 PIN")
	}
	return nil
}
