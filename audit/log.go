package audit

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Ledger keeps events in order, for ever.
//
// Append must be serialised: it calls seal with the tail, and keeps the event
// that seal gives and the tail's new value in one transaction, or neither.
// An id that the ledger has already is ErrDuplicateID, with nothing kept.
type Ledger interface {
	Append(ctx context.Context, seal func(tail Tail) (Event, error)) error
}

// ErrDuplicateID is a Ledger's refusal of an event id that it has.
var ErrDuplicateID = errors.New("audit: event id exists already")

// ErrIncomplete refuses an event without a kind or an outcome.
var ErrIncomplete = errors.New("audit: an event needs a kind and an outcome")

// Options of a Log.
type Options struct {
	Now func() time.Time // nil: time.Now
}

// Log records events. It is safe for concurrent use when its ledger is.
type Log struct {
	ledger Ledger
	now    func() time.Time
}

// New returns a log that writes to the ledger.
func New(ledger Ledger, o Options) *Log {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Log{ledger: ledger, now: o.Now}
}

// Record completes the event (see Event, Circumstances) and appends it. When
// it fails, the event is not recorded and the act must fail too.
func (l *Log) Record(ctx context.Context, e *Event) error {
	return l.RecordIn(ctx, l.ledger, e)
}

// RecordIn is Record into another ledger: a transaction of the store, so that
// an act and its event are kept together or not at all.
func (l *Log) RecordIn(ctx context.Context, ledger Ledger, e *Event) error {
	if e.Kind == "" || e.Outcome == "" {
		return ErrIncomplete
	}
	circumstancesOf(ctx).fill(e)
	if e.At.IsZero() {
		e.At = l.now()
	}
	given := e.ID != ""
	for attempt := 0; ; attempt++ {
		if !given {
			e.ID = NewID()
		}
		e.neutralise()
		err := ledger.Append(ctx, func(tail Tail) (Event, error) {
			err := e.seal(tail)
			return *e, err
		})
		if errors.Is(err, ErrDuplicateID) && !given && attempt < 5 {
			continue
		}
		if err != nil {
			return fmt.Errorf("recording %s: %w", e.Kind, err)
		}
		return nil
	}
}

// seal makes the event follow the tail.
func (e *Event) seal(tail Tail) error {
	e.Sequence = tail.Sequence + 1
	e.Previous = tail.Hash
	b, err := e.Encode()
	if err != nil {
		return err
	}
	e.Hash = digest(e.Previous, b)
	return nil
}
