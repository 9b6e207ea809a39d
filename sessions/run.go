package sessions

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Restore brings back the sessions that the keeper holds: to be called once,
// before the first request. They last no longer than the limits in force
// allow, whatever limits they were opened under. Records that are expired,
// unreadable, or no longer stand are forgotten; the latter two are logged.
// Sessions in Redis need no restoring.
func (m *Manager) Restore(ctx context.Context) (n int, err error) {
	memory, ok := m.place.(*memory)
	if !ok || memory.keeper == nil {
		return 0, nil
	}
	var kept []Kept
	for k, err := range memory.keeper.Kept(ctx) {
		if err != nil {
			return 0, fmt.Errorf("reading kept sessions: %w", err)
		}
		kept = append(kept, k)
	}
	var dead []key
	for _, k := range kept {
		s, good := m.revived(ctx, k)
		if good && memory.revive(k.Key, s) {
			n++
		} else {
			dead = append(dead, k.Key)
		}
	}
	return n, memory.forget(ctx, dead...)
}

// revived reads a kept session and judges it as of today.
func (m *Manager) revived(ctx context.Context, k Kept) (Session, bool) {
	kept, err := decodeRecord(k.Key, k.Record)
	if err != nil {
		m.o.Log.WarnContext(ctx, "kept session not restored", "error", err)
		return Session{}, false
	}
	s, known := m.inForce(kept)
	if !known || s.expired(m.o.Now()) {
		return Session{}, false
	}
	if m.o.Standing == nil {
		return s, true
	}
	if err := m.o.Standing(ctx, s.clone()); err != nil {
		m.o.Log.InfoContext(ctx, "kept session no longer stands", "session", s.ID, "error", err)
		return Session{}, false
	}
	return s, true
}

func (p *memory) revive(k key, s Session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.table.sessions) >= p.max {
		return false
	}
	p.table.insert(k, &s)
	return true
}

// Run removes expired sessions and keeps those touched, once a minute, and with
// Redis heeds what other nodes end, until ctx ends; then it keeps what was
// touched last, and returns.
func (m *Manager) Run(ctx context.Context) {
	var listening sync.WaitGroup
	if shared, ok := m.place.(*shared); ok {
		listening.Go(func() { shared.run(ctx) })
	}
	tick := time.NewTicker(touchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.sweep(ctx)
		case <-ctx.Done():
			listening.Wait()
			m.sweep(context.WithoutCancel(ctx))
			return
		}
	}
}

func (m *Manager) sweep(ctx context.Context) {
	ctx, cancel := lasting(ctx)
	defer cancel()
	over, err := m.place.sweep(ctx, m.o.Now())
	if err != nil {
		m.o.Log.ErrorContext(ctx, "looking for sessions whose time is over", "error", err)
	}
	m.tell(ctx, EndedByTime, over...)
}
