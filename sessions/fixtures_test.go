package sessions_test

import (
	"context"
	"errors"
	"iter"
	"log/slog"
	"maps"
	"sync"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
)

const (
	alice = identity.PSIdNat("899700000017")
	bob   = identity.PSIdNat("899700000025")
	cardA = "8025000001/0000000001"
	cardB = "8025000001/0000000002"
)

var (
	errDisk = errors.New("disk is full")
	start   = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
)

// clock is a time that tests move.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// shelf is a Keeper in memory, which can be made to fail.
type shelf struct {
	mu         sync.Mutex
	records    map[[32]byte]sessions.Kept
	failKeep   error
	failForget error
}

func newShelf() *shelf { return &shelf{records: map[[32]byte]sessions.Kept{}} }

func (s *shelf) fail(keep, forget error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failKeep, s.failForget = keep, forget
}

func (s *shelf) Keep(_ context.Context, records ...sessions.Kept) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failKeep != nil {
		return s.failKeep
	}
	for _, r := range records {
		s.records[r.Key] = r
	}
	return nil
}

func (s *shelf) Forget(_ context.Context, keys ...[32]byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failForget != nil {
		return s.failForget
	}
	for _, k := range keys {
		delete(s.records, k)
	}
	return nil
}

func (s *shelf) Kept(context.Context) iter.Seq2[sessions.Kept, error] {
	return func(yield func(sessions.Kept, error) bool) {
		for _, r := range s.all() {
			if !yield(r, nil) {
				return
			}
		}
	}
}

func (s *shelf) all() map[[32]byte]sessions.Kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.records)
}

func newManager(t *testing.T, o sessions.Options) (*sessions.Manager, *clock) {
	t.Helper()
	c := &clock{t: start}
	if o.Now == nil {
		o.Now = c.now
	}
	o.Log = slog.New(slog.DiscardHandler)
	m, err := sessions.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return m, c
}

// byCard and byPasskey are what a login asks to open.
func byCard(holder identity.PSIdNat, card string) sessions.Session {
	return sessions.Session{
		Holder: holder, Method: identity.MethodCPS, CardTokenID: card,
		Address: "192.0.2.1", Workstation: "W1",
	}
}

func byPasskey(holder identity.PSIdNat, card, passkey string) sessions.Session {
	return sessions.Session{Holder: holder, Method: identity.MethodFIDO2, CardTokenID: card, PasskeyID: []byte(passkey)}
}

func open(t *testing.T, m *sessions.Manager, s sessions.Session) (string, sessions.Session) {
	t.Helper()
	token, opened, err := m.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return token, opened
}

func wantFind(t *testing.T, m *sessions.Manager, token string, want error) sessions.Session {
	t.Helper()
	s, err := m.Find(t.Context(), token)
	sessions.Flush(t.Context(), m)
	if !errors.Is(err, want) {
		t.Fatalf("Find: %v, want %v", err, want)
	}
	return s
}
