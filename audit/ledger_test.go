package audit_test

import (
	"context"
	"errors"
	"iter"
	"sync"

	"cpsgate/audit"
)

var errDisk = errors.New("disk is full")

// ledger keeps events in memory; fail makes it refuse them.
type ledger struct {
	mu     sync.Mutex
	events []audit.Event
	fail   error
}

func (l *ledger) Append(_ context.Context, seal func(audit.Tail) (audit.Event, error)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, err := seal(l.tail())
	switch {
	case err != nil:
		return err
	case l.fail != nil:
		return l.fail
	}
	for _, known := range l.events {
		if known.ID == e.ID {
			return audit.ErrDuplicateID
		}
	}
	l.events = append(l.events, e)
	return nil
}

func (l *ledger) tail() audit.Tail {
	if len(l.events) == 0 {
		return audit.Tail{}
	}
	last := l.events[len(l.events)-1]
	return audit.Tail{Sequence: last.Sequence, Hash: last.Hash}
}

func all(events []audit.Event) iter.Seq2[audit.Event, error] {
	return func(yield func(audit.Event, error) bool) {
		for _, e := range events {
			if !yield(e, nil) {
				return
			}
		}
	}
}
