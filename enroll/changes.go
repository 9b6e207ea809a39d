package enroll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
)

// ChangeKinds are the events that change a card or a passkey, so that what
// stands on it may have to end.
func ChangeKinds() []string {
	return []string{
		audit.KindCardState, audit.KindPasskeySuspend, audit.KindPasskeyRemove, audit.KindPasskeyActive,
		audit.KindTicketCancel, audit.KindTicketAbandon, audit.KindTicketExpire,
		audit.KindSessionsEnd,
	}
}

// tellEvery is half of the second within which others' changes are told.
const tellEvery = time.Second / 2

// Run keeps the record in time until ctx ends: what other processes change is
// told within a second, and what is due is ended.
func (r *Registry) Run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- r.WatchChanges(ctx, tellEvery) }()
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			if err := r.Sweep(ctx); err != nil && ctx.Err() == nil {
				r.o.Log.ErrorContext(ctx, "tickets and requests not swept", "error", err)
			}
		}
	}
}

// WatchFromNow notes where WatchChanges is to begin: what other processes change
// from now on will be told, however late WatchChanges is called. To be called
// before sessions are restored, so that no change falls in between.
func (r *Registry) WatchFromNow(ctx context.Context) error {
	seen, err := r.records.LastEvent(ctx)
	if err != nil {
		return fmt.Errorf("watching changes: %w", err)
	}
	r.watchFrom.Store(&seen)
	return nil
}

// WatchSince notes that WatchChanges is to begin with what changed since a
// time: for sessions that outlive this process in a place of their own. What
// was changed while no server ran, or told in vain while that place was away,
// is told again then. To be called before the first request.
func (r *Registry) WatchSince(ctx context.Context, since time.Time) error {
	seen, err := r.records.LastEventBefore(ctx, since)
	if err != nil {
		return fmt.Errorf("watching changes: %w", err)
	}
	r.watchFrom.Store(&seen)
	return nil
}

// WatchChanges looks at the audit every so often, and tells OnCardState,
// OnPasskeyState and OnSessionsEnd of what any process changed: a command
// line beside a running server, another node on the same database. Every change
// is an event of the audit, so the audit's own sequence is the change feed, and
// a change without its event cannot be. It returns when ctx ends; what fails is
// logged and tried again.
func (r *Registry) WatchChanges(ctx context.Context, every time.Duration) error {
	if r.watchFrom.Load() == nil {
		if err := r.WatchFromNow(ctx); err != nil {
			return err
		}
	}
	seen, err := *r.watchFrom.Load(), error(nil)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			if seen, err = r.catchUp(ctx, seen); err != nil && ctx.Err() == nil {
				r.o.Log.ErrorContext(ctx, "changes by others not told yet", "after", seen, "error", err)
			}
		}
	}
}

// catchUp tells what happened after an event, and gives the place it came to:
// no further than what was told without an error.
func (r *Registry) catchUp(ctx context.Context, after uint64) (uint64, error) {
	missed := r.hearing.missed.Load() // before the audit is read, which holds them
	last, err := r.records.LastEvent(ctx)
	if err != nil {
		return after, err
	}
	if last == after {
		r.hearing.made.Store(missed)
		return after, nil
	}
	changes, err := r.records.ChangesAfter(ctx, after)
	if err != nil {
		return after, err
	}
	for _, c := range changes {
		if err := r.tellChange(ctx, c); err != nil {
			return after, err
		}
		after = c.Sequence
	}
	r.hearing.made.Store(missed)
	return max(last, after), nil
}

// tellChange tells the present state, which may be a later one than the event's.
func (r *Registry) tellChange(ctx context.Context, c Change) error {
	var t telling
	if c.Kind == audit.KindSessionsEnd {
		return r.tellEnding(ctx, c)
	}
	if c.Kind == audit.KindCardState {
		card, err := r.records.Card(ctx, c.Card)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		t.cards = append(t.cards, card)
		if t.passkeys, err = r.records.PasskeysOn(ctx, c.Card); err != nil {
			return err
		}
	} else {
		all, err := r.records.PasskeysOf(ctx, c.Subject)
		if err != nil {
			return err
		}
		for _, p := range all {
			if p.State == identity.PasskeySuspended || p.State == identity.PasskeyRevoked {
				t.passkeys = append(t.passkeys, p)
			}
		}
	}
	return r.tellHooks(ctx, t)
}

// tellEnding tells whose sessions end by an event. One that was edited ends
// nobody's, and holds nothing up.
func (r *Registry) tellEnding(ctx context.Context, c Change) error {
	e, err := r.records.Event(ctx, c.Event)
	var fault *audit.Fault
	if errors.As(err, &fault) || err == nil && !e.Sealed() {
		r.o.Log.ErrorContext(ctx, "an end of sessions is not as it was recorded", "event", c.Event)
		return nil
	}
	if err != nil {
		return err
	}
	of, ok, err := r.ending(ctx, e)
	if err != nil || !ok {
		return err
	}
	return r.tellHooks(ctx, telling{endings: []Ending{of}})
}
