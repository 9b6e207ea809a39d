package sessions

import (
	"context"
	"fmt"
	"time"
)

// keeperTime is how long one write to the Keeper may take.
const keeperTime = 10 * time.Second

// lasting is a context for what must be written although the request that
// asked for it is gone.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), keeperTime)
}

// keep writes the records of those of the keys whose sessions are still there.
// It goes on when the request that asked is gone; what fails is tried again by
// Run.
func (m *Manager) keep(ctx context.Context, keys ...key) error {
	if m.o.Keeper == nil || len(keys) == 0 {
		return nil
	}
	m.keeping.Lock()
	defer m.keeping.Unlock()
	records, err := m.records(keys)
	if err != nil || len(records) == 0 {
		return err
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	if err := m.o.Keeper.Keep(ctx, records...); err != nil {
		m.touchAgain(keys)
		return fmt.Errorf("keeping session records: %w", err)
	}
	return nil
}

func (m *Manager) records(keys []key) ([]Kept, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var records []Kept
	for _, k := range keys {
		s, found := m.table.sessions[k]
		if !found {
			continue
		}
		r, err := encodeRecord(k, s)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// forget removes records of sessions already out of the table. It goes on when
// the request that asked is gone; what fails is tried again by Run.
func (m *Manager) forget(ctx context.Context, keys ...key) error {
	if m.o.Keeper == nil || len(keys) == 0 {
		return nil
	}
	m.keeping.Lock()
	defer m.keeping.Unlock()
	ctx, cancel := lasting(ctx)
	defer cancel()
	if err := m.o.Keeper.Forget(ctx, keys...); err != nil {
		return fmt.Errorf("forgetting session records: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		delete(m.unforgotten, k)
	}
	return nil
}

// Restore brings back the sessions that the keeper holds: to be called once,
// before the first request. They last no longer than the limits in force
// allow, whatever limits they were opened under. Records that are expired,
// unreadable, or no longer stand are forgotten; the latter two are logged.
func (m *Manager) Restore(ctx context.Context) (n int, err error) {
	if m.o.Keeper == nil {
		return 0, nil
	}
	var kept []Kept
	for k, err := range m.o.Keeper.Kept(ctx) {
		if err != nil {
			return 0, fmt.Errorf("reading kept sessions: %w", err)
		}
		kept = append(kept, k)
	}
	var dead []key
	for _, k := range kept {
		if m.revive(ctx, k) {
			n++
		} else {
			dead = append(dead, k.Key)
		}
	}
	return n, m.forget(ctx, dead...)
}

func (m *Manager) revive(ctx context.Context, k Kept) bool {
	s, err := decodeRecord(k.Key, k.Record)
	if err != nil {
		m.o.Log.WarnContext(ctx, "kept session not restored", "error", err)
		return false
	}
	limits, known := m.o.Limits[s.Method]
	if !known {
		return false
	}
	if s.within(limits); s.expired(m.o.Now()) {
		return false
	}
	if err := m.standing(ctx, s.clone()); err != nil {
		m.o.Log.InfoContext(ctx, "kept session no longer stands", "session", s.ID, "error", err)
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.table.sessions) >= m.o.Max {
		return false
	}
	m.table.insert(k.Key, s)
	return true
}

// Run removes expired sessions and keeps those touched, once a minute, until
// ctx ends; then it keeps what was touched last, and returns.
func (m *Manager) Run(ctx context.Context) {
	tick := time.NewTicker(touchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			m.sweep(ctx)
		case <-ctx.Done():
			m.sweep(context.WithoutCancel(ctx))
			return
		}
	}
}

func (m *Manager) sweep(ctx context.Context) {
	now := m.o.Now()
	m.mu.Lock()
	for k, s := range m.table.sessions {
		if s.expired(now) {
			m.drop(k)
		}
	}
	dead, touched := keysOf(m.unforgotten), keysOf(m.touched)
	clear(m.touched)
	m.mu.Unlock()

	if err := m.forget(ctx, dead...); err != nil {
		m.o.Log.ErrorContext(ctx, "ended sessions stay kept", "sessions", len(dead), "error", err)
	}
	if err := m.keep(ctx, touched...); err != nil {
		m.o.Log.ErrorContext(ctx, "touched sessions not kept", "sessions", len(touched), "error", err)
	}
}

// touchAgain has Run keep those of the keys whose sessions are still there.
func (m *Manager) touchAgain(keys []key) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range keys {
		if _, found := m.table.sessions[k]; found {
			m.touched[k] = struct{}{}
		}
	}
}

func keysOf(set map[key]struct{}) []key {
	keys := make([]key, 0, len(set))
	for k := range set {
		keys = append(keys, k)
	}
	return keys
}
