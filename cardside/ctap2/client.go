package ctap2

import (
	"context"
	"errors"
	"fmt"

	"cpsgate/cardside/apdu"
)

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
	link   *Link
	shared *sharedSecret // agreed in this exchange, dropped with it

	info   *Info // as read last; nil when it may have changed
	quirks []Quirk
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
	if c.link != nil {
		return f()
	}
	return c.exchange(ctx, func(channel *apdu.Channel) error {
		c.link = &Link{Channel: channel}
		defer func() {
			c.link = nil
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

// selectApplication begins the exchange, and notes what is odd about it.
func (c *Client) selectApplication() error {
	if err := c.link.Select(); err != nil {
		return err
	}
	if c.link.Chained {
		c.note(QuirkSelectChained)
	}
	if c.link.Version != versionFIDO2 && c.link.Version != versionU2F {
		c.note(QuirkUnknownVersion)
	}
	return nil
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

// message carries one CTAP message and judges the answer's status.
func (c *Client) message(message []byte) ([]byte, error) {
	defer clear(message)
	answer, err := c.link.Message(message)
	if err != nil {
		return nil, err
	}
	if status := Status(answer[0]); status != StatusOK {
		return nil, status
	}
	if c.link.Version == versionU2F {
		c.note(QuirkAnnouncesU2F)
	}
	return answer[1:], nil
}
