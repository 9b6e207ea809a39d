package sso_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cpsgate/sessions"
	"cpsgate/sso"
)

// listener is an application's back-channel endpoint.
type listener struct {
	mu     sync.Mutex
	tokens []string
	status int
	hang   chan struct{}
	server *httptest.Server
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if l.hang != nil {
		select {
		case <-l.hang:
		case <-r.Context().Done():
		}
		return
	}
	_ = r.ParseForm()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tokens = append(l.tokens, r.PostForm.Get("logout_token"))
	w.WriteHeader(l.status)
}

func (l *listener) heard() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.tokens)
}

func (l *listener) answer(status int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.status = status
}

// telling is a place whose application listens.
func telling(t *testing.T, l *listener) *place {
	t.Helper()
	l.status = http.StatusOK
	l.server = httptest.NewTLSServer(l)
	t.Cleanup(l.server.Close)
	return newPlace(t, func(o *sso.Options) {
		roots := x509.NewCertPool()
		roots.AddCert(l.server.Certificate())
		o.BackChannel = sso.NewBackChannel(&tls.Config{RootCAs: roots})
	}, app(func(c *sso.Client) { c.BackChannelLogout = l.server.URL + "/logout" }))
}

func TestBackChannelLogout(t *testing.T) {
	ends := map[string]func(*place, *sessions.Session) error{
		"signed out": func(p *place, s *sessions.Session) error { return p.sessions.EndByID(p.t.Context(), alice, s.ID) },
		"card revoked": func(p *place, _ *sessions.Session) error {
			_, err := p.sessions.EndOfCard(p.t.Context(), cardA)
			return err
		},
	}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			l := &listener{}
			p := telling(t, l)
			session := p.open(alice, cardA)
			a := p.tokens(session)
			p.tokens(session) // a second grant at the same client is told once
			if err := end(p, session); err != nil {
				t.Fatal(err)
			}
			p.provider.TellClients(t.Context())
			heard := l.heard()
			if len(heard) != 1 {
				t.Fatalf("told %d times", len(heard))
			}
			claims := p.logoutToken(t, heard[0])
			id := p.idToken(t, a.text("id_token"))
			events, _ := claims["events"].(map[string]any)
			_, is := events["http://schemas.openid.net/event/backchannel-logout"]
			if claims["sid"] != id["sid"] || claims["sub"] != id["sub"] || claims["aud"] != "app" || claims["nonce"] != nil || claims["jti"] == "" || !is {
				t.Errorf("%v", claims)
			}
			// A logout token is no ID token.
			if _, err := p.provider.Begin(t.Context(), asked("id_token_hint", heard[0])); codeOf(err) != sso.InvalidRequest {
				t.Errorf("taken for an ID token: %v", err)
			}
		})
	}
}

// logoutToken gives the claims of a logout token that is ours.
func (p *place) logoutToken(t *testing.T, token string) (claims map[string]any) {
	t.Helper()
	payload, err := signing(t).Verify(t.Context(), token, "logout+jwt")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

// A client that fails is told again, later and later, and then given up; each
// end of it is recorded.
func TestBackChannelIsTriedAgain(t *testing.T) {
	l := &listener{}
	p := telling(t, l)
	session := p.open(alice, cardA)
	p.tokens(session)
	l.answer(http.StatusInternalServerError)
	if err := p.sessions.EndByID(t.Context(), alice, session.ID); err != nil {
		t.Fatal(err)
	}
	p.reasons()
	p.provider.TellClients(t.Context())
	p.provider.TellClients(t.Context()) // not yet again
	if n := len(l.heard()); n != 1 {
		t.Fatalf("tried %d times", n)
	}
	for _, wait := range []time.Duration{10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour} {
		p.clock.add(wait)
		p.provider.TellClients(t.Context())
	}
	p.clock.add(24 * time.Hour)
	p.provider.TellClients(t.Context())
	if n := len(l.heard()); n != 6 {
		t.Errorf("tried %d times", n)
	}
	if e := p.told(); len(e) != 1 || !e[0].Failed || e[0].Client != "app" {
		t.Errorf("recorded %+v", e)
	}
}

func (p *place) told() (list []sso.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if e.Kind == sso.EventTold {
			list = append(list, e)
		}
	}
	return list
}

// What is due outlives the process that owed it.
func TestBackChannelSurvivesARestart(t *testing.T) {
	l := &listener{}
	p := telling(t, l)
	session := p.open(alice, cardA)
	p.tokens(session)
	if err := p.sessions.EndByID(t.Context(), alice, session.ID); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(l.server.Certificate())
	clients, err := sso.NewClients(sso.ClientsOptions{Shelf: p.store, Tell: p.tell})
	if err != nil {
		t.Fatal(err)
	}
	again, err := sso.New(sso.Options{
		Issuer: issuer, Keys: signing(t), Clients: clients, Shelf: p.store, Once: sessions.NewOnce(sessions.OnceOptions{}), Sessions: p.sessions,
		Person: nobody, Tell: p.tell, Now: p.clock.now, BackChannel: sso.NewBackChannel(&tls.Config{RootCAs: roots}),
	})
	if err != nil {
		t.Fatal(err)
	}
	again.TellClients(t.Context())
	p.provider.TellClients(t.Context()) // the other node has done it
	if n := len(l.heard()); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// A client that hangs costs its deadline, and keeps no other waiting.
func TestAHangingClientHarmsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := &http.Client{Timeout: 5 * time.Second, Transport: hang{}}
		start := time.Now()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://hangs.test/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := hanging.Do(r); err == nil || time.Since(start) != 5*time.Second {
			t.Errorf("%v after %s", err, time.Since(start))
		}
	})
	if d := sso.NewBackChannel(nil).Timeout; d != 5*time.Second {
		t.Errorf("deadline %s", d)
	}
	slow, quick := &listener{hang: make(chan struct{})}, &listener{}
	p := telling(t, quick)
	slow.server = httptest.NewTLSServer(slow)
	defer slow.server.Close()
	defer close(slow.hang)
	if _, err := p.provider.Clients().Add(t.Context(), sso.Client{
		ID: "slow", Auth: sso.AuthNone, RedirectURIs: []string{"https://slow.test/cb"}, BackChannelLogout: slow.server.URL,
	}); err != nil {
		t.Fatal(err)
	}
	session := p.open(alice, cardA)
	p.tokens(session)
	code := p.code(asked("client_id", "slow", "redirect_uri", "https://slow.test/cb"), session).Get("code")
	if a := p.do(p.request(sso.PathToken, exchange(code, "client_id", "slow", "redirect_uri", "https://slow.test/cb"), "", "")); a.status != http.StatusOK {
		t.Fatal(a.body)
	}
	if err := p.sessions.EndByID(t.Context(), alice, session.ID); err != nil { // does not wait
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { p.provider.TellClients(ctx); close(done) }()
	for len(quick.heard()) == 0 {
		select {
		case <-done:
			if len(quick.heard()) == 0 {
				t.Fatal("the quick one was not told")
			}
		case <-time.After(time.Millisecond):
		}
	}
	cancel()
	<-done
}

type hang struct{}

func (hang) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestBeginLogout(t *testing.T) {
	p := newPlace(t, nil, app(), app(func(c *sso.Client) { c.ID = "other" }))
	session := p.open(alice, cardA)
	hint := p.tokens(session).text("id_token")
	p.clock.add(time.Hour) // an expired hint is a hint
	bye := "https://app.hopital.test/bye"
	tests := []struct {
		name   string
		form   url.Values
		back   string
		reason string
	}{
		{"nothing", url.Values{}, "", ""},
		{"a hint", url.Values{"id_token_hint": {hint}}, "", ""},
		{"a hint and an address", url.Values{"id_token_hint": {hint}, "post_logout_redirect_uri": {bye}, "state": {"s"}}, bye + "?state=s", ""},
		{"a client and an address", url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {bye}}, bye, ""},
		{"an address alone", url.Values{"post_logout_redirect_uri": {bye}}, "", "post-logout-uri"},
		{"another's address", url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {"https://evil.test"}}, "", "post-logout-uri"},
		{"a redirect URI", url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {callback}}, "", "post-logout-uri"},
		{"a script", url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {"javascript:alert(1)"}}, "", "post-logout-uri"},
		{"another client's hint", url.Values{"client_id": {"other"}, "id_token_hint": {hint}}, "", "id-token-hint"},
		{"a hint cut short", url.Values{"id_token_hint": {hint[:len(hint)-9]}}, "", "id-token-hint"},
		{"an unknown client", url.Values{"client_id": {"nobody"}}, "", "client-unknown"},
		{"an address twice", url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {bye, "https://evil.test"}}, "", "parameter-twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p.reasons()
			l, err := p.provider.BeginLogout(t.Context(), tt.form)
			if l.Back != tt.back || (err == nil) != (tt.reason == "") {
				t.Errorf("%+v, %v", l, err)
			}
			if got := p.reasons(); tt.reason != "" && !slices.Equal(got, []string{tt.reason}) {
				t.Errorf("recorded %v", got)
			}
			if proven := err == nil && p.provider.Proves(t.Context(), l, session); proven != (tt.form.Has("id_token_hint") && tt.reason == "") {
				t.Errorf("proves: %v", proven)
			}
			if err == nil && p.provider.Proves(t.Context(), l, p.open(alice, cardA)) {
				t.Error("proves another session")
			}
		})
	}
}

// A client that sends us elsewhere, or answers an error, has not been told: it
// is tried again, and nobody else hears the token (Back-Channel Logout §2.5).
func TestAClientThatLeadsElsewhereIsNotFollowed(t *testing.T) {
	elsewhere := &listener{status: http.StatusOK}
	elsewhere.server = httptest.NewTLSServer(elsewhere)
	defer elsewhere.server.Close()
	for name, answer := range map[string]http.HandlerFunc{
		"a redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.server.URL, http.StatusTemporaryRedirect)
		},
		"an error": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadRequest) },
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewTLSServer(answer)
			defer server.Close()
			p := newPlace(t, func(o *sso.Options) {
				roots := x509.NewCertPool()
				roots.AddCert(server.Certificate()) // the same for all test servers
				o.BackChannel = sso.NewBackChannel(&tls.Config{RootCAs: roots})
			}, app(func(c *sso.Client) { c.BackChannelLogout = server.URL }))
			session := p.open(alice, cardA)
			p.tokens(session)
			if err := p.sessions.EndByID(t.Context(), alice, session.ID); err != nil {
				t.Fatal(err)
			}
			p.provider.TellClients(t.Context())
			if e := p.told(); len(e) != 0 || len(elsewhere.heard()) != 0 {
				t.Errorf("recorded %+v; elsewhere %d tokens came", e, len(elsewhere.heard()))
			}
			p.clock.add(10 * time.Second)
			if due, err := p.store.ClaimLogouts(t.Context(), "app", p.clock.now(), p.clock.now(), 9); err != nil || len(due) != 1 || due[0].Attempts != 1 {
				t.Errorf("%+v, %v", due, err)
			}
		})
	}
}

// A client whose grant ended before the session did is told of the session's
// end all the same, once: its user is still signed in there.
func TestClientsAreToldThoughTheirGrantEndedBefore(t *testing.T) {
	for name, end := range map[string]func(p *place, session *sessions.Session){
		"revoked": func(p *place, session *sessions.Session) {
			p.post(sso.PathRevoke, url.Values{"token": {p.tokens(session).text("refresh_token")}})
		},
		"replayed": func(p *place, session *sessions.Session) {
			code := p.code(asked(), session).Get("code")
			p.post(sso.PathToken, exchange(code))
			p.post(sso.PathToken, exchange(code))
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := &listener{}
			p := telling(t, l)
			session := p.open(alice, cardA)
			end(p, session)
			if err := p.sessions.EndByID(t.Context(), alice, session.ID); err != nil {
				t.Fatal(err)
			}
			p.provider.TellClients(t.Context())
			if err := p.provider.SessionEnded(t.Context(), *session, "again"); err != nil {
				t.Fatal(err)
			}
			p.provider.TellClients(t.Context())
			if n := len(l.heard()); n != 1 {
				t.Errorf("told %d times", n)
			}
		})
	}
}
