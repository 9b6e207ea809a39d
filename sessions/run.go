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
// unreadable, or no longer stand are forgotten; the latter two are logged, and
// OnEnded is told of all that could be read: before they are forgotten, so that
// a process that dies in between tells twice rather than never. Sessions in Redis
// need no restoring: they hear of what changed meanwhile as of every change.
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
	over := map[string]ending{}
	for _, k := range kept {
		s, why := m.revived(ctx, k)
		if why == "" && !memory.revive(k.Key, s) {
			why = EndedByEviction
		}
		if why == "" {
			n++
			continue
		}
		dead, over[s.ID] = append(dead, k.Key), ending{s, why}
	}
	for id, e := range over {
		if id != "" && !memory.bears(id) { // nor one that lives on under another token
			m.tell(ctx, e.why, e.session)
		}
	}
	return n, memory.forget(ctx, dead...)
}

// ending is a session that is not restored, and why.
type ending struct {
	session Session
	why     string
}

// revived reads a kept session and judges it as of today: "" restores it, else
// why it has ended. One that cannot be read is nobody's.
func (m *Manager) revived(ctx context.Context, k Kept) (s Session, why string) {
	kept, err := decodeRecord(k.Key, k.Record)
	if err != nil {
		m.o.Log.WarnContext(ctx, "kept session not restored", "error", err)
		return Session{}, EndedByFailure
	}
	s, known := m.inForce(kept)
	if !known {
		return kept, EndedByTime
	}
	if s.expired(m.o.Now()) {
		return s, EndedByTime
	}
	if m.o.Standing == nil {
		return s, ""
	}
	if err := m.o.Standing(ctx, s.clone()); err != nil {
		m.o.Log.InfoContext(ctx, "kept session no longer stands", "session", s.ID, "error", err)
		return s, EndedByCard
	}
	return s, ""
}

// bears tells whether a session has that handle.
func (p *memory) bears(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.table.handles[id] > 0
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
