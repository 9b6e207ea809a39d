package pcsc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
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
}

// Connect connects to the card in the reader of that name.
func (c *Context) Connect(ctx context.Context, reader string, opts Options) (*Card, error) {
	if opts.Turn == 0 {
		opts.Turn = defaultTurn
	}
	if opts.Answer == 0 {
		opts.Answer = defaultAnswer
	}
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

// resets is how often in a row other programs may reset the card before it is
// given up.
const resets = 3

// Exchange runs f while no other program reaches the card, then leaves the
// card as it stands. It has the shape that ctap2.New wants.
func (c *Card) Exchange(ctx context.Context, f func(*apdu.Channel) error) error {
	if err := c.begin(ctx); err != nil {
		return err
	}
	defer c.end()
	return c.explain(ctx, f(c.channel))
}

// begin waits for the card's turn. A reset by another program before it is no
// harm: nothing of ours is under way.
func (c *Card) begin(ctx context.Context) error {
	for range resets {
		_, err := call(ctx, c.context, "waiting for the card's turn", c.opts.Turn, func(*system) (struct{}, error) {
			return struct{}{}, c.system.begin()
		})
		switch {
		case err == nil:
			return nil
		case errors.Is(err, ErrTimeout):
			return &Error{Op: "waiting for the card's turn", Kind: ErrInUse}
		case !errors.Is(err, ErrReset):
			return err
		}
		if err := c.reconnect(ctx, false); err != nil {
			return err
		}
	}
	return &Error{Op: "waiting for the card's turn", Kind: ErrReset}
}

func (c *Card) end() {
	done := func(*system) (struct{}, error) { c.system.end(); return struct{}{}, nil }
	call(context.Background(), c.context, "ending the card's turn", serviceLimit, done) //nolint:errcheck // fails only with the connection
}

// transmit carries one APDU. It is not cut short by a cancellation, which waits
// for the card's answer; the bytes are the session's own, since they may
// outlive the wait.
func (c *Card) transmit(command []byte) ([]byte, error) {
	own := slices.Clone(command)
	response, err := call(context.Background(), c.context, "transmitting", c.opts.Answer, func(*system) ([]byte, error) {
		defer clear(own)
		return c.system.transmit(own)
	})
	if err == nil && len(response) < 2 { // what some drivers answer for a card just gone
		return nil, &Error{Op: "transmitting", Kind: ErrTransmission}
	}
	return response, err
}

// removalNotice is how long the service may take to notice that a card is gone
// (pcsc-lite looks every 0.4 s).
const removalNotice = time.Second

// explain tells a card that was taken out from one that failed: many drivers
// report a failed transmission first and the removal later.
func (c *Card) explain(ctx context.Context, err error) error {
	if !errors.Is(err, ErrTransmission) && !errors.Is(err, ErrNoCard) && !errors.Is(err, ErrUnresponsive) {
		return err
	}
	until := time.Now().Add(removalNotice)
	for ctx.Err() == nil {
		states, sErr := c.context.query(ctx, []string{c.reader}, serviceLimit)
		if errors.Is(sErr, ErrNoReader) || sErr == nil && !states[0].Present {
			return fmt.Errorf("%w: %w", &Error{Op: "exchanging with the card", Kind: ErrRemoved}, err)
		}
		if sErr != nil || time.Now().After(until) {
			return err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return err
}
