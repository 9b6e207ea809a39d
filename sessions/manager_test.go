package sessions_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
)

func TestOpenThenFind(t *testing.T) { everywhere(t, checkOpenThenFind) }

func checkOpenThenFind(t *testing.T, on ground) {
	m, _ := on.manager(t, sessions.Options{})
	token, opened := open(t, m, byPasskey(alice, cardA, "key"))
	if opened.ID == "" || opened.State != sessions.StateActive ||
		opened.CreatedAt != start || opened.AuthenticatedAt != start || opened.LastSeenAt != start ||
		opened.IdleUntil != start.Add(30*time.Minute) || opened.ExpiresAt != start.Add(10*time.Hour) {
		t.Errorf("opened %+v", opened)
	}
	found := wantFind(t, m, token, nil)
	if !reflect.DeepEqual(found, opened) {
		t.Errorf("found %+v, opened %+v", found, opened)
	}
	found.PasskeyID[0] = 'X'
	if again := wantFind(t, m, token, nil); string(again.PasskeyID) != "key" {
		t.Error("a caller changed the session kept")
	}
}

func TestTokensAreOpaqueAndNowhereKept(t *testing.T) {
	keeper := newShelf()
	m, _ := newManager(t, sessions.Options{Keeper: keeper})
	token, opened := open(t, m, byCard(alice, cardA))
	other, _ := open(t, m, byCard(alice, cardA))
	random, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(random) != 32 || token == other {
		t.Fatalf("token %q, %v", token, err)
	}
	kept, found := keeper.all()[sha256.Sum256(random)]
	if !found {
		t.Fatal("not kept under the SHA-256 of the token")
	}
	if strings.Contains(string(kept.Record), token) || strings.Contains(opened.ID, token[:8]) {
		t.Error("the token can be read")
	}
	if kept.Until != opened.IdleUntil {
		t.Errorf("kept until %s, idle until %s", kept.Until, opened.IdleUntil)
	}
}

func TestFindRefusesWhatIsNoToken(t *testing.T) { everywhere(t, checkFindRefusesWhatIsNoToken) }

func checkFindRefusesWhatIsNoToken(t *testing.T, on ground) {
	m, _ := on.manager(t, sessions.Options{})
	token, opened := open(t, m, byCard(alice, cardA))
	last := map[bool]string{true: "B", false: "C"}[strings.HasSuffix(token, "A")]
	for name, forged := range map[string]string{
		"empty":                      "",
		"another":                    strings.Repeat("A", 43),
		"cut":                        token[:42],
		"padded":                     token + "=",
		"longer":                     token + "A",
		"the handle":                 opened.ID,
		"not base64url":              token[:42] + "/",
		"very long":                  strings.Repeat("A", 1<<20),
		"same bytes, other spelling": token[:42] + last,
	} {
		t.Run(name, func(t *testing.T) { wantFind(t, m, forged, sessions.ErrNoSession) })
	}
	wantFind(t, m, token, nil)
}

func TestOpenRefuses(t *testing.T) { everywhere(t, checkOpenRefuses) }

func checkOpenRefuses(t *testing.T, on ground) {
	m, _ := on.manager(t, sessions.Options{})
	for name, s := range map[string]sessions.Session{
		"nobody":            {Method: identity.MethodCPS},
		"no method":         {Holder: alice},
		"an unknown method": {Holder: alice, Method: "password"},
	} {
		if token, _, err := m.Open(t.Context(), s); err == nil || token != "" {
			t.Errorf("%s: token %q, %v", name, token, err)
		}
	}
}

func TestFindRefusesAnyStateButActive(t *testing.T) {
	for _, state := range []sessions.State{"", sessions.StateEnded, "suspended", "Active"} {
		m, _ := newManager(t, sessions.Options{})
		token, _ := open(t, m, byCard(alice, cardA))
		sessions.SetState(m, alice, state)
		if s := wantFind(t, m, token, sessions.ErrNoSession); s.Holder != "" {
			t.Errorf("state %q: %+v", state, s)
		}
		if _, _, err := m.Rotate(t.Context(), token, nil); !errors.Is(err, sessions.ErrNoSession) {
			t.Errorf("state %q: rotated: %v", state, err)
		}
		if _, _, err := m.Unlock(t.Context(), token, nil); !errors.Is(err, sessions.ErrNoSession) {
			t.Errorf("state %q: unlocked: %v", state, err)
		}
	}
}

func TestSessionsEndInTime(t *testing.T) { everywhere(t, checkSessionsEndInTime) }

func checkSessionsEndInTime(t *testing.T, on ground) {
	type step struct {
		after time.Duration
		want  error
	}
	tests := []struct {
		name   string
		limits map[identity.Method]sessions.Limits
		steps  []step
	}{
		{"idle: one instant before", nil, []step{{30*time.Minute - 1, nil}}},
		{"idle: at its end", nil, []step{{30 * time.Minute, sessions.ErrExpired}, {0, sessions.ErrNoSession}}},
		{"use moves the idle end", nil, []step{{29 * time.Minute, nil}, {29 * time.Minute, nil}, {30 * time.Minute, sessions.ErrExpired}}},
		{"use within a minute does not", nil, []step{{59 * time.Second, nil}, {30*time.Minute - 59*time.Second, sessions.ErrExpired}}},
		{"use never moves the absolute end",
			map[identity.Method]sessions.Limits{identity.MethodCPS: {Idle: 40 * time.Minute, Absolute: time.Hour}},
			[]step{{39 * time.Minute, nil}, {20 * time.Minute, nil}, {time.Minute, sessions.ErrExpired}}},
		{"another method's limits do not count",
			map[identity.Method]sessions.Limits{identity.MethodFIDO2: {Idle: 2 * time.Minute}},
			[]step{{29 * time.Minute, nil}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, clock := on.manager(t, sessions.Options{Limits: tt.limits})
			token, _ := open(t, m, byCard(alice, cardA))
			for _, step := range tt.steps {
				clock.add(step.after)
				s := wantFind(t, m, token, step.want)
				if errors.Is(step.want, sessions.ErrExpired) && s.Holder != alice {
					t.Error("an expired session does not say whose it was")
				}
			}
		})
	}
}

func TestNewRefusesLimitsWithoutSense(t *testing.T) {
	limits := func(l sessions.Limits) sessions.Options {
		return sessions.Options{Limits: map[identity.Method]sessions.Limits{identity.MethodCPS: l}}
	}
	for name, o := range map[string]sessions.Options{
		"idle shorter than touches":   limits(sessions.Limits{Idle: time.Minute}),
		"negative idle":               limits(sessions.Limits{Idle: -1}),
		"absolute shorter than idle":  limits(sessions.Limits{Absolute: time.Minute}),
		"negative number":             {Max: -1},
		"negative number of a holder": {MaxPerHolder: -1},
	} {
		if _, err := sessions.New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestEnding(t *testing.T) { everywhere(t, checkEnding) }

func checkEnding(t *testing.T, on ground) {
	// Three sessions: Alice's by card A on W1, Alice's by a passkey on card A,
	// Bob's by card B on W1.
	tests := []struct {
		name string
		end  func(ctx context.Context, m *sessions.Manager, tokens []string, ids []string) (int, error)
		want [3]bool // still there
		n    int
	}{
		{"one token", func(ctx context.Context, m *sessions.Manager, tokens, _ []string) (int, error) {
			return 1, m.End(ctx, tokens[0])
		}, [3]bool{false, true, true}, 1},
		{"an unknown token", func(ctx context.Context, m *sessions.Manager, _, _ []string) (int, error) {
			return 0, m.End(ctx, "x")
		}, [3]bool{true, true, true}, 0},
		{"one handle", func(ctx context.Context, m *sessions.Manager, _, ids []string) (int, error) {
			return 1, m.EndByID(ctx, alice, ids[1])
		}, [3]bool{true, false, true}, 1},
		{"a person", func(ctx context.Context, m *sessions.Manager, _, _ []string) (int, error) {
			return m.EndOfHolder(ctx, alice)
		}, [3]bool{false, false, true}, 2},
		{"a card", func(ctx context.Context, m *sessions.Manager, _, _ []string) (int, error) {
			return m.EndOfCard(ctx, cardA)
		}, [3]bool{false, false, true}, 2},
		{"no card", func(ctx context.Context, m *sessions.Manager, _, _ []string) (int, error) {
			return m.EndOfCard(ctx, "")
		}, [3]bool{true, true, true}, 0},
		{"a passkey", func(ctx context.Context, m *sessions.Manager, _, _ []string) (int, error) {
			return m.EndOfPasskey(ctx, []byte("key"))
		}, [3]bool{true, false, true}, 1},
		{"a workstation", func(ctx context.Context, m *sessions.Manager, _, _ []string) (int, error) {
			return m.EndOfWorkstation(ctx, "W1")
		}, [3]bool{false, true, false}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			keeper := newShelf()
			m, _ := on.manager(t, sessions.Options{Keeper: keeper})
			var tokens, ids []string
			for _, s := range []sessions.Session{byCard(alice, cardA), byPasskey(alice, cardA, "key"), byCard(bob, cardB)} {
				token, opened := open(t, m, s)
				tokens, ids = append(tokens, token), append(ids, opened.ID)
			}
			n, err := tt.end(t.Context(), m, tokens, ids)
			if err != nil || n != tt.n {
				t.Fatalf("%d ended, %v; want %d", n, err, tt.n)
			}
			left := 0
			for i, token := range tokens {
				want := sessions.ErrNoSession
				if tt.want[i] {
					want = nil
					left++
				}
				wantFind(t, m, token, want)
			}
			if kept := len(keeper.all()); on.keeps() && kept != left {
				t.Errorf("%d records kept of %d sessions", kept, left)
			}
		})
	}
}

func TestAnotherCannotEndASessionByItsHandle(t *testing.T) {
	everywhere(t, checkAnotherCannotEndASessionByItsHandle)
}

func checkAnotherCannotEndASessionByItsHandle(t *testing.T, on ground) {
	m, _ := on.manager(t, sessions.Options{})
	token, opened := open(t, m, byCard(alice, cardA))
	if err := m.EndByID(t.Context(), bob, opened.ID); !errors.Is(err, sessions.ErrNoSession) {
		t.Errorf("error %v", err)
	}
	wantFind(t, m, token, nil)
}

func TestOfHolderListsTheLastSeenFirst(t *testing.T) {
	everywhere(t, checkOfHolderListsTheLastSeenFirst)
}

func checkOfHolderListsTheLastSeenFirst(t *testing.T, on ground) {
	m, clock := on.manager(t, sessions.Options{})
	first, one := open(t, m, byCard(alice, cardA))
	clock.add(5 * time.Minute)
	_, two := open(t, m, byPasskey(alice, cardA, "key"))
	open(t, m, byCard(bob, cardB))
	ids := func() (list []string) {
		of, err := m.OfHolder(t.Context(), alice)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range of {
			list = append(list, s.ID)
		}
		return list
	}
	if got := ids(); !reflect.DeepEqual(got, []string{two.ID, one.ID}) {
		t.Errorf("%v", got)
	}
	clock.add(2 * time.Minute)
	wantFind(t, m, first, nil)
	if got := ids(); !reflect.DeepEqual(got, []string{one.ID, two.ID}) {
		t.Errorf("%v", got)
	}
	clock.add(29 * time.Minute)
	if got := ids(); !reflect.DeepEqual(got, []string{one.ID}) {
		t.Errorf("an expired session is listed: %v", got)
	}
}

func TestTextsAreBounded(t *testing.T) { everywhere(t, checkTextsAreBounded) }

func checkTextsAreBounded(t *testing.T, on ground) {
	m, _ := on.manager(t, sessions.Options{})
	s := byCard(alice, cardA)
	s.Workstation = strings.Repeat("é", 200)
	_, opened := open(t, m, s)
	if opened.Workstation != strings.Repeat("é", 128) {
		t.Errorf("%d bytes", len(opened.Workstation))
	}
}

func TestWhatNoLongerStandsCannotOpen(t *testing.T) { everywhere(t, checkWhatNoLongerStandsCannotOpen) }

func checkWhatNoLongerStandsCannotOpen(t *testing.T, on ground) {
	errCard := errors.New("card suspended")
	keeper := newShelf()
	m, _ := on.manager(t, sessions.Options{Keeper: keeper, Standing: func(_ context.Context, s sessions.Session) error {
		if s.CardTokenID == cardB {
			return errCard
		}
		return nil
	}})
	if token, _, err := m.Open(t.Context(), byCard(bob, cardB)); !errors.Is(err, errCard) || token != "" {
		t.Errorf("opened: %q, %v", token, err)
	}
	token, _ := open(t, m, byCard(alice, cardA))
	fresh, _, err := m.Rotate(t.Context(), token, func(s *sessions.Session) { s.CardTokenID = cardB })
	if !errors.Is(err, errCard) || fresh != "" {
		t.Errorf("rotated: %q, %v", fresh, err)
	}
	if left, _ := m.OfHolder(t.Context(), bob); len(left) != 0 || len(keeper.all()) != 0 {
		t.Errorf("%d sessions, %d records stay", len(left), len(keeper.all()))
	}
}

// A card is suspended while a login with it is under way: whichever comes
// first, no session is left.
func TestASuspensionDuringOpenFindsTheSession(t *testing.T) {
	everywhere(t, checkASuspensionDuringOpenFindsTheSession)
}

func checkASuspensionDuringOpenFindsTheSession(t *testing.T, on ground) {
	keeper := newShelf()
	var m *sessions.Manager
	m, _ = on.manager(t, sessions.Options{Keeper: keeper, Standing: func(ctx context.Context, s sessions.Session) error {
		_, err := m.EndOfCard(ctx, s.CardTokenID) // right after it was found in order
		return err
	}})
	token, _, err := m.Open(t.Context(), byCard(alice, cardA))
	if err != nil {
		t.Fatal(err)
	}
	wantFind(t, m, token, sessions.ErrNoSession)
	if n := len(keeper.all()); n != 0 {
		t.Errorf("%d records come back at the next start", n)
	}
}
