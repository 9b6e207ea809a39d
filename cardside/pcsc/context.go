package pcsc

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Context is a session with the smart card service. Its calls are made one at
// a time by a goroutine of its own. After a call that did not return in time
// it is given up: every further call fails, and Close is all that is left.
type Context struct {
	calls chan func(*system)
	once  sync.Once
	gone  chan struct{} // closed: given up, or closed
}

// serviceLimit bounds calls that wait for nothing but the service.
const serviceLimit = 10 * time.Second

// Establish opens a session.
func Establish(ctx context.Context) (*Context, error) {
	c := &Context{calls: make(chan func(*system)), gone: make(chan struct{})}
	opened := make(chan error, 1)
	go c.run(opened)
	select {
	case err := <-opened:
		if err != nil {
			return nil, err
		}
		return c, nil
	case <-time.After(serviceLimit):
		c.Close()
		return nil, &Error{Op: "connecting to the smart card service", Kind: ErrTimeout}
	case <-ctx.Done():
		c.Close()
		return nil, context.Cause(ctx)
	}
}

// run owns the session: it makes the calls, and releases it in the end.
func (c *Context) run(opened chan<- error) {
	s, err := establish()
	opened <- err
	if err != nil {
		c.Close()
		return
	}
	defer s.release()
	for {
		select {
		case call := <-c.calls:
			call(s)
		case <-c.gone:
			return
		}
	}
}

// Close ends the session; the service lets go of its cards.
func (c *Context) Close() { c.once.Do(func() { close(c.gone) }) }

// call runs f on the session's goroutine and waits for at most limit. When it
// gives up, f may still be running: nothing that f touches is touched again.
func call[T any](ctx context.Context, c *Context, op string, limit time.Duration, f func(*system) (T, error)) (T, error) {
	type outcome struct {
		value T
		err   error
	}
	var none T
	done := make(chan outcome, 1)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case c.calls <- func(s *system) {
		value, err := f(s)
		done <- outcome{value, err}
	}:
	case <-c.gone:
		return none, &Error{Op: op, Kind: ErrTimeout} // an earlier call's
	case <-timer.C:
		return none, &Error{Op: op, Kind: ErrTimeout}
	case <-ctx.Done():
		return none, context.Cause(ctx)
	}
	select {
	case o := <-done:
		return o.value, o.err
	case <-timer.C:
		c.Close()
		return none, &Error{Op: op, Kind: ErrTimeout}
	case <-ctx.Done():
		c.Close()
		return none, context.Cause(ctx)
	}
}

// Readers lists the readers by name; none is no error.
func (c *Context) Readers(ctx context.Context) ([]string, error) {
	names, err := call(ctx, c, "listing readers", serviceLimit, (*system).readers)
	if hasCode(err, codeNoReaders) {
		return nil, nil
	}
	return names, err
}

// State is what the service says of one reader.
type State struct {
	Reader    string
	Present   bool   // a card is in it
	ATR       []byte // the card's answer to reset
	Mute      bool   // a card is in it and does not answer
	InUse     bool   // some program is connected to the card
	Exclusive bool   // some program has the card to itself
	Events    uint16 // counts insertions and removals, where the service does

	flags uint32 // as the service wrote them
}

// readerState is a State as the service writes it.
type readerState struct {
	name  string
	flags uint32
	atr   []byte
}

// Flags of a reader's state (part 5 §3.2.5, SCARD_STATE_*).
const (
	flagChanged   = 0x0002
	flagPresent   = 0x0020
	flagExclusive = 0x0080
	flagInUse     = 0x0100
	flagMute      = 0x0200
)

func (r readerState) state() State {
	s := State{
		Reader:    r.name,
		Present:   r.flags&flagPresent != 0,
		Mute:      r.flags&flagMute != 0,
		InUse:     r.flags&flagInUse != 0,
		Exclusive: r.flags&flagExclusive != 0,
		Events:    uint16(r.flags >> 16),
		flags:     r.flags &^ flagChanged,
	}
	if s.Present {
		s.ATR = slices.Clone(r.atr)
	}
	return s
}

// States asks for the state of every reader, as it is now.
func (c *Context) States(ctx context.Context) ([]State, error) {
	names, err := c.Readers(ctx)
	if err != nil || len(names) == 0 {
		return nil, err
	}
	states, err := c.query(ctx, names, serviceLimit)
	if errors.Is(err, ErrNoReader) { // one went while we asked
		if names, err = c.Readers(ctx); err != nil || len(names) == 0 {
			return nil, err
		}
		states, err = c.query(ctx, names, serviceLimit)
	}
	return states, err
}

func (c *Context) query(ctx context.Context, names []string, limit time.Duration) ([]State, error) {
	return call(ctx, c, "asking for the readers' states", limit, func(s *system) ([]State, error) {
		query := make([]readerState, len(names))
		for i, name := range names {
			query[i].name = name
		}
		if err := s.wait(query, 0); err != nil {
			return nil, err
		}
		states := make([]State, len(query))
		for i := range query {
			states[i] = query[i].state()
		}
		return states, nil
	})
}
