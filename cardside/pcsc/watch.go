package pcsc

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"
)

// EventKind says what happened.
type EventKind string

// The kinds of events.
const (
	ReaderAdded   EventKind = "reader-added"
	ReaderRemoved EventKind = "reader-removed"
	CardInserted  EventKind = "card-inserted"
	CardRemoved   EventKind = "card-removed"
	ServiceLost   EventKind = "service-lost"
	ServiceBack   EventKind = "service-back"
)

// Event is a change in the readers.
type Event struct {
	Kind   EventKind
	Reader string
	ATR    []byte // of the card inserted
	Mute   bool   // the card inserted does not answer
}

// Pauses of Watch: the longest wait for news before readers are listed anew,
// and between attempts to reach a service that is gone.
const (
	watchSlice = 500 * time.Millisecond
	watchRetry = time.Second
)

// Watch tells emit of every insertion and removal, first of what is there
// already, until ctx ends (its cause is returned) or emit fails. It outlives
// the service: when that stops and starts again, a new session is opened.
func Watch(ctx context.Context, emit func(Event) error) error {
	w := &watcher{emit: emit}
	for {
		err := w.session(ctx)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if !errors.Is(err, ErrNoService) && !errors.Is(err, ErrTimeout) {
			return err
		}
		if err := w.lost(); err != nil {
			return err
		}
		select {
		case <-time.After(watchRetry):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// watcher keeps what was last told, across sessions.
type watcher struct {
	emit  func(Event) error
	known []State
	gone  bool // the service is
}

func (w *watcher) session(ctx context.Context) error {
	c, err := Establish(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	for {
		states, err := c.States(ctx)
		if err != nil {
			return err
		}
		if err := w.back(); err != nil {
			return err
		}
		for _, event := range Changes(w.known, states) {
			if err := w.emit(event); err != nil {
				return err
			}
		}
		w.known = states
		if err := c.news(ctx, states); err != nil {
			return err
		}
	}
}

// lost tells that the service is gone, and the cards with it.
func (w *watcher) lost() error {
	if w.gone {
		return nil
	}
	w.gone = true
	for _, event := range Changes(w.known, nil) {
		if err := w.emit(event); err != nil {
			return err
		}
	}
	w.known = nil
	return w.emit(Event{Kind: ServiceLost})
}

func (w *watcher) back() error {
	if !w.gone {
		return nil
	}
	w.gone = false
	return w.emit(Event{Kind: ServiceBack})
}

// plugAndPlay is the reader that stands for the list of readers (part 5 has it
// not; pcsc-lite and Windows do).
const plugAndPlay = `\\?PnP?\Notification`

// news waits until a reader's state differs from what is known, for a slice of
// time at most: a service without plug-and-play notices announces new readers
// to nobody.
func (c *Context) news(ctx context.Context, known []State) error {
	query := make([]readerState, 0, len(known)+1)
	for _, state := range known {
		query = append(query, readerState{name: state.Reader, flags: state.flags})
	}
	query = append(query, readerState{name: plugAndPlay, flags: uint32(len(known)) << 16})
	_, err := call(ctx, c, "watching readers", watchSlice+serviceLimit, func(s *system) (struct{}, error) {
		return struct{}{}, s.wait(query, watchSlice)
	})
	if errors.Is(err, ErrTimeout) && hasCode(err, codeTimeout) || errors.Is(err, ErrNoReader) || hasCode(err, codeCancelled) {
		return nil // no news, or readers that changed: the caller looks again
	}
	return err
}

// Changes tells what happened between two looks at the readers. A card that
// was replaced in between counts as removed and inserted.
func Changes(before, after []State) []Event {
	var events []Event
	for _, old := range before {
		now, still := find(after, old.Reader)
		if old.Present && (!still || !now.Present || replaced(old, now)) {
			events = append(events, Event{Kind: CardRemoved, Reader: old.Reader})
		}
		if !still {
			events = append(events, Event{Kind: ReaderRemoved, Reader: old.Reader})
		}
	}
	for _, now := range after {
		old, was := find(before, now.Reader)
		if !was {
			events = append(events, Event{Kind: ReaderAdded, Reader: now.Reader})
		}
		if now.Present && (!old.Present || replaced(old, now)) {
			events = append(events, Event{Kind: CardInserted, Reader: now.Reader, ATR: now.ATR, Mute: now.Mute})
		}
	}
	return events
}

// replaced tells by the count of insertions and removals, or by another card's
// answer to reset.
func replaced(old, now State) bool {
	return old.Present && now.Present && (now.Events-old.Events >= 2 || !bytes.Equal(old.ATR, now.ATR))
}

func find(states []State, reader string) (State, bool) {
	i := slices.IndexFunc(states, func(s State) bool { return s.Reader == reader })
	if i < 0 {
		return State{}, false
	}
	return states[i], true
}
