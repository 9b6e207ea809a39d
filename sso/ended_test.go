package sso_test

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/redislab"
	"cpsgate/sessions"
	"cpsgate/sso"
)

// redisAt is a Redis whose keys are this test's.
func redisAt(t *testing.T, address string) *sessions.Redis {
	t.Helper()
	r, err := sessions.OpenRedis(sessions.RedisOptions{URL: address, Prefix: "test:" + rand.Text() + ":"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// tellingOn is telling over sessions in a Redis.
func tellingOn(t *testing.T, redis *sessions.Redis, l *listener, change func(*sso.Options)) *place {
	t.Helper()
	l.status = http.StatusOK
	l.server = httptest.NewTLSServer(l)
	t.Cleanup(l.server.Close)
	return newPlaceOn(t, redis, func(o *sso.Options) {
		roots := x509.NewCertPool()
		roots.AddCert(l.server.Certificate())
		o.BackChannel = sso.NewBackChannel(&tls.Config{RootCAs: roots})
		if change != nil {
			change(o)
		}
	}, app(func(c *sso.Client) { c.BackChannelLogout = l.server.URL + "/logout" }))
}

// A session whose end got lost between Redis and us is over, and nobody was told
// so: the second look that misses it finds it, once, and no other.
func TestAnEndThatGotLostIsFound(t *testing.T) {
	for name, tt := range map[string]struct {
		lose string
		end  func(p *place, token string) error
	}{
		"the answer of the removal": {"getdel", func(p *place, token string) error { return p.sessions.End(p.t.Context(), token) }},
		"the answer of the removal of a card's": {"getdel", func(p *place, _ string) error {
			_, err := p.sessions.EndOfCard(p.t.Context(), cardA)
			return err
		}},
		"the answer of a swap": {"eval", func(p *place, token string) error {
			if _, _, err := p.sessions.Rotate(p.t.Context(), token, nil); !errors.Is(err, sessions.ErrNoSession) {
				return errors.Join(errors.New("rotated"), err)
			}
			return nil
		}},
		"the answer of a swap, at the end of its time": {"eval", func(p *place, token string) error {
			p.clock.add(time.Hour)
			if _, err := p.sessions.Find(p.t.Context(), token); !errors.Is(err, sessions.ErrExpired) {
				return errors.Join(errors.New("found"), err)
			}
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			line, l := redislab.Between(t, redislab.Start(t)), &listener{}
			p := tellingOn(t, redisAt(t, line.URL()), l, nil)
			token, session, err := p.sessions.Open(t.Context(), sessions.Session{Holder: alice, Method: identity.MethodCPS, CardTokenID: cardA})
			if err != nil {
				t.Fatal(err)
			}
			p.tokens(&session)
			line.Lose(tt.lose)
			if err := tt.end(p, token); err != nil || line.Lost() != 1 {
				t.Fatalf("%v; %d answers lost", err, line.Lost())
			}
			other := p.open(bob, cardB)
			others := p.tokens(other)
			p.provider.TellClients(t.Context())
			if n := len(l.heard()); n != 0 {
				t.Fatalf("told %d times: nothing got lost", n)
			}
			for look, want := range []int{0, 1, 1} {
				if err := p.look(); err != nil {
					t.Fatal(err)
				}
				if n := len(l.heard()); n != want {
					t.Errorf("after look %d: told %d times", look+1, n)
				}
			}
			if a := p.userinfo(others.text("access_token")); a.status != http.StatusOK {
				t.Errorf("the other's session: %d %s", a.status, a.body)
			}
		})
	}
}

// While nothing can be known of sessions, none is taken for ended.
func TestNothingEndsWhileRedisIsAway(t *testing.T) {
	server, l := redislab.Start(t), &listener{}
	p := tellingOn(t, redisAt(t, server.URL()), l, nil)
	a := p.tokens(p.open(alice, cardA))
	if err := server.Freeze(); err != nil {
		t.Fatal(err)
	}
	if err := p.provider.Reconcile(t.Context()); !errors.Is(err, sessions.ErrAway) {
		t.Errorf("%v", err)
	}
	if err := server.Thaw(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); p.provider.Reconcile(t.Context()) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not heal")
		}
	}
	p.provider.TellClients(t.Context())
	if got := p.userinfo(a.text("access_token")); got.status != http.StatusOK || len(l.heard()) != 0 {
		t.Errorf("%d %s, told %d times", got.status, got.body, len(l.heard()))
	}
	// One that has forgotten everything has signed everybody out.
	server.Kill()
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); p.provider.Reconcile(t.Context()) != nil; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it does not heal")
		}
	}
	if err := p.look(); err != nil {
		t.Fatal(err)
	}
	if n := len(l.heard()); n != 1 {
		t.Errorf("told %d times", n)
	}
}

var errDisk = errors.New("disk is full")

// broken is a store that fails while it is told to.
type broken struct {
	sso.Shelf
	ends  atomic.Bool
	lists atomic.Bool
}

func (b *broken) EndGrantsOf(ctx context.Context, session, reason string, owed func([]sso.GrantRecord) []sso.LogoutRecord) error {
	if b.ends.Load() {
		return errDisk
	}
	return b.Shelf.EndGrantsOf(ctx, session, reason, owed)
}

func (b *broken) GrantedSessions(ctx context.Context, after string, most int) ([]sso.GrantedSession, error) {
	if b.lists.Load() {
		return nil, errDisk
	}
	return b.Shelf.GrantedSessions(ctx, after, most)
}

// An end that the store could not keep is dealt with when it can.
func TestAStoreThatFailsDelaysTheTelling(t *testing.T) {
	l, shelf := &listener{}, &broken{}
	p := tellingOn(t, nil, l, func(o *sso.Options) { shelf.Shelf, o.Shelf = o.Shelf, shelf })
	p.fails = true
	session, second := p.open(alice, cardA), p.open(bob, cardB)
	p.tokens(session)
	p.tokens(second)
	shelf.ends.Store(true)
	for _, s := range []*sessions.Session{session, second} {
		if err := p.sessions.EndByID(t.Context(), s.Holder, s.ID); err != nil {
			t.Fatal(err)
		}
	}
	shelf.ends.Store(false)
	if err := p.provider.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, broken := range []func(bool){shelf.ends.Store, shelf.lists.Store} {
		broken(true)
		if err := p.provider.Reconcile(t.Context()); !errors.Is(err, errDisk) {
			t.Errorf("%v", err)
		}
		broken(false)
	}
	p.provider.TellClients(t.Context())
	if n := len(l.heard()); n != 0 {
		t.Fatalf("told %d times", n)
	}
	if err := p.provider.Reconcile(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.provider.TellClients(t.Context())
	if n := len(l.heard()); n != 2 {
		t.Errorf("told %d times", n)
	}
}

// However ends, looks for missed ones and tellings of two nodes interleave, each
// end is told once, and a session that is given new tokens all the time has none.
func TestEndsAreToldOnce(t *testing.T) {
	const many = 40
	l := &listener{}
	r := redisAt(t, redislab.Start(t).URL())
	p := tellingOn(t, r, l, nil)
	kept, session, err := p.sessions.Open(t.Context(), sessions.Session{Holder: bob, Method: identity.MethodCPS, CardTokenID: cardB})
	if err != nil {
		t.Fatal(err)
	}
	lives := p.tokens(&session)
	var ended []*sessions.Session
	for range many { // the 17th of a person has the first give way: an end as well
		s := p.open(alice, cardA)
		p.tokens(s)
		ended = append(ended, s)
	}
	ctx, stop := context.WithCancel(t.Context())
	var around sync.WaitGroup
	for range 2 {
		around.Go(func() {
			for ctx.Err() == nil {
				if err := p.provider.Reconcile(t.Context()); err != nil {
					t.Error(err)
				}
				p.provider.TellClients(t.Context())
			}
		})
	}
	around.Go(func() {
		for ctx.Err() == nil {
			if kept, _, err = p.sessions.Rotate(t.Context(), kept, nil); err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Millisecond)
		}
	})
	for _, s := range ended {
		if err := p.sessions.EndByID(t.Context(), alice, s.ID); err != nil && !errors.Is(err, sessions.ErrNoSession) {
			t.Error(err)
		}
	}
	stop()
	around.Wait()
	p.provider.TellClients(t.Context())
	heard := l.heard()
	sids := map[any]int{}
	for _, token := range heard {
		sids[p.logoutToken(t, token)["sid"]]++
	}
	if len(heard) != many || len(sids) != many {
		t.Errorf("told %d times of %d sessions, not of %d", len(heard), len(sids), many)
	}
	if a := p.userinfo(lives.text("access_token")); a.status != http.StatusOK {
		t.Errorf("of a session that lives: %d %s", a.status, a.body)
	}
}

// hesitant is a client that answers after its deadline, and counts how many
// logouts it is told of at once.
type hesitant struct {
	mu        sync.Mutex
	now, most int
	gone      chan struct{}
}

func (h *hesitant) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	h.mu.Lock()
	h.now++
	h.most = max(h.most, h.now)
	h.mu.Unlock()
	select {
	case <-h.gone:
	case <-r.Context().Done():
	}
	h.mu.Lock()
	h.now--
	h.mu.Unlock()
}

// A client that hangs, be it owed hundreds, is told two at a time, and keeps no
// other waiting: neither those due with it nor those due later.
func TestOneSlowClientDelaysNobody(t *testing.T) {
	slow, quick := &hesitant{gone: make(chan struct{})}, &listener{}
	p := telling(t, quick)
	server := httptest.NewTLSServer(slow)
	defer server.Close()
	defer close(slow.gone)
	if _, err := p.provider.Clients().Add(t.Context(), sso.Client{
		ID: "aaa-slow", Auth: sso.AuthNone, RedirectURIs: []string{"https://slow.test/cb"}, BackChannelLogout: server.URL,
	}); err != nil {
		t.Fatal(err)
	}
	due := func(client string, n int) (list []sso.LogoutRecord) {
		for range n {
			list = append(list, sso.LogoutRecord{Client: client, Session: rand.Text(), Holder: string(alice), EndedAt: p.clock.now(), Next: p.clock.now()})
		}
		return list
	}
	if err := p.store.AddLogouts(t.Context(), append(due("aaa-slow", 300), due("app", 5)...)...); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { p.provider.Run(ctx) })
	defer running.Wait()
	defer stop()
	wait := func(n int) {
		t.Helper()
		began := time.Now()
		sso.WakeUp(p.provider)
		for len(quick.heard()) < n {
			if time.Since(began) > 4*time.Second { // before the slow one's first deadline
				t.Fatalf("the quick one has heard %d of %d", len(quick.heard()), n)
			}
			time.Sleep(time.Millisecond)
		}
	}
	wait(5)
	if err := p.store.AddLogouts(t.Context(), due("app", 5)...); err != nil {
		t.Fatal(err)
	}
	wait(10)
	slow.mu.Lock()
	defer slow.mu.Unlock()
	if slow.most != 2 {
		t.Errorf("the slow one was told of %d at once", slow.most)
	}
	if slices.Contains(quick.heard(), "") {
		t.Error("told without a token")
	}
}
