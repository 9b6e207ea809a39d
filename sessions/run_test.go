package sessions_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"cpsgate/sessions"
)

func TestAnEndThatCannotBeForgottenIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keeper := newShelf()
		m, _ := newManager(t, sessions.Options{Keeper: keeper, Now: time.Now})
		go m.Run(t.Context())
		token, _ := open(t, m, byCard(alice, cardA))
		keeper.fail(nil, errDisk)
		if err := m.End(t.Context(), token); !errors.Is(err, errDisk) {
			t.Errorf("error %v", err)
		}
		wantFind(t, m, token, sessions.ErrNoSession) // ended all the same
		time.Sleep(61 * time.Second)
		synctest.Wait()
		if len(keeper.all()) != 1 {
			t.Error("forgotten by a keeper that fails")
		}
		keeper.fail(nil, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := len(keeper.all()); n != 0 {
			t.Errorf("%d records stay", n)
		}
	})
}

func TestALockThatCannotBeKeptIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keeper := newShelf()
		m, _ := newManager(t, sessions.Options{Keeper: keeper, Now: time.Now})
		go m.Run(t.Context())
		token, opened := open(t, m, byCard(alice, cardA))
		keeper.fail(errDisk, nil)
		if err := m.Lock(t.Context(), alice, opened.ID); !errors.Is(err, errDisk) {
			t.Errorf("error %v", err)
		}
		wantFind(t, m, token, sessions.ErrLocked) // locked all the same
		time.Sleep(61 * time.Second)
		synctest.Wait()
		keeper.fail(nil, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		wantRestored(t, keeper, token, sessions.ErrLocked)
	})
}

// wantRestored looks at a session after a restart.
func wantRestored(t *testing.T, keeper sessions.Keeper, token string, want error) {
	t.Helper()
	after, _ := newManager(t, sessions.Options{Keeper: keeper, Now: time.Now})
	if _, err := after.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantFind(t, after, token, want)
}

func TestALockIsKeptWhenTheRequestIsGone(t *testing.T) {
	keeper := heeding{newShelf()}
	m, _ := newManager(t, sessions.Options{Keeper: keeper, Now: time.Now})
	token, opened := open(t, m, byCard(alice, cardA))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Lock(gone, alice, opened.ID); err != nil {
		t.Fatal(err)
	}
	wantRestored(t, keeper, token, sessions.ErrLocked)
}

func TestAnEndGoesOnWhenTheRequestIsGone(t *testing.T) {
	keeper := newShelf()
	m, _ := newManager(t, sessions.Options{Keeper: heeding{keeper}})
	token, _ := open(t, m, byCard(alice, cardA))
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.End(gone, token); err != nil {
		t.Fatal(err)
	}
	if n := len(keeper.all()); n != 0 {
		t.Errorf("%d records stay", n)
	}
}

func TestRunSweepsAndKeepsWhatWasTouched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keeper := newShelf()
		m, _ := newManager(t, sessions.Options{Keeper: keeper, Now: time.Now})
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() { m.Run(ctx); close(stopped) }()

		used, _ := open(t, m, byCard(alice, cardA))
		left, _ := open(t, m, byCard(bob, cardB))
		for range 20 { // 40 minutes
			time.Sleep(2 * time.Minute)
			wantFind(t, m, used, nil)
		}
		time.Sleep(61 * time.Second)
		synctest.Wait()
		wantFind(t, m, left, sessions.ErrNoSession)
		kept := keeper.all()
		if len(kept) != 1 {
			t.Fatalf("%d records kept", len(kept))
		}
		for _, r := range kept {
			if ends := time.Until(r.Until); ends < 27*time.Minute {
				t.Errorf("kept for %s more: touches were not kept", ends)
			}
		}

		time.Sleep(90 * time.Second)
		wantFind(t, m, used, nil) // touched, and kept by the last sweep
		stop()
		<-stopped
		for _, r := range keeper.all() {
			if ends := time.Until(r.Until); ends != 30*time.Minute {
				t.Errorf("kept for %s more: the last touch was not kept", ends)
			}
		}
	})
}

func TestTouchesThatCannotBeKeptAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		keeper := newShelf()
		m, _ := newManager(t, sessions.Options{Keeper: keeper, Now: time.Now})
		go m.Run(t.Context())
		token, _ := open(t, m, byCard(alice, cardA))
		time.Sleep(10*time.Minute + time.Second)
		keeper.fail(errDisk, nil)
		wantFind(t, m, token, nil)
		touched := time.Now()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		keeper.fail(nil, nil)
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, r := range keeper.all() {
			if !r.Until.Equal(touched.Add(30 * time.Minute)) {
				t.Errorf("kept until %s, touched at %s", r.Until, touched)
			}
		}
	})
}
