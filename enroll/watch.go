package enroll

import (
	"context"
	"iter"
	"slices"
	"sync"
	"time"
)

// audience is who watches tickets, in this process. A watcher is woken, not
// told: it reads the ticket anew, so that none of them can slow an act down.
type audience struct {
	mu       sync.Mutex // guards watchers
	watchers map[string]map[chan struct{}]struct{}
}

func newAudience() *audience {
	return &audience{watchers: map[string]map[chan struct{}]struct{}{}}
}

func (a *audience) join(ticket string) (woken <-chan struct{}, leave func()) {
	c := make(chan struct{}, 1)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.watchers[ticket] == nil {
		a.watchers[ticket] = map[chan struct{}]struct{}{}
	}
	a.watchers[ticket][c] = struct{}{}
	return c, func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.watchers[ticket], c)
		if len(a.watchers[ticket]) == 0 {
			delete(a.watchers, ticket)
		}
	}
}

func (a *audience) tell(ticket string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range []string{ticket, anyTicket} {
		for c := range a.watchers[name] {
			select {
			case c <- struct{}{}:
			default: // it is to wake already
			}
		}
	}
}

// anyTicket is what watchers of the queue join.
const anyTicket = ""

// watchEvery is how often a watcher looks by itself, for what other processes
// change.
const watchEvery = 2 * time.Second

// Watch gives the ticket as it is, then after each change, until it has ended
// or ctx is done.
func (r *Registry) Watch(ctx context.Context, id string) iter.Seq2[Ticket, error] {
	return func(yield func(Ticket, error) bool) {
		woken, leave := r.live.join(id)
		defer leave()
		var shown Ticket
		for {
			t, err := r.Ticket(ctx, id)
			if err != nil {
				if ctx.Err() == nil {
					yield(Ticket{}, err)
				}
				return
			}
			if t.State != shown.State || !slices.Equal(t.Steps, shown.Steps) { // every change is a step
				if !yield(t, nil) || t.State.Ended() {
					return
				}
				shown = t
			}
			if !wait(ctx, woken) {
				return
			}
		}
	}
}

// WatchQueue gives a value now, then after each change of any ticket, several
// of them perhaps at once; it ends with ctx.
func (r *Registry) WatchQueue(ctx context.Context) iter.Seq[struct{}] {
	return func(yield func(struct{}) bool) {
		woken, leave := r.live.join(anyTicket)
		defer leave()
		for yield(struct{}{}) && wait(ctx, woken) {
		}
	}
}

func wait(ctx context.Context, woken <-chan struct{}) bool {
	tick := time.NewTimer(watchEvery)
	defer tick.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-woken:
	case <-tick.C:
	}
	return ctx.Err() == nil
}
