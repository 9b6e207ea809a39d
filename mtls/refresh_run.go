package mtls

import (
	"context"
	"errors"
	"sync"
	"time"
)

// fetchKey is one thing fetched: an authority's complete CRL, or its delta.
type fetchKey struct {
	source string
	delta  bool
}

// fetchState is how fetching it goes; guarded by Refresher.mu.
type fetchState struct {
	failures int
	since    time.Time // of the first of these failures
	last     error     // of failedAt, healed or not
	failedAt time.Time
	next     time.Time
	hurry    chan struct{} // of one place: fetch now
}

// Back-off after failures, and bounds on the time between fetches.
const (
	firstRetry   = time.Minute
	longestRetry = time.Hour
	shortestWait = 5 * time.Minute
)

// Run refreshes until ctx ends. It is called once.
func (r *Refresher) Run(ctx context.Context) {
	var group sync.WaitGroup
	group.Go(func() { r.watch(ctx) })
	group.Go(func() { r.alarms(ctx) })
	for r.options.Fetch != nil && ctx.Err() == nil {
		r.fetchUntilMoved(ctx)
	}
	group.Wait()
}

// fetchUntilMoved runs a loop for each thing that is fetched, until ctx ends
// or the sources are others.
func (r *Refresher) fetchUntilMoved(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group sync.WaitGroup
	sources := r.all()
	for i := range sources {
		source := &sources[i]
		if len(source.URLs) > 0 {
			group.Go(func() { r.fetchLoop(ctx, source, false) })
		}
		if len(source.DeltaURLs) > 0 {
			group.Go(func() { r.fetchLoop(ctx, source, true) })
		}
	}
	select {
	case <-ctx.Done():
	case <-r.moved:
	}
	cancel()
	group.Wait()
}

func (r *Refresher) fetchLoop(ctx context.Context, source *CRLSource, delta bool) {
	key := fetchKey{source.Name, delta}
	r.plan(key)
	for {
		r.mu.Lock()
		state := r.state(key)
		wait := state.next.Sub(r.options.Now())
		r.mu.Unlock()
		timer := time.NewTimer(min(max(wait, 0), r.options.Look))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-state.hurry:
			timer.Stop()
		case <-timer.C:
			if wait > r.options.Look {
				continue
			}
		}
		if err := r.Fetch(ctx, source.Name, delta); err != nil && ctx.Err() == nil {
			r.options.Log.Error("CRL not refreshed; the one in force stays", "authority", source.Name, "delta", delta, "error", err)
		}
	}
}

// state is made when first asked for. The caller holds mu.
func (r *Refresher) state(key fetchKey) *fetchState {
	s := r.fetch[key]
	if s == nil {
		s = &fetchState{hurry: make(chan struct{}, 1)}
		r.fetch[key] = s
	}
	return s
}

// Fetch fetches an authority's complete CRL or its delta now, from the first
// of its addresses that gives one, or confirms the one in force. One issued
// longer ago than Every does not keep it from the addresses that follow: the
// first may be a mirror that has stopped. It returns nil when an address gave
// or confirmed a CRL that is not past its nextUpdate.
func (r *Refresher) Fetch(ctx context.Context, name string, delta bool) error {
	source, addresses := r.addresses(name, delta)
	if r.options.Fetch == nil || len(addresses) == 0 {
		return errors.New("no address to fetch from")
	}
	var failures []error
	fetched := false
	for _, address := range addresses {
		list, err := r.fetchFrom(ctx, source, delta, address)
		now := r.options.Now()
		if err == nil && now.After(list.NextUpdate) {
			err = crlFault(CRLStale, 0, "%s has none but that of %s", address, list.ThisUpdate.Format(time.RFC3339))
		}
		if err != nil {
			failures = append(failures, err)
			if delta && errors.Is(err, CRLDeltaMismatch) {
				r.hurry(fetchKey{name, false})
			}
			continue
		}
		if fetched = true; now.Sub(list.ThisUpdate) <= r.options.Every {
			break
		}
	}
	err := errors.Join(failures...)
	if fetched {
		err = nil
	}
	if ctx.Err() == nil { // else it was not the address that failed
		r.done(fetchKey{name, delta}, err)
	}
	return err
}

// hurry makes the loop of that key fetch at once.
func (r *Refresher) hurry(key fetchKey) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case r.state(key).hurry <- struct{}{}:
	default: // it is already in a hurry
	}
}

// fetchFrom gives the CRL that the address gave or confirmed.
func (r *Refresher) fetchFrom(ctx context.Context, source *CRLSource, delta bool, address string) (*CRL, error) {
	held, validators := r.heldFrom(source.Name, delta, address)
	fetched, err := r.options.Fetch(ctx, address, validators)
	if errors.Is(err, FetchNotModified) && validators != (Validators{}) {
		r.confirm(held, crlOrigin{address, r.options.Now().UTC(), validators})
		return held, nil
	}
	if err != nil {
		return nil, err
	}
	defer fetched.Close()
	origin := crlOrigin{address, r.options.Now().UTC(), fetched.Validators}
	taken, err := r.take(ctx, fetched, origin, &fetchKey{source.Name, delta})
	if errors.Is(err, ErrUnchanged) {
		r.confirm(taken, origin)
		return taken, nil
	}
	return taken, err
}

// heldFrom is the CRL to be fetched anew, and what that address called it.
func (r *Refresher) heldFrom(name string, delta bool, address string) (*CRL, Validators) {
	held, _ := r.newest(name, delta)
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.held {
		if h.list == held {
			return held, h.validators[address]
		}
	}
	return nil, Validators{}
}

// confirm notes that what is held was found current.
func (r *Refresher) confirm(list *CRL, origin crlOrigin) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.held {
		if h.list == list {
			h.origin = origin
			h.validators[origin.From] = origin.Validators
			r.keepOrigin(h)
		}
	}
}

// newest is the CRL of that kind that is in force, of whatever scope, and where
// it came from; nil when there is none.
func (r *Refresher) newest(name string, delta bool) (list *CRL, origin crlOrigin) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for slot, h := range r.held {
		if slot.source == name && slot.delta == delta && (list == nil || newer(h.list, list)) {
			list, origin = h.list, h.origin
		}
	}
	return list, origin
}

// done notes the outcome of a fetch and when the next is due.
func (r *Refresher) done(key fetchKey, err error) {
	now := r.options.Now()
	held, _ := r.newest(key.source, key.delta)
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state(key)
	if err == nil {
		s.failures, s.since = 0, time.Time{}
	} else {
		s.last, s.failedAt = err, now
		if s.failures == 0 {
			s.since = now
		}
		s.failures++
	}
	s.next = now.Add(r.wait(held, s.failures, now))
}

// plan sets when a loop that begins fetches first: at once without a CRL or
// with one whose last fetch is long past.
func (r *Refresher) plan(key fetchKey) {
	now := r.options.Now()
	held, origin := r.newest(key.source, key.delta)
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state(key)
	s.next = now
	if held != nil && !origin.At.IsZero() {
		s.next = origin.At.Add(r.wait(held, 0, origin.At))
	}
}

// wait is how long after a fetch the next one is due: at most Every, and well
// before nextUpdate, at a time that differs between installations so that they
// do not all come at once (ANS asks for it). After failures: soon, then less
// and less often.
func (r *Refresher) wait(held *CRL, failures int, now time.Time) time.Duration {
	spread := 0.75 + 0.25*r.options.Random()
	if failures > 0 {
		retry := min(firstRetry<<min(failures-1, 6), longestRetry)
		return time.Duration(float64(retry) * spread)
	}
	wait := r.options.Every
	if held != nil {
		wait = min(wait, held.NextUpdate.Sub(now)/2)
	}
	return max(time.Duration(float64(wait)*spread), shortestWait)
}
