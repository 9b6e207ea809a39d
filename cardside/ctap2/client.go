package ctap2

import (
	"context"
	"errors"
	"fmt"

	"cpsgate/cardside/apdu"
)

// AID is the application identifier of FIDO (CTAP 2.1 §11.3.3).
var AID = [8]byte{0xA0, 0x00, 0x00, 0x06, 0x47, 0x2F, 0x00, 0x01}

// Command bytes (CTAP 2.1 §6).
const (
	cmdMakeCredential       = 0x01
	cmdGetAssertion         = 0x02
	cmdGetInfo              = 0x04
	cmdClientPIN            = 0x06
	cmdReset                = 0x07
	cmdGetNextAssertion     = 0x08
	cmdCredentialManagement = 0x0A
	cmdSelection            = 0x0B
	cmdConfig               = 0x0D
	cmdCredMgmtPreview      = 0x41
)

// Exchange runs f while no other program reaches the card, and leaves the card
// as it stands afterwards.
type Exchange func(ctx context.Context, f func(*apdu.Channel) error) error

// Options are the policies of a Client; the zero value is the strict one.
type Options struct {
	// SpendLastTry lets the last PIN try be spent; a wrong PIN then blocks the
	// application until it is reset.
	SpendLastTry bool
	// FewTries, if set, is told before a PIN is sent that no more than
	// WarnTries tries are left.
	FewTries func(left int)
	// AcceptNotCanonical lets answers out of canonical form through, noted as
	// QuirkNotCanonical.
	AcceptNotCanonical bool
	// BeforeWrite, if set, runs before each operation that changes the card,
	// within its exchange; its error stops the operation.
	BeforeWrite func(ctx context.Context) error
}

// WarnTries is the number of PIN tries left from which a person is warned.
const WarnTries = 3

// Client speaks CTAP 2.1 with one card.
type Client struct {
	exchange Exchange
	opts     Options

	// Of the exchange under way; nil outside one.
	channel *apdu.Channel
	shared  *sharedSecret // agreed in this exchange, dropped with it

	version string // what SELECT announced
	info    *Info  // as read last; nil when it may have changed
	quirks  []Quirk
}

// New makes a client of the card that exchange reaches.
func New(exchange Exchange, opts Options) *Client {
	return &Client{exchange: exchange, opts: opts}
}

// Quirks lists the card's deviations met so far, in the order they were met.
func (c *Client) Quirks() []Quirk { return append([]Quirk(nil), c.quirks...) }

// Together runs f in one exchange, which the operations that f calls on this
// client share: one SELECT, and one key agreement.
func (c *Client) Together(ctx context.Context, f func() error) error {
	if c.channel != nil {
		return f()
	}
	return c.exchange(ctx, func(channel *apdu.Channel) error {
		c.channel = channel
		defer func() {
			c.channel = nil
			c.dropShared()
		}()
		if err := c.selectApplication(); err != nil {
			return err
		}
		return f()
	})
}

// write is Together for operations that change the card.
func (c *Client) write(ctx context.Context, f func() error) error {
	return c.Together(ctx, func() error {
		if c.opts.BeforeWrite != nil {
			if err := c.opts.BeforeWrite(ctx); err != nil {
				return err
			}
		}
		return f()
	})
}

// selectApplication selects FIDO by its AID (CTAP 2.1 §11.3.3).
func (c *Client) selectApplication() error {
	c.channel.SawMore = false
	answer, err := c.channel.Send(apdu.Select(AID[:]))
	switch {
	case errors.Is(err, apdu.FileNotFound):
		return fmt.Errorf("%w: %w", ErrNoApplet, err)
	case errors.Is(err, apdu.ConditionsNotSatisfied):
		return fmt.Errorf("%w: %w", ErrNotOverContact, err)
	case err != nil && c.channel.SawMore && isCardsWord(err):
		return fmt.Errorf("%w: %w", ErrSelectCutShort, err)
	case err != nil:
		return fmt.Errorf("selecting the FIDO application: %w", err)
	}
	if c.channel.SawMore && c.channel.Protocol == apdu.T1 {
		c.note(QuirkSelectChained) // on T=0 it is how case 4 works
	}
	c.version = string(answer)
	if c.version != "FIDO_2_0" && c.version != "U2F_V2" {
		c.note(QuirkUnknownVersion)
	}
	return nil
}

// isCardsWord tells an answer of the card, good or bad, from a failure to reach it.
func isCardsWord(err error) bool {
	var refused *apdu.StatusError
	return errors.As(err, &refused) || errors.Is(err, apdu.ErrEndless) || errors.Is(err, apdu.ErrTooLarge)
}

func (c *Client) note(q Quirk) {
	for _, known := range c.quirks {
		if known == q {
			return
		}
	}
	c.quirks = append(c.quirks, q)
}

// call sends a command with its parameters (nil for none) and decodes the
// answer into result (nil if none is due), within the exchange under way.
func (c *Client) call(ctx context.Context, command byte, parameters, result any) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	message := []byte{command}
	if parameters != nil {
		message = append(message, encode(parameters)...)
	}
	if limit := c.maxMessage(); len(message) > limit {
		return fmt.Errorf("%w: %d bytes, %d at most", ErrTooLong, len(message), limit)
	}
	answer, err := c.message(message)
	if err != nil {
		return fmt.Errorf("command 0x%02X: %w", command, err)
	}
	if result == nil {
		return nil
	}
	if err := c.accept(decode(answer, result)); err != nil {
		return fmt.Errorf("command 0x%02X: %w", command, err)
	}
	return nil
}

// accept applies the policy on canonical form.
func (c *Client) accept(err error) error {
	if c.opts.AcceptNotCanonical && errors.Is(err, ErrNotCanonical) {
		c.note(QuirkNotCanonical)
		return nil
	}
	return err
}

// maxMessage is the card's maxMsgSize, 1024 unless it says otherwise
// (CTAP 2.1 §6.4).
func (c *Client) maxMessage() int {
	if c.info != nil && c.info.MaxMsgSize > 0 {
		return c.info.MaxMsgSize
	}
	return 1024
}

// message carries one CTAP message by NFCCTAP_MSG (CTAP 2.1 §11.3.5.1). P1 is
// 00: this client knows no NFCCTAP_GETRESPONSE, so a card answers when it is
// done. NFCCTAP_CONTROL (80 12 01 00) is never sent: it ends the session.
func (c *Client) message(message []byte) ([]byte, error) {
	cmd := apdu.Command{CLA: 0x80, INS: 0x10, Data: message, Le: apdu.MaxShortLe}
	if c.channel.Extended {
		cmd.Le = apdu.MaxExtendedLe
	}
	answer, err := c.channel.Send(cmd)
	clear(message)
	switch {
	case errors.Is(err, apdu.ConditionsNotSatisfied):
		return nil, fmt.Errorf("%w: %w", ErrNotOverContact, err)
	case c.version == "U2F_V2" && (errors.Is(err, apdu.InstructionNotSupported) || errors.Is(err, apdu.ClassNotSupported)):
		return nil, fmt.Errorf("%w: %w", ErrU2FOnly, err)
	case err != nil:
		return nil, err
	case len(answer) == 0:
		return nil, fmt.Errorf("%w: empty", ErrMalformed)
	case Status(answer[0]) != StatusOK:
		return nil, Status(answer[0])
	}
	if c.version == "U2F_V2" {
		c.note(QuirkAnnouncesU2F)
	}
	return answer[1:], nil
}
