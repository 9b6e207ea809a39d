package enroll

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"cpsgate/identity"
)

// telling is what hooks and watchers are to learn once a change is kept.
type telling struct {
	cards    []identity.Card
	passkeys []identity.Passkey
	endings  []Ending
	ticket   string
}

func (t *telling) add(more telling) {
	t.cards = append(t.cards, more.cards...)
	t.passkeys = append(t.passkeys, more.passkeys...)
	t.endings = append(t.endings, more.endings...)
}

// tellingTime bounds how long an act waits until its hooks have heard of it.
const tellingTime = 5 * time.Second

// hearing counts the changes that were told in vain, and how many of those
// WatchChanges has told since.
type hearing struct{ missed, made atomic.Int64 }

// Untold reports that a change is kept and in force, and that its hooks could not
// be told of it yet: the place of sessions is away, and those that are open end
// once WatchChanges gets through.
func (r *Registry) Untold() bool { return r.hearing.missed.Load() > r.hearing.made.Load() }

// changed runs act as one unit, then tells.
func (r *Registry) changed(ctx context.Context, act func(Unit) (telling, error)) error {
	var after telling
	err := r.records.Change(ctx, func(u Unit) (err error) {
		after, err = act(u)
		return err
	})
	if err == nil {
		r.tell(ctx, after)
	}
	return err
}

// tell tells of a change that is kept. One that is not heard is no failure of the
// act, which is done, audited and in force: it is logged, and WatchChanges tells
// it again until it is. Nor does it matter that who asked has gone.
func (r *Registry) tell(ctx context.Context, t telling) {
	if t.ticket != "" {
		r.live.tell(t.ticket)
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), tellingTime)
	defer stop()
	if err := r.tellHooks(ctx, t); err != nil {
		r.hearing.missed.Add(1)
		r.o.Log.ErrorContext(ctx, "a change is kept and not told yet", "cards", len(t.cards), "passkeys", len(t.passkeys), "error", err)
	}
}

// tellHooks tells all, but after ctx ends nothing more.
func (r *Registry) tellHooks(ctx context.Context, t telling) error {
	var errs []error
	for _, c := range t.cards {
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
		errs = append(errs, r.o.OnCardState(ctx, c.TokenID, c.State))
	}
	for _, p := range t.passkeys {
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
		errs = append(errs, r.o.OnPasskeyState(ctx, p.ID, p.State))
	}
	for _, of := range t.endings {
		if ctx.Err() != nil {
			return errors.Join(append(errs, ctx.Err())...)
		}
		errs = append(errs, r.o.OnSessionsEnd(ctx, of))
	}
	return errors.Join(errs...)
}
