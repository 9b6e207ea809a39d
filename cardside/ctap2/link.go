package ctap2

import (
	"errors"
	"fmt"

	"cpsgate/cardside/apdu"
)

// AID is the application identifier of FIDO (CTAP 2.1 §11.3.3).
var AID = [8]byte{0xA0, 0x00, 0x00, 0x06, 0x47, 0x2F, 0x00, 0x01}

// What SELECT announces (CTAP 2.1 §11.3.3).
const (
	versionFIDO2 = "FIDO_2_0"
	versionU2F   = "U2F_V2"
)

// Link carries CTAP messages to the FIDO application of a card in APDUs (CTAP
// 2.1 §11.3). It lives as long as an exchange.
type Link struct {
	Channel *apdu.Channel
	// Version is what SELECT announced.
	Version string
	// Chained tells that SELECT was answered 61xx on T=1.
	Chained bool
}

// Select selects the FIDO application (CTAP 2.1 §11.3.3).
func (l *Link) Select() error {
	l.Channel.SawMore = false
	answer, err := l.Channel.Send(apdu.Select(AID[:]))
	switch {
	case errors.Is(err, apdu.FileNotFound):
		return fmt.Errorf("%w: %w", ErrNoApplet, err)
	case errors.Is(err, apdu.ConditionsNotSatisfied):
		return fmt.Errorf("%w: %w", ErrNotOverContact, err)
	case err != nil && l.Channel.SawMore && isCardsWord(err):
		return fmt.Errorf("%w: %w", ErrSelectCutShort, err)
	case err != nil:
		return fmt.Errorf("selecting the FIDO application: %w", err)
	}
	l.Chained = l.Channel.SawMore && l.Channel.Protocol == apdu.T1 // on T=0 it is how case 4 works
	l.Version = string(answer)
	return nil
}

// isCardsWord tells an answer of the card, good or bad, from a failure to reach it.
func isCardsWord(err error) bool {
	var refused *apdu.StatusError
	return errors.As(err, &refused) || errors.Is(err, apdu.ErrEndless) || errors.Is(err, apdu.ErrTooLarge)
}

// Message carries one CTAP message, a command byte and its parameters, by
// NFCCTAP_MSG (CTAP 2.1 §11.3.5.1), and returns the answer from its status byte
// on. P1 is 00: this side knows no NFCCTAP_GETRESPONSE, so a card answers when
// it is done. NFCCTAP_CONTROL (80 12 01 00) is never sent: it ends the session.
func (l *Link) Message(message []byte) ([]byte, error) {
	cmd := apdu.Command{CLA: 0x80, INS: 0x10, Data: message, Le: apdu.MaxShortLe}
	if l.Channel.Extended {
		cmd.Le = apdu.MaxExtendedLe
	}
	answer, err := l.Channel.Send(cmd)
	switch {
	case errors.Is(err, apdu.ConditionsNotSatisfied):
		return nil, fmt.Errorf("%w: %w", ErrNotOverContact, err)
	case l.Version == versionU2F && (errors.Is(err, apdu.InstructionNotSupported) || errors.Is(err, apdu.ClassNotSupported)):
		return nil, fmt.Errorf("%w: %w", ErrU2FOnly, err)
	case err != nil:
		return nil, err
	case len(answer) == 0:
		return nil, fmt.Errorf("%w: empty", ErrMalformed)
	}
	return answer, nil
}
