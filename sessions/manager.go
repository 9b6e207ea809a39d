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

// lastingTime is how long what goes on without its request may take.
const lastingTime = 10 * time.Second

// Options of a Manager; the zero value keeps sessions in memory only, with the
// default limits.
type Options struct {
	Redis  *Redis // nil: in the memory of this process
	Keeper Keeper // of sessions in memory; nil: a restart signs everybody out

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

// Manager keeps the sessions of one process, or with Redis those of all nodes.
// It is safe for concurrent use.
type Manager struct {
	o     Options
	place place

	crowded sync.Mutex // one at a time, so that no more give way than must
}

// New returns a manager, or an error for limits that make no sense.
func New(o Options) (*Manager, error) {
	o.Limits = withDefaults(o.Limits)
	longest := time.Duration(0)
	for method, l := range o.Limits {
		if l.Idle < 2*touchEvery || l.Absolute < l.Idle {
			return nil, fmt.Errorf("session limits for %s: idle %s, absolute %s", method, l.Idle, l.Absolute)
		}
		longest = max(longest, l.Absolute)
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
	if o.Redis != nil && o.Keeper != nil {
		return nil, errors.New("sessions in Redis need no keeper")
	}
	if o.Redis != nil {
		return &Manager{o: o, place: newShared(o, longest)}, nil
	}
	return &Manager{o: o, place: newMemory(o)}, nil
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
	s = s.clone()
	s.ID, s.State, s.CreatedAt = newHandle(), StateActive, stamp(m.o.Now())
	if s.AuthenticatedAt.IsZero() {
		s.AuthenticatedAt = s.CreatedAt
	}
	s.bound()
	s.ExpiresAt = s.CreatedAt.Add(limits.Absolute)
	s.seen(s.CreatedAt, limits.Idle)
	token, k := newToken()
	ofHolder, err := m.place.insert(ctx, k, s)
	if err == nil {
		err = m.stand(ctx, k, s)
	}
	if err != nil {
		return "", Session{}, fmt.Errorf("opening a session: %w", err)
	}
	if ofHolder > m.o.MaxPerHolder {
		m.giveWay(ctx, k, s.Holder)
	}
	return token, s, nil
}

// stand asks whether a session just listed may stay, or takes it away: nobody
// has its token yet.
func (m *Manager) stand(ctx context.Context, k key, s Session) error {
	if m.o.Standing == nil {
		return nil
	}
	err := m.o.Standing(ctx, s.clone())
	if err == nil {
		return nil
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	_, failed := m.place.take(ctx, k)
	return errors.Join(err, failed)
}

// giveWay ends the holder's sessions beyond MaxPerHolder, those seen longest
// ago first and the one just opened never. What fails here leaves the session
// opened none the worse.
func (m *Manager) giveWay(ctx context.Context, opened key, holder identity.PSIdNat) {
	ctx, cancel := lasting(ctx)
	defer cancel()
	evicted, err := m.evict(ctx, opened, holder)
	if err != nil {
		m.o.Log.ErrorContext(ctx, "sessions that should give way", "error", err)
	}
	m.tell(ctx, EndedByEviction, evicted...)
}

func (m *Manager) evict(ctx context.Context, opened key, holder identity.PSIdNat) ([]Session, error) {
	m.crowded.Lock()
	defer m.crowded.Unlock()
	list, err := m.place.list(ctx, byHolder, string(holder))
	if err != nil {
		return nil, err
	}
	list = distinct(list)
	excess := len(list) - m.o.MaxPerHolder
	if excess <= 0 {
		return nil, nil
	}
	list = slices.DeleteFunc(list, func(e entry) bool { return e.key == opened })
	slices.SortFunc(list, func(a, b entry) int { return a.session.LastSeenAt.Compare(b.session.LastSeenAt) })
	var keys []key
	for _, e := range list[:min(excess, len(list))] {
		keys = append(keys, e.key)
	}
	return m.place.take(ctx, keys...)
}

// Find gives the session of a token and moves its idle end, at most once a
// minute. ErrNoSession: none, or ended. ErrExpired and ErrLocked come with the
// session, for pages that say whose it is and how long it lasted; neither is
// signed in. ErrAway: it cannot be known.
func (m *Manager) Find(ctx context.Context, token string) (Session, error) {
	k, ok := keyOf(token)
	if !ok {
		return Session{}, ErrNoSession
	}
	kept, s, err := m.look(ctx, k)
	if err != nil {
		return s, err
	}
	if now := m.o.Now(); now.Sub(s.LastSeenAt) >= touchEvery {
		s.seen(now, m.o.Limits[s.Method].Idle)
		m.place.touch(k, kept, s)
	}
	return s, nil
}

// Peek is Find for what nobody did, such as a page that draws itself anew: the idle
// end stays where it is.
func (m *Manager) Peek(ctx context.Context, token string) (Session, error) {
	k, ok := keyOf(token)
	if !ok {
		return Session{}, ErrNoSession
	}
	_, s, err := m.look(ctx, k)
	return s, err
}

// look gives the session under k as it is kept, and as it counts under the
// limits in force, whatever limits it was opened under. An expired one is
// taken out. One that is neither active nor locked is none.
func (m *Manager) look(ctx context.Context, k key) (kept, s Session, err error) {
	kept, err = m.place.get(ctx, k)
	if err != nil {
		return Session{}, Session{}, err
	}
	s, known := m.inForce(kept)
	switch {
	case !known:
		return Session{}, Session{}, ErrNoSession
	case s.expired(m.o.Now()):
		if gone, _ := m.place.swap(ctx, k, kept, nil); gone { // or sweep takes it
			m.tell(ctx, EndedByTime, s)
		}
		return kept, s, ErrExpired
	case s.State == StateLocked:
		return kept, s, ErrLocked
	case s.State != StateActive:
		return Session{}, Session{}, ErrNoSession
	}
	return kept, s, nil
}

// inForce holds a session to the limits in force; false: its method has none.
func (m *Manager) inForce(kept Session) (Session, bool) {
	limits, known := m.o.Limits[kept.Method]
	if !known {
		return Session{}, false
	}
	s := kept.clone()
	s.within(limits)
	return s, true
}

// lasting is a context for what must be done although the request that asked
// for it is gone.
func lasting(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), lastingTime)
}
