package sso

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
)

// How Reconcile looks.
const (
	reconcileEvery  = time.Minute
	reconcileTime   = 45 * time.Second // at once; the next goes on where it was
	reconcileAtOnce = 500              // sessions in one step
)

// reasonMissed ends grants whose session is gone, nobody knows since when.
const reasonMissed = "session-gone"

// looking is how far Reconcile has come. A session that was not found once may be
// ending at that moment: it is one that ended when the next look does not find it
// either.
type looking struct {
	mu      sync.Mutex      // held while it looks; guards what follows
	after   string          // it has come to; "" = to none
	missing map[string]bool // were not found by the look before this one
	fresh   map[string]bool // by this one
}

// next begins a look. The caller holds mu.
func (l *looking) next() { l.after, l.missing, l.fresh = "", l.fresh, map[string]bool{} }

// reconcile does so for Run.
func (p *Provider) reconcile(ctx context.Context) {
	if err := p.Reconcile(ctx); err != nil && ctx.Err() == nil {
		p.o.Log.ErrorContext(ctx, "ends of sessions that were missed cannot all be found", "error", err)
	}
}

// Reconcile finds the sessions that grants stand on and that are no more, this
// time and the time before, and deals with them as SessionEnded does: the answer
// that told of their end may have been lost between Redis and this process, the
// store may have failed, or this process. While nothing can be known of sessions
// it is an error, and no grant ends. While it is under way already, it does
// nothing.
func (p *Provider) Reconcile(ctx context.Context) error {
	l := &p.looking
	if !l.mu.TryLock() {
		return nil
	}
	defer l.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, reconcileTime)
	defer cancel()
	if l.fresh == nil {
		l.next()
	}
	r := reconciling{Provider: p, listening: sync.OnceValues(func() (func(string) bool, error) { return p.o.Clients.listening(ctx) })}
	defer func() {
		if r.missed > 0 {
			p.o.Log.WarnContext(ctx, "ends of sessions were missed; their applications are told now", "sessions", r.missed)
		}
	}()
	for {
		page, err := p.o.Shelf.GrantedSessions(ctx, l.after, reconcileAtOnce)
		if err != nil {
			return r.failed.and(fmt.Errorf("listing sessions with grants: %w", err))
		}
		if len(page) == 0 {
			l.next()
			return r.failed.and(nil)
		}
		gone, err := r.gone(ctx, page)
		if err != nil {
			return r.failed.and(err)
		}
		for _, g := range gone {
			r.deal(ctx, l, g.Session)
		}
		l.after = page[len(page)-1].Session
	}
}

// reconciling is one look, or a part of one.
type reconciling struct {
	*Provider
	listening func() (func(client string) bool, error)
	missed    int
	failed    faults
}

// deal ends what stands on a session that was not found, if it is the second time.
func (r *reconciling) deal(ctx context.Context, l *looking, session string) {
	if !l.missing[session] {
		l.fresh[session] = true
		return
	}
	listening, err := r.listening()
	if err == nil {
		err = r.endGrantsOf(ctx, session, reasonMissed, listening)
	}
	if err != nil {
		l.fresh[session] = true
		r.failed.add(err)
		return
	}
	r.missed++
}

// gone are those sessions that there are no more. Of people one of whose sessions
// cannot be read, by this version of ours, nothing is known.
func (r *reconciling) gone(ctx context.Context, of []GrantedSession) (gone []GrantedSession, err error) {
	var holders []identity.PSIdNat
	for _, g := range of {
		holders = append(holders, identity.PSIdNat(g.Holder))
	}
	slices.Sort(holders)
	holders = slices.Compact(holders)
	unknown := map[string]bool{}
	handles, err := r.o.Sessions.HandlesOf(ctx, holders...)
	if errors.Is(err, sessions.ErrUnreadable) {
		handles, err = r.readable(ctx, holders, unknown)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for sessions: %w", err)
	}
	for _, g := range of {
		if !handles[g.Session] && !unknown[g.Holder] {
			gone = append(gone, g)
		}
	}
	return gone, nil
}

// readable looks for the sessions of each by itself, and notes whose cannot be
// read.
func (r *reconciling) readable(ctx context.Context, holders []identity.PSIdNat, unknown map[string]bool) (map[string]bool, error) {
	all := map[string]bool{}
	for _, holder := range holders {
		handles, err := r.o.Sessions.HandlesOf(ctx, holder)
		switch {
		case errors.Is(err, sessions.ErrUnreadable):
			unknown[string(holder)] = true
			r.failed.add(err)
		case err != nil:
			return nil, err
		}
		for handle := range handles {
			all[handle] = true
		}
	}
	return all, nil
}

// faults are errors, of many the first few.
type faults struct {
	first []error
	more  int
}

// faultsNamed is how many are named.
const faultsNamed = 3

func (f *faults) add(err error) {
	if len(f.first) == faultsNamed {
		f.more++
		return
	}
	f.first = append(f.first, err)
}

// and joins them and a last one, which may be nil.
func (f *faults) and(last error) error {
	all := slices.Clone(f.first)
	if f.more > 0 {
		all = append(all, fmt.Errorf("and %d more", f.more))
	}
	return errors.Join(append(all, last)...)
}
