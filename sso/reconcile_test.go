package sso_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
	"cpsgate/sso"
)

// seeing shows of the sessions what a test lets it.
type seeing struct {
	sso.Sessions
	handles func(holders []identity.PSIdNat) error // nil: as they are
	blind   atomic.Bool                            // shows no handle
	looks   atomic.Int32                           // for a person's sessions
	gone    atomic.Int32                           // the look from which on there are none; 0: never
}

func (s *seeing) HandlesOf(ctx context.Context, holders ...identity.PSIdNat) (map[string]bool, error) {
	if s.handles != nil {
		if err := s.handles(holders); err != nil {
			return nil, err
		}
	}
	if s.blind.Load() {
		return nil, nil
	}
	return s.Sessions.HandlesOf(ctx, holders...)
}

func (s *seeing) OfHolder(ctx context.Context, holder identity.PSIdNat) ([]sessions.Session, error) {
	if n := s.looks.Add(1); s.gone.Load() > 0 && n >= s.gone.Load() {
		return nil, nil
	}
	return s.Sessions.OfHolder(ctx, holder)
}

// look is one of Reconcile, and the telling after it.
func (p *place) look() error {
	err := p.provider.Reconcile(p.t.Context())
	p.provider.TellClients(p.t.Context())
	return err
}

// A session that is not found once is there still; twice in a row, it is over.
func TestOneLookEndsNothing(t *testing.T) {
	l, see := &listener{}, &seeing{}
	p := tellingOn(t, nil, l, func(o *sso.Options) { see.Sessions, o.Sessions = o.Sessions, see })
	a := p.tokens(p.open(alice, cardA))
	for _, blind := range []bool{true, false, true, false, true} {
		see.blind.Store(blind)
		if err := p.look(); err != nil {
			t.Fatal(err)
		}
		if got := p.userinfo(a.text("access_token")); got.status != 200 || len(l.heard()) != 0 {
			t.Fatalf("%d %s, told %d times", got.status, got.body, len(l.heard()))
		}
	}
	if err := p.look(); err != nil {
		t.Fatal(err)
	}
	if n := len(l.heard()); n != 1 {
		t.Errorf("told %d times of what two looks did not find", n)
	}
}

// Who has a session that another version of us wrote loses nothing; what others
// have lost is found all the same.
func TestWhatCannotBeReadIsNotOver(t *testing.T) {
	l, see := &listener{}, &seeing{blind: atomic.Bool{}}
	p := tellingOn(t, nil, l, func(o *sso.Options) { see.Sessions, o.Sessions = o.Sessions, see })
	a, b := p.tokens(p.open(alice, cardA)), p.tokens(p.open(bob, cardB))
	see.blind.Store(true)
	see.handles = func(holders []identity.PSIdNat) error {
		if slices.Contains(holders, alice) {
			return sessions.ErrUnreadable
		}
		return nil
	}
	for range 3 {
		if err := p.look(); !errors.Is(err, sessions.ErrUnreadable) {
			t.Errorf("%v", err)
		}
	}
	if got := p.userinfo(a.text("access_token")); got.status != 200 {
		t.Errorf("hers: %d %s", got.status, got.body)
	}
	if got := p.userinfo(b.text("access_token")); got.status != 401 || len(l.heard()) != 1 {
		t.Errorf("his: %d %s, told %d times", got.status, got.body, len(l.heard()))
	}
}

// pages is a shelf that lists one session at a time, and fails or hangs at some.
type pages struct {
	sso.Shelf
	mu    sync.Mutex
	after []string
	fail  int  // the page that cannot be read; 0: none
	hang  bool // until the caller gives up
	bound bool // the caller gives up by itself
	ends  bool // ending grants fails
}

func (s *pages) GrantedSessions(ctx context.Context, after string, _ int) ([]sso.GrantedSession, error) {
	s.mu.Lock()
	s.after = append(s.after, after)
	fails, hangs := len(s.after) == s.fail, s.hang
	_, s.bound = ctx.Deadline()
	s.mu.Unlock()
	if hangs {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if fails {
		return nil, errDisk
	}
	return s.Shelf.GrantedSessions(ctx, after, 1)
}

func (s *pages) EndGrantsOf(ctx context.Context, session, reason string, owed func([]sso.GrantRecord) []sso.LogoutRecord) error {
	if s.ends {
		return errDisk
	}
	return s.Shelf.EndGrantsOf(ctx, session, reason, owed)
}

// A look that could not end goes on where it was; one that fails at many says so
// in a few words.
func TestALookGoesOnWhereItWas(t *testing.T) {
	shelf, see := &pages{fail: 3}, &seeing{}
	p := tellingOn(t, nil, &listener{}, func(o *sso.Options) {
		shelf.Shelf, o.Shelf = o.Shelf, shelf
		see.Sessions, o.Sessions = o.Sessions, see
	})
	for range 6 {
		p.tokens(p.open(alice, cardA))
	}
	if err := p.look(); !errors.Is(err, errDisk) {
		t.Errorf("%v", err)
	}
	see.blind.Store(true)
	if err := p.look(); err != nil {
		t.Error(err)
	}
	if len(shelf.after) < 4 || shelf.after[2] == "" || shelf.after[3] != shelf.after[2] || !shelf.bound {
		t.Errorf("after %q, bounded %t", shelf.after, shelf.bound)
	}
	if err := p.look(); err != nil { // four are missing a second time, two the first
		t.Error(err)
	}
	shelf.ends = true
	if err := p.look(); !errors.Is(err, errDisk) || strings.Contains(err.Error(), "more") {
		t.Errorf("%v", err)
	}
	for range 6 {
		p.tokens(p.open(alice, cardA))
	}
	_ = p.look()
	if err := p.look(); !errors.Is(err, errDisk) || !strings.Contains(err.Error(), "and 5 more") || strings.Count(err.Error(), "full") != 3 {
		t.Errorf("%v", err)
	}
}

// While a look hangs, others are told.
func TestALookThatHangsDelaysNobody(t *testing.T) {
	shelf, l := &pages{hang: true}, &listener{}
	p := tellingOn(t, nil, l, func(o *sso.Options) { shelf.Shelf, o.Shelf = o.Shelf, shelf })
	sso.ReconcileEvery(p.provider, time.Millisecond)
	session := p.open(alice, cardA)
	p.tokens(session)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.provider.Run(ctx) })
	defer running.Wait()
	defer stop()
	looks := func() int {
		shelf.mu.Lock()
		defer shelf.mu.Unlock()
		return len(shelf.after)
	}
	wait := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal(what)
			}
		}
	}
	wait("it does not look", func() bool { return looks() > 0 })
	if err := p.sessions.EndByID(t.Context(), alice, session.ID); err != nil {
		t.Fatal(err)
	}
	wait("nobody is told", func() bool { return len(l.heard()) == 1 })
	if n := looks(); n != 1 {
		t.Errorf("it looks %d times at once", n)
	}
}

// reading counts how often all clients are read.
type reading struct {
	sso.ClientShelf
	times atomic.Int32
}

func (r *reading) SSOClients(ctx context.Context) ([]sso.ClientRecord, error) {
	r.times.Add(1)
	return r.ClientShelf.SSOClients(ctx)
}

// The clients are not read for a session that no grant stands on, and once for all
// that a look finds.
func TestClientsAreReadOnceALook(t *testing.T) {
	shelf, see := &reading{}, &seeing{}
	p := newPlace(t, func(o *sso.Options) {
		shelf.ClientShelf = o.Shelf.(sso.ClientShelf)
		known, err := sso.NewClients(sso.ClientsOptions{Shelf: shelf, Tell: o.Tell})
		if err != nil {
			t.Fatal(err)
		}
		o.Clients = known
		see.Sessions, o.Sessions = o.Sessions, see
	})
	plain := p.open(bob, cardB)
	shelf.times.Store(0)
	if err := p.sessions.EndByID(t.Context(), bob, plain.ID); err != nil {
		t.Fatal(err)
	}
	if n := shelf.times.Load(); n != 0 {
		t.Errorf("read %d times for a session without grants", n)
	}
	for range 5 {
		p.tokens(p.open(alice, cardA))
	}
	see.blind.Store(true)
	shelf.times.Store(0)
	for range 2 {
		if err := p.provider.Reconcile(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if n := shelf.times.Load(); n != 1 {
		t.Errorf("read %d times", n)
	}
}

// A code redeemed while its session ends gives nothing, and leaves nothing that
// would be taken for a missed end.
func TestACodeRedeemedAsItsSessionEnds(t *testing.T) {
	l, see := &listener{}, &seeing{}
	p := tellingOn(t, nil, l, func(o *sso.Options) { see.Sessions, o.Sessions = o.Sessions, see })
	session := p.open(alice, cardA)
	code := p.code(asked(), session).Get("code")
	see.gone.Store(see.looks.Load() + 2) // the one after the grant is kept
	if a := p.post(sso.PathToken, exchange(code)); a.text("error") != "invalid_grant" || a.text("access_token") != "" {
		t.Fatal(a.body)
	}
	if left := p.granted(session.ID); len(left) != 0 {
		t.Errorf("%+v", left)
	}
	if a := p.post(sso.PathToken, exchange(code)); a.text("error") != "invalid_grant" {
		t.Error(a.body)
	}
}
