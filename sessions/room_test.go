package sessions_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"cpsgate/sessions"
)

func TestRoomIsBounded(t *testing.T) {
	m, clock := newManager(t, sessions.Options{MaxPerHolder: 2, Max: 3})
	oldest, _ := open(t, m, byCard(alice, cardA))
	clock.add(time.Minute)
	second, _ := open(t, m, byCard(alice, cardA))
	third, _ := open(t, m, byCard(alice, cardA))
	wantFind(t, m, oldest, sessions.ErrNoSession) // gave way
	wantFind(t, m, second, nil)
	wantFind(t, m, third, nil)
	open(t, m, byCard(bob, cardB))
	if _, _, err := m.Open(t.Context(), byCard("899700000033", cardB)); !errors.Is(err, sessions.ErrFull) {
		t.Errorf("a fourth session: %v", err)
	}
}

func TestASessionGivesWayAtTheLastFreePlace(t *testing.T) {
	m, clock := newManager(t, sessions.Options{MaxPerHolder: 2, Max: 2})
	oldest, _ := open(t, m, byCard(alice, cardA))
	clock.add(time.Minute)
	open(t, m, byCard(alice, cardA))
	third, _ := open(t, m, byCard(alice, cardA))
	wantFind(t, m, oldest, sessions.ErrNoSession)
	wantFind(t, m, third, nil)
}

// The one just opened is never the one that gives way, even when all were seen
// at the same instant.
func TestTheSessionOpenedIsSpared(t *testing.T) { everywhere(t, checkTheSessionOpenedIsSpared) }

func checkTheSessionOpenedIsSpared(t *testing.T, on ground) {
	m, _ := on.manager(t, sessions.Options{MaxPerHolder: 1})
	for range 20 {
		token, _ := open(t, m, byCard(alice, cardA))
		wantFind(t, m, token, nil)
	}
}

func TestAnEvictedSessionIsForgottenAndTold(t *testing.T) {
	keeper := heeding{newShelf()}
	var told []sessions.Session
	m, clock := newManager(t, sessions.Options{Keeper: keeper, MaxPerHolder: 1, OnEnded: func(ctx context.Context, s sessions.Session, _ string) {
		if ctx.Err() != nil {
			t.Error("told with a context that has ended")
		}
		told = append(told, s)
	}})
	evicted, first := open(t, m, byCard(alice, cardA))
	open(t, m, byCard(bob, cardB))
	clock.add(time.Minute)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	fresh, _, err := m.Open(gone, byCard(alice, cardA))
	if err != nil {
		t.Fatal(err)
	}
	if len(told) != 1 || told[0].ID != first.ID || told[0].State != sessions.StateEnded {
		t.Errorf("told %+v", told)
	}
	// A crash right now: Run has had no time to do anything.
	after, _ := newManager(t, sessions.Options{Keeper: keeper, Now: clock.now})
	if n, err := after.Restore(t.Context()); n != 2 || err != nil {
		t.Errorf("%d restored, %v", n, err)
	}
	wantFind(t, after, evicted, sessions.ErrNoSession)
	wantFind(t, after, fresh, nil)
}

func TestAnExpiredSessionThatGivesWayEndedByTime(t *testing.T) {
	everywhere(t, checkAnExpiredSessionThatGivesWayEndedByTime)
}

func checkAnExpiredSessionThatGivesWayEndedByTime(t *testing.T, on ground) {
	told := ""
	m, clock := on.manager(t, sessions.Options{MaxPerHolder: 1, OnEnded: func(_ context.Context, _ sessions.Session, reason string) { told += reason }})
	open(t, m, byCard(alice, cardA))
	clock.add(time.Hour)
	open(t, m, byCard(alice, cardA))
	if told != sessions.EndedByTime {
		t.Errorf("told %q", told)
	}
}

func TestAnEvictedSessionThatCannotBeForgottenIsTriedAgain(t *testing.T) {
	keeper := newShelf()
	m, clock := newManager(t, sessions.Options{Keeper: keeper, MaxPerHolder: 1})
	evicted, _ := open(t, m, byCard(alice, cardA))
	clock.add(time.Minute)
	keeper.fail(nil, errDisk)
	fresh, _ := open(t, m, byCard(alice, cardA))
	wantFind(t, m, evicted, sessions.ErrNoSession)
	wantFind(t, m, fresh, nil)
	keeper.fail(nil, nil)
	sessions.Sweep(t.Context(), m)
	if n := len(keeper.all()); n != 1 {
		t.Errorf("%d records stay", n)
	}
}

// A login that comes to nothing ends nobody's session.
func TestNothingGivesWayToASessionThatDoesNotOpen(t *testing.T) {
	errCard := errors.New("card suspended")
	tests := []struct {
		name string
		keep error
		want error
	}{
		{"what no longer stands", nil, errCard},
		{"a keeper that fails", errDisk, errDisk},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keeper := newShelf()
			m, clock := newManager(t, sessions.Options{
				Keeper: keeper, MaxPerHolder: 1,
				OnEnded: func(_ context.Context, s sessions.Session, _ string) { t.Errorf("told %+v", s) },
				Standing: func(_ context.Context, s sessions.Session) error {
					if s.CardTokenID == cardB && tt.keep == nil {
						return errCard
					}
					return nil
				},
			})
			token, _ := open(t, m, byCard(alice, cardA))
			clock.add(time.Minute)
			keeper.fail(tt.keep, nil)
			if _, _, err := m.Open(t.Context(), byCard(alice, cardB)); !errors.Is(err, tt.want) {
				t.Fatalf("error %v", err)
			}
			wantFind(t, m, token, nil)
			if n := len(keeper.all()); n != 1 {
				t.Errorf("%d records stay", n)
			}
		})
	}
}

func TestOfManyOpensAtOnceNoMoreStayThanMay(t *testing.T) {
	everywhere(t, checkOfManyOpensAtOnceNoMoreStayThanMay)
}

func checkOfManyOpensAtOnceNoMoreStayThanMay(t *testing.T, on ground) {
	keeper := newShelf()
	m, _ := on.manager(t, sessions.Options{Keeper: keeper, MaxPerHolder: 3})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, _, err := m.Open(t.Context(), byCard(alice, cardA)); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	list, err := m.OfHolder(t.Context(), alice)
	if err != nil || len(list) != 3 || on.keeps() && len(keeper.all()) != 3 {
		t.Errorf("%d sessions, %d records, %v", len(list), len(keeper.all()), err)
	}
}
