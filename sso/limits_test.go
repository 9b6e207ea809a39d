package sso_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/internal/redislab"
	"cpsgate/sessions"
	"cpsgate/sso"
)

// recorded gives the events of a kind, and forgets all.
func (p *place) recorded(kind string) (list []sso.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	p.events = nil
	return list
}

// A flood of refusals that anybody can cause does not fill the audit: some of
// each reason stand there, of the others how many they were. What is somebody's,
// and what may be a theft, always stands there.
func TestAFloodDoesNotFillTheAudit(t *testing.T) {
	p := newPlace(t, nil)
	wrong := func() { p.do(p.request(sso.PathToken, exchange("x"), "app", "wrong")) }
	unknown := func(n int) { p.do(p.request(sso.PathToken, exchange("x"), fmt.Sprintf("nobody-%d", n), "x")) }
	garbled := func(n int) {
		p.do(p.request(sso.PathToken, url.Values{"client_id": {fmt.Sprintf("n%d", n)}}, "", ""))
	}
	for i := range 500 {
		wrong()
		unknown(i)
		garbled(i)
	}
	if got := p.recorded(sso.EventToken); len(got) != 90 {
		t.Errorf("%d events of 1500 refusals", len(got))
	}
	code := p.code(asked(), p.open(alice, cardA)).Get("code")
	p.post(sso.PathToken, exchange(code))
	for range 40 {
		if a := p.post(sso.PathToken, exchange(code)); a.text("error") != "invalid_grant" {
			t.Fatal(a.body)
		}
	}
	if got := p.recorded(sso.EventReuse); len(got) != 40 {
		t.Errorf("of 40 reuses %d are recorded", len(got))
	}
	p.clock.add(time.Minute)
	wrong()
	got := p.recorded(sso.EventToken)
	if len(got) != 2 || got[0].Reason != "many-more" || !got[0].Refused || got[1].Reason != "client-auth" {
		t.Fatalf("%+v", got)
	}
	for _, says := range []string{"1410 more", "client-unknown 470", "client-auth 470 (client app)", "malformed 470"} {
		if !strings.Contains(got[0].Detail, says) {
			t.Errorf("%q does not say %q", got[0].Detail, says)
		}
	}
	// The last minute is told when all ends, if nothing comes after it.
	for range 40 {
		wrong()
	}
	p.recorded(sso.EventToken)
	p.provider.SumUp(t.Context())
	if got := p.recorded(sso.EventToken); len(got) != 1 || !strings.HasPrefix(got[0].Detail, "11 more") {
		t.Errorf("%+v", got)
	}
}

// Many reasons at many clients are bounded all together.
func TestAFloodOfManyKindsIsBounded(t *testing.T) {
	var clients []sso.Client
	for i := range 12 {
		clients = append(clients, app(func(c *sso.Client) { c.ID = fmt.Sprintf("app-%d", i) }))
	}
	p := newPlace(t, nil, clients...)
	var wg sync.WaitGroup
	for i := range 12 {
		wg.Go(func() {
			for range 50 {
				p.do(p.request(sso.PathToken, exchange("x"), fmt.Sprintf("app-%d", i), "wrong"))
			}
		})
	}
	wg.Wait()
	// The first three of each stand there, even of a client whose turn came last.
	got := p.recorded(sso.EventToken)
	of := map[string]int{}
	for _, e := range got {
		of[e.Client]++
	}
	if len(got) < 300 || len(got) > 336 || len(of) != 12 {
		t.Errorf("%d events of %d clients", len(got), len(of))
	}
}

// However much is refused of others, and of nobody: who tries a stolen code, and
// whom no application lets in, stands in the audit.
func TestAFloodHidesNobodyElse(t *testing.T) {
	clients := []sso.Client{app(), app(func(c *sso.Client) { c.ID, c.Groups = "closed", []string{"nobody"} }), app(func(c *sso.Client) { c.ID, c.Auth = "public", sso.AuthNone })}
	for i := range 20 {
		clients = append(clients, app(func(c *sso.Client) { c.ID = fmt.Sprintf("app-%d", i) }))
	}
	p := newPlace(t, nil, clients...)
	for i := range 20 {
		for range 40 {
			p.do(p.request(sso.PathToken, exchange("x"), fmt.Sprintf("app-%d", i), "wrong"))
		}
	}
	if got := p.recorded(sso.EventToken); len(got) < 300 || len(got) > 360 {
		t.Fatalf("%d events of 800 refusals", len(got))
	}
	session := p.open(alice, cardA)
	stolen := func() string { return p.code(asked("client_id", "public"), session).Get("code") }
	for range 40 { // more than of what is not proven
		if a := p.post(sso.PathToken, exchange(stolen())); a.text("error") != "invalid_grant" {
			t.Fatal(a.body)
		}
	}
	got := 0
	for _, e := range p.recorded(sso.EventToken) {
		if e.Reason == "code-client" && e.Client == "app" {
			got++
		}
	}
	if got != 40 {
		t.Errorf("of 40 stolen codes %d are recorded", got)
	}
	p.do(p.request(sso.PathToken, exchange(stolen(), "client_id", "public", "code_verifier", strings.Repeat("A", 43)), "", ""))
	if got := p.reasons(); len(got) != 1 || got[0] != "pkce-verifier" {
		t.Errorf("a public client's code without its verifier: %v", got)
	}
	for range 40 {
		r, err := p.provider.Begin(t.Context(), asked("client_id", "closed"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.provider.Next(t.Context(), r, session); codeOf(err) != sso.AccessDenied {
			t.Fatal(err)
		}
	}
	kept := p.recorded(sso.EventSignIn)
	if len(kept) != 40 || kept[0].Reason != "group" || kept[0].Holder != alice || kept[0].Session != session.ID {
		t.Errorf("%d, of 40 that were not let in: %+v", len(kept), kept[:min(1, len(kept))])
	}
	p.clock.add(time.Minute)
	p.post(sso.PathToken, exchange("x"))
	sum := p.recorded(sso.EventToken)[0]
	if sum.Reason != "many-more" || strings.Count(sum.Detail, "client-auth") != 12 || !strings.Contains(sum.Detail, "for 8 other reasons") {
		t.Errorf("%+v", sum)
	}
}

// One client that has proved itself does not fill the audit either.
func TestAProvenClientsFloodIsBounded(t *testing.T) {
	p := newPlace(t, nil)
	for range 310 {
		p.post(sso.PathToken, exchange("x"))
	}
	if got := p.recorded(sso.EventToken); len(got) != 300 {
		t.Errorf("%d events of 310 refusals", len(got))
	}
	p.provider.SumUp(t.Context())
	if got := p.recorded(sso.EventToken); len(got) != 1 || !strings.Contains(got[0].Detail, "code-unknown 10 (client app, which had proved itself)") {
		t.Errorf("%+v", got)
	}
}

// What could not be summed up is told when it can be.
func TestCountsOutliveAnAuditThatFails(t *testing.T) {
	p := newPlace(t, nil)
	wrong := func() { p.do(p.request(sso.PathToken, exchange("x"), "app", "wrong")) }
	for range 50 {
		wrong()
	}
	p.clock.add(time.Minute)
	p.deaf = errDisk
	wrong()
	p.provider.SumUp(t.Context())
	p.deaf = nil
	p.recorded(sso.EventToken)
	p.provider.SumUp(t.Context())
	if got := p.recorded(sso.EventToken); len(got) != 1 || !strings.HasPrefix(got[0].Detail, "20 more") {
		t.Errorf("%+v", got)
	}
	p.provider.SumUp(t.Context())
	if got := p.recorded(sso.EventToken); len(got) != 0 {
		t.Errorf("told twice: %+v", got)
	}
}

// A client that has proved itself has a rate of its own; what proves nothing uses
// up nobody's.
func TestAClientsRate(t *testing.T) {
	other := app(func(c *sso.Client) { c.ID, c.Auth = "public", sso.AuthNone })
	p := newPlace(t, func(o *sso.Options) { o.ClientRate = 10 }, app(), other)
	a := p.tokens(p.open(alice, cardA)) // one of the ten
	ask := func(secret string) (answer, bool) {
		w := httptest.NewRecorder()
		proven := p.provider.Serve(w, p.request(sso.PathIntrospect, url.Values{"token": {a.text("access_token")}}, "app", secret))
		return answer{status: w.Code, header: w.Header(), body: w.Body.String()}, proven
	}
	for range 20 {
		if got, proven := ask("wrong"); got.status != http.StatusUnauthorized || proven {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	for range 9 {
		if got, proven := ask(p.secret); got.status != http.StatusOK || !proven {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	p.reasons()
	got, proven := ask(p.secret)
	if got.status != http.StatusTooManyRequests || proven || got.header.Get("Retry-After") != "7" || !strings.Contains(got.body, `"error":"temporarily_unavailable"`) {
		t.Errorf("%d %v %s", got.status, got.header, got.body)
	}
	if got := p.reasons(); len(got) != 1 || got[0] != "rate" {
		t.Errorf("recorded %v", got)
	}
	if got := p.userinfo(a.text("access_token")); got.status != http.StatusOK {
		t.Errorf("a person of a client that has asked too often: %d %s", got.status, got.body)
	}
	p.clock.add(6 * time.Second)
	if got, _ := ask(p.secret); got.status != http.StatusOK {
		t.Errorf("later: %d %s", got.status, got.body)
	}
	w := httptest.NewRecorder()
	if p.provider.Serve(w, p.request(sso.PathToken, exchange("x", "client_id", "public"), "", "")) {
		t.Error("a public client proves itself by its name")
	}
}

// One person who asks without end is told so, at one application; others there,
// and the application itself, are not.
func TestOnePersonStarvesNobody(t *testing.T) {
	public := app(func(c *sso.Client) { c.ID, c.Auth = "public", sso.AuthNone })
	p := newPlace(t, func(o *sso.Options) { o.ClientRate = 100 }, app(), public)
	greedy, other := p.open(alice, cardA), p.open(bob, cardB)
	tokens := func(s *sessions.Session) string {
		form := exchange(p.code(asked("client_id", "public"), s).Get("code"), "client_id", "public")
		return p.do(p.request(sso.PathToken, form, "", "")).text("access_token")
	}
	first, again, others, elsewhere := tokens(greedy), tokens(greedy), tokens(other), p.tokens(greedy).text("access_token")
	let := 0
	for p.userinfo(first).status == http.StatusOK && let < 1000 {
		let++
	}
	if let != 600 {
		t.Errorf("%d times", let)
	}
	p.reasons()
	for name, tt := range map[string]struct {
		token string
		want  int
	}{
		"the same token":                {first, http.StatusTooManyRequests},
		"another of the same session":   {again, http.StatusTooManyRequests},
		"the session at another client": {elsewhere, http.StatusOK},
		"another person at the same":    {others, http.StatusOK},
	} {
		got := p.userinfo(tt.token)
		if got.status != tt.want || got.status != http.StatusOK && got.header.Get("Retry-After") != "1" {
			t.Errorf("%s: %d %v %s", name, got.status, got.header, got.body)
		}
	}
	if got := p.reasons(); len(got) != 2 || got[0] != "rate" {
		t.Errorf("recorded %v", got)
	}
	if got := p.post(sso.PathIntrospect, url.Values{"token": {"x"}}); got.status != http.StatusOK {
		t.Errorf("the application: %d %s", got.status, got.body)
	}
	p.clock.add(100 * time.Millisecond)
	if got := p.userinfo(first); got.status != http.StatusOK {
		t.Errorf("later: %d %s", got.status, got.body)
	}
	p.clock.add(2 * time.Minute)
	if p.userinfo(first); sso.BearersKept(p.provider) != 1 {
		t.Errorf("%d are kept in mind", sso.BearersKept(p.provider))
	}
}

func TestTooManyOfAnAddress(t *testing.T) {
	p := newPlace(t, nil)
	w := httptest.NewRecorder()
	p.provider.TooMany(w, httptest.NewRequest(http.MethodPost, issuer+sso.PathToken, nil), 1500*time.Millisecond)
	if w.Code != http.StatusTooManyRequests || w.Header().Get("Retry-After") != "2" || w.Header().Get("Access-Control-Allow-Origin") != "*" ||
		!strings.Contains(w.Body.String(), `"error":"temporarily_unavailable"`) {
		t.Errorf("%d %v %s", w.Code, w.Header(), w.Body)
	}
}

// Where too much waits, a client and a person are told to try again.
func TestAFullStoreIsToldAsSuch(t *testing.T) {
	p := newPlace(t, func(o *sso.Options) {
		o.Once = sessions.NewOnce(sessions.OnceOptions{MaxOf: map[string]int{"sso.pushed": 1, "sso.logout": 1}})
	})
	push := func() answer { return p.post(sso.PathPushed, asked()) }
	if a := push(); a.status != http.StatusCreated {
		t.Fatal(a.body)
	}
	p.reasons()
	a := push()
	if a.status != http.StatusServiceUnavailable || a.text("error") != "temporarily_unavailable" || a.header.Get("Retry-After") != "61" || a.header.Get("X-Event-Id") == "" {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	if got := p.reasons(); len(got) != 1 || got[0] != "requests-full" {
		t.Errorf("recorded %v", got)
	}
	if _, err := p.provider.WaitLogout(t.Context(), sso.Logout{}); err != nil {
		t.Fatal(err)
	}
	if _, err := p.provider.WaitLogout(t.Context(), sso.Logout{}); !errors.Is(err, sessions.ErrOnceFull) {
		t.Errorf("%v", err)
	}
}

// While Redis is away nothing is given, and every client is told to try again.
func TestRedisAwayIsTemporary(t *testing.T) {
	server := redislab.Start(t)
	r := redisAt(t, server.URL())
	p := newPlaceOn(t, r, func(o *sso.Options) { o.Once = r.Once(sessions.OnceOptions{}) })
	tokens := p.tokens(p.open(alice, cardA))
	server.Kill()
	p.reasons()
	for name, a := range map[string]answer{
		"a code":             p.post(sso.PathToken, exchange(strings.Repeat("A", 43))),
		"a refresh":          p.post(sso.PathToken, refresh(tokens.text("refresh_token"))),
		"an introspection":   p.post(sso.PathIntrospect, url.Values{"token": {tokens.text("access_token")}}),
		"a userinfo request": p.userinfo(tokens.text("access_token")),
		"a pushed request":   p.post(sso.PathPushed, asked()),
	} {
		if a.status != http.StatusServiceUnavailable || a.text("error") != "temporarily_unavailable" || a.header.Get("Retry-After") != "6" {
			t.Errorf("%s: %d %v %s", name, a.status, a.header, a.body)
		}
	}
	if got := p.reasons(); len(got) != 0 {
		t.Errorf("recorded as refused: %v", got)
	}
}

// The number that a refusal is told with is that of its event.
func TestRefusalsBearTheirNumber(t *testing.T) {
	p := newPlace(t, nil)
	for name, a := range map[string]func() answer{
		"by the provider": func() answer { return p.do(p.request(sso.PathToken, exchange("x"), "app", "wrong")) },
		"by the guard":    func() answer { return p.do(p.request(sso.PathToken, url.Values{"code": {"a", "b"}}, "app", p.secret)) },
		"of a token":      func() answer { return p.userinfo("x") },
		"when pushed":     func() answer { return p.post(sso.PathPushed, asked("scope", "x")) },
	} {
		got, want := a(), fmt.Sprintf("NUMBER-%d", p.number)
		if got.status < 400 || got.header.Get("X-Event-Id") != want {
			t.Errorf("%s: %d %q, not %s", name, got.status, got.header.Get("X-Event-Id"), want)
		}
	}
	_, err := p.provider.Begin(t.Context(), asked("redirect_uri", "https://evil.test"))
	var refused *sso.Refusal
	if !errors.As(err, &refused) || refused.Number != fmt.Sprintf("NUMBER-%d", p.number) {
		t.Errorf("%+v", err)
	}
}
