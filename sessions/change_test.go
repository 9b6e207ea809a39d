package sessions_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
)

func TestRotate(t *testing.T) { everywhere(t, checkRotate) }

func checkRotate(t *testing.T, on ground) {
	keeper := newShelf()
	m, clock := on.manager(t, sessions.Options{Keeper: keeper})
	old, opened := open(t, m, byCard(alice, cardA))
	clock.add(10 * time.Minute)
	token, rotated, err := m.Rotate(t.Context(), old, func(s *sessions.Session) {
		s.AuthenticatedAt = clock.now()
		s.ID, s.ExpiresAt, s.State = "mine", start.Add(1000*time.Hour), sessions.StateLocked
	})
	if err != nil || token == old {
		t.Fatal(token, err)
	}
	wantFind(t, m, old, sessions.ErrNoSession)
	if found := wantFind(t, m, token, nil); !reflect.DeepEqual(found, rotated) {
		t.Errorf("found %+v, rotated %+v", found, rotated)
	}
	if rotated.ID != opened.ID || rotated.ExpiresAt != opened.ExpiresAt || rotated.State != sessions.StateActive {
		t.Errorf("a rotation changed what it must not: %+v", rotated)
	}
	if rotated.AuthenticatedAt != clock.now() || rotated.IdleUntil != clock.now().Add(30*time.Minute) {
		t.Errorf("rotated %+v", rotated)
	}
	if n := len(keeper.all()); on.keeps() && n != 1 {
		t.Errorf("%d records kept", n)
	}
	if err := m.EndByID(t.Context(), alice, opened.ID); err != nil {
		t.Fatal(err)
	}
	wantFind(t, m, token, sessions.ErrNoSession)
}

func TestRotateToAMethodWithShorterLimits(t *testing.T) {
	everywhere(t, checkRotateToAMethodWithShorterLimits)
}

func checkRotateToAMethodWithShorterLimits(t *testing.T, on ground) {
	m, _ := on.manager(t, sessions.Options{Limits: map[identity.Method]sessions.Limits{
		identity.MethodFIDO2: {Idle: 5 * time.Minute, Absolute: time.Hour},
	}})
	token, _ := open(t, m, byCard(alice, cardA))
	_, rotated, err := m.Rotate(t.Context(), token, func(s *sessions.Session) { s.Method = identity.MethodFIDO2 })
	if err != nil || rotated.ExpiresAt != start.Add(time.Hour) || rotated.IdleUntil != start.Add(5*time.Minute) {
		t.Errorf("%+v, %v", rotated, err)
	}
}

// The absolute end stays where it is although the new method would allow more.
func TestRotateNeverPutsTheAbsoluteEndLater(t *testing.T) {
	everywhere(t, checkRotateNeverPutsTheAbsoluteEndLater)
}

func checkRotateNeverPutsTheAbsoluteEndLater(t *testing.T, on ground) {
	m, _ := on.manager(t, sessions.Options{Limits: map[identity.Method]sessions.Limits{
		identity.MethodFIDO2: {Idle: 5 * time.Minute, Absolute: time.Hour},
	}})
	token, _ := open(t, m, byPasskey(alice, cardA, "key"))
	_, rotated, err := m.Rotate(t.Context(), token, func(s *sessions.Session) {
		s.Method, s.ExpiresAt = identity.MethodCPS, start.Add(5*time.Hour)
	})
	if err != nil || rotated.ExpiresAt != start.Add(time.Hour) {
		t.Errorf("%+v, %v", rotated, err)
	}
}

func TestRotateRefuses(t *testing.T) { everywhere(t, checkRotateRefuses) }

func checkRotateRefuses(t *testing.T, on ground) {
	change := func(s *sessions.Session) { s.Workstation = "changed" }
	tests := []struct {
		name    string
		prepare func(m *sessions.Manager, c *clock, s sessions.Session)
		token   string
		change  func(*sessions.Session)
		want    error
		after   error // of the token that was to be rotated
	}{
		{"another holder", nil, "", func(s *sessions.Session) { s.Holder = bob }, sessions.ErrHolder, nil},
		{"an unknown method", nil, "", func(s *sessions.Session) { s.Method = "?" }, nil, nil},
		{"no token", nil, "x", change, sessions.ErrNoSession, nil},
		{"an unknown token", nil, strings.Repeat("A", 43), change, sessions.ErrNoSession, nil},
		{"an expired session", func(_ *sessions.Manager, c *clock, _ sessions.Session) { c.add(time.Hour) },
			"", change, sessions.ErrExpired, sessions.ErrNoSession},
		{"a locked session", func(m *sessions.Manager, _ *clock, s sessions.Session) { _ = m.Lock(context.Background(), alice, s.ID) },
			"", change, sessions.ErrLocked, sessions.ErrLocked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, clock := on.manager(t, sessions.Options{})
			token, opened := open(t, m, byCard(alice, cardA))
			if tt.prepare != nil {
				tt.prepare(m, clock, opened)
			}
			asked := token
			if tt.token != "" {
				asked = tt.token
			}
			fresh, _, err := m.Rotate(t.Context(), asked, tt.change)
			if err == nil || fresh != "" || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("token %q, %v, want %v", fresh, err, tt.want)
			}
			if s := wantFind(t, m, token, tt.after); s.Holder == bob || s.Workstation == "changed" {
				t.Errorf("changed all the same: %+v", s)
			}
		})
	}
}

func TestOfAHundredRotationsOneSucceeds(t *testing.T) {
	everywhere(t, checkOfAHundredRotationsOneSucceeds)
}

func checkOfAHundredRotationsOneSucceeds(t *testing.T, on ground) {
	m, _ := on.manager(t, sessions.Options{Keeper: newShelf()})
	token, _ := open(t, m, byCard(alice, cardA))
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			_, _, err := m.Rotate(t.Context(), token, nil)
			if err == nil {
				won.Add(1)
			} else if !errors.Is(err, sessions.ErrNoSession) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d rotations succeeded", won.Load())
	}
}

func TestLockThenUnlock(t *testing.T) { everywhere(t, checkLockThenUnlock) }

func checkLockThenUnlock(t *testing.T, on ground) {
	m, clock := on.manager(t, sessions.Options{})
	token, opened := open(t, m, byCard(alice, cardA))
	if err := m.Lock(t.Context(), bob, opened.ID); !errors.Is(err, sessions.ErrNoSession) {
		t.Fatalf("another locks it: %v", err)
	}
	if err := m.Lock(t.Context(), alice, opened.ID); err != nil {
		t.Fatal(err)
	}
	if s := wantFind(t, m, token, sessions.ErrLocked); s.Holder != alice || s.State != sessions.StateLocked {
		t.Errorf("a locked session does not say whose it is: %+v", s)
	}
	clock.add(29 * time.Minute)
	wantFind(t, m, token, sessions.ErrLocked) // and looking does not keep it from ending
	fresh, unlocked, err := m.Unlock(t.Context(), token, nil)
	if err != nil || unlocked.State != sessions.StateActive {
		t.Fatal(unlocked, err)
	}
	wantFind(t, m, token, sessions.ErrNoSession)
	wantFind(t, m, fresh, nil)
	if _, _, err := m.Unlock(t.Context(), fresh, nil); !errors.Is(err, sessions.ErrNoSession) {
		t.Errorf("unlocking what is not locked: %v", err)
	}
}

func TestALockedSessionStillEnds(t *testing.T) { everywhere(t, checkALockedSessionStillEnds) }

func checkALockedSessionStillEnds(t *testing.T, on ground) {
	m, clock := on.manager(t, sessions.Options{})
	token, opened := open(t, m, byCard(alice, cardA))
	if err := m.Lock(t.Context(), alice, opened.ID); err != nil {
		t.Fatal(err)
	}
	clock.add(20 * time.Minute)
	wantFind(t, m, token, sessions.ErrLocked)
	clock.add(10 * time.Minute)
	if _, _, err := m.Unlock(t.Context(), token, nil); !errors.Is(err, sessions.ErrExpired) {
		t.Errorf("unlocked after its time: %v", err)
	}
}
