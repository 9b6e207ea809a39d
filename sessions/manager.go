package sessions

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"cpsgate/identity"
)

// Limits are how long a session lasts.
type Limits struct {
	Idle     time.Duration // since it was last seen; 2 minutes or more
	Absolute time.Duration // since it was opened
}

// The default limits.
const (
	DefaultIdle     = 30 * time.Minute
	DefaultAbsolute = 10 * time.Hour
)

// touchEvery is how often at most a use of a session moves its idle end.
const touchEvery = time.Minute

// Options of a Manager; the zero value keeps sessions in memory only, with the
// default limits.
type Options struct {
	Keeper Keeper // nil: a restart signs everybody out

	// Limits by method; a zero duration is the default.
	Limits map[identity.Method]Limits

	Max          int // sessions in all; 0: 100,000
	MaxPerHolder int // the least recently seen one gives way; 0: 16

	// OnEnded is told once of each session that ends, whatever ends it, with
	// one of the Ended reasons: after it has ended, on the node that ended it,
	// under no lock. Its context outlives the request. nil: nobody is told.
	OnEnded func(ctx context.Context, ended Session, reason string)

	// Standing tells whether what the session was opened with still stands:
	// the card, the passkey. Open and Rotate ask after the session is listed,
	// so that a card suspended meanwhile finds it, one way or the other;
	// Restore asks for each session kept. An error ends the session. nil: yes.
	Standing func(context.Context, Session) error

	Now func() time.Time // nil: time.Now
	Log *slog.Logger     // what Open, Run and Restore could not do; nil: slog.Default
}

// Manager keeps the sessions of one process. It is safe for concurrent use.
type Manager struct {
	o Options

	mu          sync.Mutex // guards the three below
	table       *table
	touched     map[key]struct{} // seen since they were last kept
	unforgotten map[key]struct{} // ended, and perhaps still kept

	// keeping serialises writes to the Keeper: a record is written only while
	// its session is in the table, so that none comes back from the dead.
	// Taken before mu, never while holding it.
	keeping sync.Mutex
}

// New returns a manager, or an error for limits that make no sense.
func New(o Options) (*Manager, error) {
	o.Limits = withDefaults(o.Limits)
	for method, l := range o.Limits {
		if l.Idle < 2*touchEvery || l.Absolute < l.Idle {
			return nil, fmt.Errorf("session limits for %s: idle %s, absolute %s", method, l.Idle, l.Absolute)
		}
	}
	if o.Max < 0 || o.MaxPerHolder < 0 {
		return nil, errors.New("session limits: negative number of sessions")
	}
	if o.Max == 0 {
		o.Max = 100_000
	}
	if o.MaxPerHolder == 0 {
		o.MaxPerHolder = 16
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &Manager{o: o, table: newTable(), touched: map[key]struct{}{}, unforgotten: map[key]struct{}{}}, nil
}

func withDefaults(given map[identity.Method]Limits) map[identity.Method]Limits {
	limits := map[identity.Method]Limits{identity.MethodCPS: {}, identity.MethodFIDO2: {}}
	for method, l := range given {
		limits[method] = l
	}
	for method, l := range limits {
		if l.Idle == 0 {
			l.Idle = DefaultIdle
		}
		if l.Absolute == 0 {
			l.Absolute = DefaultAbsolute
		}
		limits[method] = l
	}
	return limits
}

// Open begins a session of s.Holder by s.Method and gives its token, which is
// shown once and cannot be had again. The handle, state and times of s are
// set here; AuthenticatedAt is now unless given. Others of the holder give way
// only to a session that has been opened.
func (m *Manager) Open(ctx context.Context, s Session) (token string, opened Session, err error) {
	limits, known := m.o.Limits[s.Method]
	if s.Holder == "" || !known {
		return "", Session{}, fmt.Errorf("opening a session of %q by %q: needs a holder and a known method", s.Holder, s.Method)
	}
	now := m.o.Now()
	s = s.clone()
	s.bound()
	s.ID, s.State, s.CreatedAt = newHandle(), StateActive, now
	if s.AuthenticatedAt.IsZero() {
		s.AuthenticatedAt = now
	}
	s.ExpiresAt = now.Add(limits.Absolute)
	s.seen(now, limits.Idle)
	token, k := newToken()

	m.mu.Lock()
	err = m.room(s.Holder)
	if err == nil {
		m.table.insert(k, &s)
	}
	opened = s.clone()
	m.mu.Unlock()
	if err != nil {
		return "", Session{}, err
	}
	if err := m.stand(ctx, k, opened); err != nil {
		return "", Session{}, fmt.Errorf("opening a session: %w", err)
	}
	m.giveWay(ctx, k, opened.Holder)
	return token, opened, nil
}

// room tells whether there is room for one more session of the holder, those
// not counted that would give way to it. The caller holds mu.
func (m *Manager) room(holder identity.PSIdNat) error {
	giving := max(0, len(m.table.holders[string(holder)])+1-m.o.MaxPerHolder)
	if len(m.table.sessions)-giving >= m.o.Max {
		return ErrFull
	}
	return nil
}

// giveWay ends the holder's sessions beyond MaxPerHolder, the one just opened
// spared, and tells OnEnded of them. They are ended here whatever the Keeper
// says: the session opened is none the worse for it.
func (m *Manager) giveWay(ctx context.Context, opened key, holder identity.PSIdNat) {
	now := m.o.Now()
	var keys []key
	var evicted []Session
	m.mu.Lock()
	for len(m.table.holders[string(holder)]) > m.o.MaxPerHolder {
		k := m.table.leastRecent(holder, opened)
		if s := m.table.sessions[k]; !s.expired(now) {
			evicted = append(evicted, s.clone())
		}
		m.drop(k)
		keys = append(keys, k)
	}
	m.mu.Unlock()
	if err := m.forget(ctx, keys...); err != nil {
		m.o.Log.ErrorContext(ctx, "sessions that gave way stay kept", "sessions", len(keys), "error", err)
	}
	m.tell(ctx, EndedByEviction, evicted...)
}

// stand asks whether a session just listed may stay, and keeps it; or ends it.
func (m *Manager) stand(ctx context.Context, k key, s Session) error {
	err := m.standing(ctx, s)
	if err == nil {
		err = m.keep(ctx, k)
	}
	if err == nil {
		return nil
	}
	m.mu.Lock()
	m.drop(k)
	m.mu.Unlock()
	return errors.Join(err, m.forget(ctx, k))
}

func (m *Manager) standing(ctx context.Context, s Session) error {
	if m.o.Standing == nil {
		return nil
	}
	return m.o.Standing(ctx, s)
}

// Find gives the session of a token and moves its idle end, at most once a
// minute. ErrNoSession: none, or ended. ErrExpired and ErrLocked come with the
// session, for pages that say whose it is and how long it lasted; neither is
// signed in.
func (m *Manager) Find(_ context.Context, token string) (Session, error) {
	k, ok := keyOf(token)
	if !ok {
		return Session{}, ErrNoSession
	}
	now := m.o.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	s, err := m.live(k, now)
	if err != nil {
		return clonePresent(s), err
	}
	if now.Sub(s.LastSeenAt) >= touchEvery {
		s.seen(now, m.o.Limits[s.Method].Idle)
		m.touched[k] = struct{}{}
	}
	return s.clone(), nil
}

// live gives the session under k when it is active; an expired one is taken
// out, and given with its error as a locked one is. One in any other state is
// none. The caller holds mu.
func (m *Manager) live(k key, now time.Time) (*Session, error) {
	s, found := m.table.sessions[k]
	switch {
	case !found:
		return nil, ErrNoSession
	case s.expired(now):
		m.drop(k)
		return s, ErrExpired
	case s.State == StateLocked:
		return s, ErrLocked
	case s.State != StateActive:
		return nil, ErrNoSession
	}
	return s, nil
}

// drop takes a session out of memory; its record is forgotten by the next
// call of forget or Run. The caller holds mu.
func (m *Manager) drop(k key) {
	if m.table.remove(k) && m.o.Keeper != nil {
		m.unforgotten[k] = struct{}{}
	}
	delete(m.touched, k)
}

// OfHolder lists a person's sessions, locked ones too, the latest seen first.
func (m *Manager) OfHolder(_ context.Context, holder identity.PSIdNat) ([]Session, error) {
	now := m.o.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []Session
	for k := range m.table.holders[string(holder)] {
		if s := m.table.sessions[k]; !s.expired(now) {
			list = append(list, s.clone())
		}
	}
	slices.SortFunc(list, func(a, b Session) int { return b.LastSeenAt.Compare(a.LastSeenAt) })
	return list, nil
}

func clonePresent(s *Session) Session {
	if s == nil {
		return Session{}
	}
	return s.clone()
}
