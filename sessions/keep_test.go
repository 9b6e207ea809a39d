package sessions_test

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
)

func TestARestartSignsNobodyOut(t *testing.T) {
	keeper := newShelf()
	before, clock := newManager(t, sessions.Options{Keeper: keeper})
	token, opened := open(t, before, byPasskey(alice, cardA, "key"))
	locked, lockedSession := open(t, before, byCard(bob, cardB))
	if err := before.Lock(t.Context(), bob, lockedSession.ID); err != nil {
		t.Fatal(err)
	}
	clock.add(10 * time.Minute)

	after, _ := newManager(t, sessions.Options{Keeper: keeper, Now: clock.now})
	if n, err := after.Restore(t.Context()); n != 2 || err != nil {
		t.Fatalf("%d restored, %v", n, err)
	}
	found := wantFind(t, after, token, nil)
	if found.ID != opened.ID || found.ExpiresAt != opened.ExpiresAt || string(found.PasskeyID) != "key" || found.CardTokenID != cardA {
		t.Errorf("found %+v, opened %+v", found, opened)
	}
	wantFind(t, after, locked, sessions.ErrLocked)
	if n, err := after.EndOfCard(t.Context(), cardA); n != 1 || err != nil {
		t.Errorf("a restored session is not indexed: %d, %v", n, err)
	}
}

// Limits made tighter hold for sessions opened under wider ones.
func TestRestoreHoldsToTheLimitsInForce(t *testing.T) {
	limits := func(idle, absolute time.Duration) map[identity.Method]sessions.Limits {
		return map[identity.Method]sessions.Limits{identity.MethodCPS: {Idle: idle, Absolute: absolute}}
	}
	tests := []struct {
		name            string
		limits          map[identity.Method]sessions.Limits
		idle, expires   time.Duration // after the opening; seen 10 minutes after it, restarted 20
		restored, noted int
	}{
		{"the same", limits(30*time.Minute, 10*time.Hour), 40 * time.Minute, 10 * time.Hour, 1, 1},
		{"wider", limits(time.Hour, 20*time.Hour), 40 * time.Minute, 10 * time.Hour, 1, 1},
		{"a shorter idle time", limits(15*time.Minute, 10*time.Hour), 25 * time.Minute, 10 * time.Hour, 1, 1},
		{"a shorter absolute time", limits(30*time.Minute, 35*time.Minute), 35 * time.Minute, 35 * time.Minute, 1, 1},
		{"an idle time that is over", limits(10*time.Minute, time.Hour), 0, 0, 0, 0},
		{"an absolute time that is over", limits(15*time.Minute, 20*time.Minute), 0, 0, 0, 0},
		{"another method's", map[identity.Method]sessions.Limits{identity.MethodFIDO2: {Idle: 5 * time.Minute}},
			40 * time.Minute, 10 * time.Hour, 1, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keeper := newShelf()
			before, clock := newManager(t, sessions.Options{Keeper: keeper})
			token, _ := open(t, before, byCard(alice, cardA))
			clock.add(10 * time.Minute)
			wantFind(t, before, token, nil)
			sessions.Sweep(t.Context(), before)
			clock.add(10 * time.Minute)
			after, _ := newManager(t, sessions.Options{Keeper: keeper, Now: clock.now, Limits: tt.limits})
			if n, err := after.Restore(t.Context()); n != tt.restored || err != nil {
				t.Fatalf("%d restored, %v", n, err)
			}
			if n := len(keeper.all()); n != tt.noted {
				t.Errorf("%d records stay", n)
			}
			list, err := after.OfHolder(t.Context(), alice)
			if err != nil || len(list) != tt.restored {
				t.Fatalf("%d listed, %v", len(list), err)
			}
			for _, s := range list {
				if s.IdleUntil.Sub(start) != tt.idle || s.ExpiresAt.Sub(start) != tt.expires {
					t.Errorf("idle until %s, expires at %s", s.IdleUntil, s.ExpiresAt)
				}
			}
		})
	}
}

func TestRestoreLeavesOutAndForgets(t *testing.T) {
	errCard := errors.New("card suspended")
	tests := []struct {
		name  string
		spoil func(k sessions.Kept, other sessions.Kept, c *clock) sessions.Kept
		told  string // why; "" = nobody is told
	}{
		{"what is expired", func(k, _ sessions.Kept, c *clock) sessions.Kept { c.add(time.Hour); return k }, sessions.EndedByTime},
		{"another's record under the key", func(k, other sessions.Kept, _ *clock) sessions.Kept { k.Record = other.Record; return k }, ""},
		{"garbage", func(k, _ sessions.Kept, _ *clock) sessions.Kept { k.Record = []byte("{"); return k }, ""},
		{"an empty record", func(k, _ sessions.Kept, _ *clock) sessions.Kept { k.Record = nil; return k }, ""},
		{"trailing bytes", func(k, _ sessions.Kept, _ *clock) sessions.Kept {
			k.Record = append(slices.Clone(k.Record), '1')
			return k
		}, ""},
		{"unknown keys", func(k, _ sessions.Kept, _ *clock) sessions.Kept {
			k.Record = append([]byte(`{"x":1,`), k.Record[1:]...)
			return k
		}, ""},
		{"a huge record", func(k, _ sessions.Kept, _ *clock) sessions.Kept {
			k.Record = append(slices.Repeat([]byte{' '}, 9<<10), k.Record...)
			return k
		}, ""},
		{"what no longer stands", func(k, _ sessions.Kept, _ *clock) sessions.Kept { return k }, sessions.EndedByCard},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keeper := newShelf()
			before, clock := newManager(t, sessions.Options{Keeper: keeper})
			token, opened := open(t, before, byCard(alice, cardA))
			mine := slices.Collect(maps.Values(keeper.all()))[0]
			other, _ := newManager(t, sessions.Options{Keeper: keeper})
			open(t, other, byCard(bob, cardB))
			var theirs sessions.Kept
			for k, r := range keeper.all() {
				if k != mine.Key {
					theirs = r
				}
			}
			keeper.records = map[[32]byte]sessions.Kept{mine.Key: tt.spoil(mine, theirs, clock)}

			told := map[string]string{}
			after, _ := newManager(t, sessions.Options{Keeper: keeper, Now: clock.now,
				OnEnded: func(_ context.Context, s sessions.Session, reason string) { told[s.ID] = reason },
				Standing: func(context.Context, sessions.Session) error {
					if tt.name == "what no longer stands" {
						return errCard
					}
					return nil
				}})
			if n, err := after.Restore(t.Context()); n != 0 || err != nil {
				t.Fatalf("%d restored, %v", n, err)
			}
			wantFind(t, after, token, sessions.ErrNoSession)
			if n := len(keeper.all()); n != 0 {
				t.Errorf("%d records stay", n)
			}
			if want := map[string]string{opened.ID: tt.told}; tt.told == "" && len(told) != 0 || tt.told != "" && !maps.Equal(told, want) {
				t.Errorf("told %v, want %q", told, tt.told)
			}
		})
	}
}

func TestAKeeperThatFails(t *testing.T) {
	t.Run("to keep: nobody is signed in", func(t *testing.T) {
		keeper := newShelf()
		keeper.fail(errDisk, nil)
		m, _ := newManager(t, sessions.Options{Keeper: keeper})
		if token, _, err := m.Open(t.Context(), byCard(alice, cardA)); !errors.Is(err, errDisk) || token != "" {
			t.Errorf("%q, %v", token, err)
		}
		if list, _ := m.OfHolder(t.Context(), alice); len(list) != 0 {
			t.Errorf("%d sessions stay", len(list))
		}
	})
	t.Run("to keep a rotation: signed out, not raised", func(t *testing.T) {
		keeper := newShelf()
		m, _ := newManager(t, sessions.Options{Keeper: keeper})
		token, _ := open(t, m, byCard(alice, cardA))
		keeper.fail(errDisk, nil)
		if fresh, _, err := m.Rotate(t.Context(), token, nil); !errors.Is(err, errDisk) || fresh != "" {
			t.Errorf("%q, %v", fresh, err)
		}
		wantFind(t, m, token, sessions.ErrNoSession)
		if n := len(keeper.all()); n != 0 {
			t.Errorf("%d records stay", n)
		}
	})
	t.Run("to forget a rotation's old token: neither lives", func(t *testing.T) {
		keeper := newShelf()
		m, _ := newManager(t, sessions.Options{Keeper: keeper})
		token, _ := open(t, m, byCard(alice, cardA))
		keeper.fail(nil, errDisk)
		if fresh, _, err := m.Rotate(t.Context(), token, nil); !errors.Is(err, errDisk) || fresh != "" {
			t.Errorf("%q, %v", fresh, err)
		}
		if list, _ := m.OfHolder(t.Context(), alice); len(list) != 0 {
			t.Errorf("%d sessions stay", len(list))
		}
	})
	t.Run("to read: nothing is restored", func(t *testing.T) {
		m, _ := newManager(t, sessions.Options{Keeper: unreadable{newShelf()}})
		if _, err := m.Restore(t.Context()); !errors.Is(err, errDisk) {
			t.Errorf("error %v", err)
		}
	})
}

// However opens, touches, ends and sweeps interleave, no record is left of a
// session that has ended.
func TestNothingComesBackFromTheDead(t *testing.T) {
	keeper := newShelf()
	m, clock := newManager(t, sessions.Options{Keeper: keeper, MaxPerHolder: 4})
	ctx, stop := context.WithCancel(t.Context())
	var sweeps, work sync.WaitGroup
	sweeps.Go(func() {
		for ctx.Err() == nil {
			clock.add(time.Minute)
			sessions.Sweep(ctx, m)
		}
	})
	for range 8 {
		work.Go(func() {
			for range 50 {
				token, opened, err := m.Open(ctx, byCard(alice, cardA))
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = m.Find(ctx, token)
				_ = m.Lock(ctx, alice, opened.ID)
				_, _ = m.EndOfCard(ctx, cardA)
			}
		})
	}
	work.Wait()
	stop()
	sweeps.Wait()
	sessions.Sweep(t.Context(), m)
	if n := len(keeper.all()); n != 0 {
		t.Errorf("%d records are left", n)
	}
}

// unreadable is a keeper whose records cannot be read.
type unreadable struct{ *shelf }

func (unreadable) Kept(context.Context) iter.Seq2[sessions.Kept, error] {
	return func(yield func(sessions.Kept, error) bool) { yield(sessions.Kept{}, errDisk) }
}

// heeding is a keeper that gives up when its context ends.
type heeding struct{ *shelf }

func (h heeding) Keep(ctx context.Context, records ...sessions.Kept) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return h.shelf.Keep(ctx, records...)
}

func (h heeding) Forget(ctx context.Context, keys ...[32]byte) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return h.shelf.Forget(ctx, keys...)
}

// A record of any bytes is restored or forgotten; one that is restored is a
// session of its own key, within its times.
func FuzzRestore(f *testing.F) {
	keeper := newShelf()
	m, err := sessions.New(sessions.Options{Keeper: keeper, Now: func() time.Time { return start }})
	if err != nil {
		f.Fatal(err)
	}
	token, _, err := m.Open(f.Context(), byPasskey(alice, cardA, "key"))
	if err != nil {
		f.Fatal(err)
	}
	mine := slices.Collect(maps.Values(keeper.all()))[0]
	f.Add(mine.Record)
	f.Add(mine.Record[:len(mine.Record)-1])
	f.Add([]byte(`{"v":1}`))
	f.Add([]byte(`null`))
	f.Fuzz(func(t *testing.T, record []byte) {
		keeper := newShelf()
		keeper.records[mine.Key] = sessions.Kept{Key: mine.Key, Record: record}
		m, _ := newManager(t, sessions.Options{Keeper: keeper})
		n, err := m.Restore(t.Context())
		if err != nil || n != len(keeper.all()) {
			t.Fatalf("%d restored, %d records stay, %v", n, len(keeper.all()), err)
		}
		if s, err := m.Find(t.Context(), token); n == 0 && !errors.Is(err, sessions.ErrNoSession) || n == 1 && s.Holder == "" {
			t.Fatalf("%d restored, found %+v, %v", n, s, err)
		}
	})
}
