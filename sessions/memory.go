package sessions

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// memory is the place of one process alone. A Keeper, if any, holds records of
// it across restarts.
type memory struct {
	keeper       Keeper
	max          int // sessions in all
	maxPerHolder int
	log          *slog.Logger

	mu          sync.Mutex // guards the three below
	table       *table
	touched     map[key]struct{} // changed since they were last kept
	unforgotten map[key]struct{} // removed, and perhaps still kept

	// keeping serialises writes to the Keeper: a record is written only while
	// its session is in the table, so that none comes back from the dead.
	// Taken before mu, never while holding it.
	keeping sync.Mutex
}

func newMemory(o Options) *memory {
	return &memory{
		keeper: o.Keeper, max: o.Max, maxPerHolder: o.MaxPerHolder, log: o.Log,
		table: newTable(), touched: map[key]struct{}{}, unforgotten: map[key]struct{}{},
	}
}

func (p *memory) get(_ context.Context, k key) (Session, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, found := p.table.sessions[k]
	if !found {
		return Session{}, ErrNoSession
	}
	return s.clone(), nil
}

func (p *memory) insert(ctx context.Context, k key, s Session) (ofHolder int, err error) {
	mine := s.clone()
	p.mu.Lock()
	if err = p.room(&mine); err == nil {
		p.table.insert(k, &mine)
	}
	ofHolder = len(p.table.indexes[byHolder][string(s.Holder)])
	p.mu.Unlock()
	if err != nil {
		return 0, err
	}
	if err := p.keep(ctx, k); err != nil {
		_, _ = p.take(ctx, k) // sweep forgets what this cannot
		return 0, err
	}
	return ofHolder, nil
}

// room tells whether there is room for one more session of the holder, those
// not counted that would give way to it. The caller holds mu.
func (p *memory) room(s *Session) error {
	if p.table.handles[s.ID] > 0 {
		return nil // it comes in place of another
	}
	giving := max(0, len(p.table.indexes[byHolder][string(s.Holder)])+1-p.maxPerHolder)
	if len(p.table.sessions)-giving >= p.max {
		return ErrFull
	}
	return nil
}

func (p *memory) swap(ctx context.Context, k key, was Session, next *Session) (bool, error) {
	if !p.change(k, was, next) {
		return false, nil
	}
	if next == nil {
		return true, p.forget(ctx, k)
	}
	return true, p.keep(ctx, k)
}

func (p *memory) change(k key, was Session, next *Session) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, found := p.table.sessions[k]
	if !found || !s.equal(&was) {
		return false
	}
	p.drop(k)
	if next != nil {
		mine := next.clone()
		p.table.insert(k, &mine)
		delete(p.unforgotten, k)
	}
	return true
}

// drop takes a session out of memory; its record is forgotten by the next
// call of forget or sweep. The caller holds mu.
func (p *memory) drop(k key) *Session {
	s := p.table.remove(k)
	if s != nil && p.keeper != nil {
		p.unforgotten[k] = struct{}{}
	}
	delete(p.touched, k)
	return s
}

func (p *memory) take(ctx context.Context, keys ...key) ([]Session, error) {
	var taken []Session
	p.mu.Lock()
	for _, k := range keys {
		if s := p.drop(k); s != nil {
			taken = append(taken, *s)
		}
	}
	p.mu.Unlock()
	return taken, p.forget(ctx, keys...)
}

func (p *memory) list(_ context.Context, index by, value string) ([]entry, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []entry
	for k := range p.table.indexes[index][value] {
		list = append(list, entry{k, p.table.sessions[k].clone()})
	}
	return list, nil
}

func (p *memory) handles(_ context.Context, holders ...string) (map[string]bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	handles := map[string]bool{}
	for _, holder := range holders {
		for k := range p.table.indexes[byHolder][holder] {
			handles[p.table.sessions[k].ID] = true
		}
	}
	return handles, nil
}

// touch moves the idle end at once; sweep keeps it.
func (p *memory) touch(k key, was, next Session) {
	if p.change(k, was, &next) {
		p.touchAgain([]key{k})
	}
}

func (p *memory) sweep(ctx context.Context, now time.Time) (over []Session, err error) {
	p.mu.Lock()
	for k, s := range p.table.sessions {
		if s.expired(now) {
			over = append(over, *s)
			p.drop(k)
		}
	}
	dead, touched := keysOf(p.unforgotten), keysOf(p.touched)
	clear(p.touched)
	p.mu.Unlock()

	if err := p.forget(ctx, dead...); err != nil {
		p.log.ErrorContext(ctx, "ended sessions stay kept", "sessions", len(dead), "error", err)
	}
	if err := p.keep(ctx, touched...); err != nil {
		p.log.ErrorContext(ctx, "touched sessions not kept", "sessions", len(touched), "error", err)
	}
	return over, nil
}

// keep writes the records of those of the keys whose sessions are still there.
// What fails is tried again by sweep.
func (p *memory) keep(ctx context.Context, keys ...key) error {
	if p.keeper == nil || len(keys) == 0 {
		return nil
	}
	p.keeping.Lock()
	defer p.keeping.Unlock()
	records, err := p.records(keys)
	if err != nil || len(records) == 0 {
		return err
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	if err := p.keeper.Keep(ctx, records...); err != nil {
		p.touchAgain(keys)
		return fmt.Errorf("keeping session records: %w", err)
	}
	return nil
}

func (p *memory) records(keys []key) ([]Kept, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	var records []Kept
	for _, k := range keys {
		s, found := p.table.sessions[k]
		if !found {
			continue
		}
		record, err := encodeRecord(k, s)
		if err != nil {
			return nil, err
		}
		records = append(records, Kept{Key: k, Record: record, Until: s.IdleUntil})
	}
	return records, nil
}

// forget removes records of sessions already out of the table. What fails is
// tried again by sweep.
func (p *memory) forget(ctx context.Context, keys ...key) error {
	if p.keeper == nil || len(keys) == 0 {
		return nil
	}
	p.keeping.Lock()
	defer p.keeping.Unlock()
	ctx, cancel := lasting(ctx)
	defer cancel()
	if err := p.keeper.Forget(ctx, keys...); err != nil {
		return fmt.Errorf("forgetting session records: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range keys {
		delete(p.unforgotten, k)
	}
	return nil
}

// touchAgain has sweep keep those of the keys whose sessions are still there.
func (p *memory) touchAgain(keys []key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, k := range keys {
		if _, found := p.table.sessions[k]; found {
			p.touched[k] = struct{}{}
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
