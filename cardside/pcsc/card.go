package pcsc

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	"cpsgate/cardside/apdu"
)

// Protocol is which transmission protocol to ask for.
type Protocol int

// The zero value leaves the choice to the service, which other middleware on
// the same card can live with: pcsc-lite prefers T=1, Windows what comes first.
const (
	AnyProtocol Protocol = iota
	OnlyT0
	OnlyT1
)

// Extended says when extended length is used.
type Extended int

// The zero value uses extended length where the reader's driver and the card's
// answer to reset both promise it.
const (
	ExtendedAuto Extended = iota
	ExtendedNever
	ExtendedAlways
)

const (
	defaultTurn   = 20 * time.Second
	defaultAnswer = 60 * time.Second
)

// Options of a connection; the zero value suits any card.
type Options struct {
	Protocol Protocol
	Extended Extended
	// Turn is how long another program may hold the card before an exchange
	// is given up; 0: 20 s. Answer is how long the card may take for one APDU;
	// 0: 60 s, since cards make RSA keys slowly.
	Turn, Answer time.Duration
	// Wrap, if set, is put around the transmission to the card: a recording.
	Wrap func(about apdu.Recording, transmit apdu.Transmit) (apdu.Transmit, error)
}

// Card is a shared connection to the card in one reader. It serves one
// goroutine at a time.
type Card struct {
	context *Context
	system  *systemCard
	opts    Options
	reader  string
	atr     []byte
	events  uint16 // the reader's count of insertions and removals, with this card in it
	channel *apdu.Channel
	begun   bool // an exchange has its turn and sent nothing yet
}

// Connect connects to the card in the reader of that name.
func (c *Context) Connect(ctx context.Context, reader string, opts Options) (*Card, error) {
	if opts.Turn == 0 {
		opts.Turn = defaultTurn
	}
	if opts.Answer == 0 {
		opts.Answer = defaultAnswer
	}
	for attempt := 1; ; attempt++ {
		card, err := c.connect(ctx, reader, opts)
		if attempt == resets || !errors.Is(err, ErrReset) { // what was reset meanwhile is connected to anew
			return card, err
		}
	}
}

func (c *Context) connect(ctx context.Context, reader string, opts Options) (*Card, error) {
	connected, err := call(ctx, c, "connecting to the card", serviceLimit, func(s *system) (*systemCard, error) {
		return s.connect(reader, opts.Protocol)
	})
	if err != nil {
		return nil, err
	}
	card := &Card{context: c, system: connected, opts: opts, reader: reader}
	if err := card.open(ctx); err != nil {
		card.Close()
		return nil, err
	}
	return card, nil
}

// open learns what the connection is like and makes its channel.
func (c *Card) open(ctx context.Context) error {
	_, atr, err := c.status(ctx)
	if err != nil {
		return err
	}
	c.atr = atr
	if c.events, err = c.countEvents(ctx); err != nil {
		return err
	}
	protocol, err := c.system.protocol()
	if err != nil {
		return err
	}
	transmit := apdu.Transmit(c.transmit)
	if c.opts.Wrap != nil {
		about := apdu.Recording{Reader: c.reader, ATR: c.atr, Protocol: protocol}
		if transmit, err = c.opts.Wrap(about, transmit); err != nil {
			return err
		}
	}
	c.channel = &apdu.Channel{Transmit: transmit, Protocol: protocol, Extended: c.extends(ctx)}
	return nil
}

// Reader is the name of the reader that the card is in.
func (c *Card) Reader() string { return c.reader }

// ATR is the card's answer to reset.
func (c *Card) ATR() []byte { return slices.Clone(c.atr) }

// Protocol is the transmission protocol in use.
func (c *Card) Protocol() apdu.Protocol { return c.channel.Protocol }

// Extended reports whether long commands go in extended length.
func (c *Card) Extended() bool { return c.channel.Extended }

// Sent counts the APDUs sent over this connection.
func (c *Card) Sent() int { return c.channel.Sent }

// Close ends the connection and leaves the card as it stands.
func (c *Card) Close() {
	done := func(*system) (struct{}, error) { c.system.disconnect(); return struct{}{}, nil }
	call(context.Background(), c.context, "disconnecting", serviceLimit, done) //nolint:errcheck // a session given up has let go already
}

type status struct {
	reader string
	atr    []byte
}

func (c *Card) status(ctx context.Context) (reader string, atr []byte, err error) {
	s, err := call(ctx, c.context, "asking for the card's state", serviceLimit, func(*system) (status, error) {
		reader, atr, err := c.system.status()
		return status{reader, slices.Clone(atr)}, err
	})
	return s.reader, s.atr, err
}

// Confirm finds the reader again by its name, and the same card in it: names
// and not positions, since a reader plugged in meanwhile shifts positions.
func (c *Card) Confirm(ctx context.Context) error {
	names, err := c.context.Readers(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(names, c.reader) {
		return &Error{Op: "finding the reader again", Kind: ErrNoReader}
	}
	reader, atr, err := c.status(ctx)
	if err != nil {
		return err
	}
	if reader != c.reader || !bytes.Equal(atr, c.atr) {
		return &Error{Op: "finding the card again", Kind: ErrRemoved}
	}
	return nil
}

// ColdReset powers the card off and on. Other programs connected to it are
// told that it was reset.
func (c *Card) ColdReset(ctx context.Context) error { return c.reconnect(ctx, true) }

func (c *Card) reconnect(ctx context.Context, unpower bool) error {
	_, err := call(ctx, c.context, "reconnecting to the card", c.opts.Turn, func(*system) (struct{}, error) {
		return struct{}{}, c.system.reconnect(c.opts.Protocol, unpower)
	})
	if err != nil {
		return err
	}
	if err := c.same(ctx); err != nil {
		return err
	}
	protocol, err := c.system.protocol()
	if err != nil {
		return err
	}
	c.channel.Protocol = protocol
	return nil
}

// same refuses a card put in since: a reset by another program hides from this
// connection that the card was exchanged before it, and reconnecting reaches
// whatever is in the reader.
func (c *Card) same(ctx context.Context) error {
	events, err := c.countEvents(ctx)
	if err != nil {
		return err
	}
	if events != c.events {
		return &Error{Op: "finding the card again", Kind: ErrRemoved}
	}
	return nil
}

func (c *Card) countEvents(ctx context.Context) (uint16, error) {
	states, err := c.context.query(ctx, []string{c.reader}, serviceLimit)
	if err != nil {
		return 0, err
	}
	return states[0].Events, nil
}
