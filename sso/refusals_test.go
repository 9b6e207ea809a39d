package sso_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/sessions"
	"cpsgate/sso"
)

// codeOf is the OAuth error within an error; "" for none.
func codeOf(err error) sso.Code {
	var refused *sso.Refusal
	if errors.As(err, &refused) {
		return refused.Code
	}
	return ""
}

// Before client and redirect URI are known to be good, nothing goes back.
func TestBeginRefusesHere(t *testing.T) {
	native := sso.Client{ID: "native", Native: true, Auth: sso.AuthNone, RedirectURIs: []string{"http://127.0.0.1/cb", "https://native.test/cb"}, Sector: "native"}
	p := newPlace(t, nil, app(), native)
	tests := []struct {
		name   string
		form   url.Values
		reason string
	}{
		{"no client", asked("client_id", ""), "client-unknown"},
		{"an unknown client", asked("client_id", "other"), "client-unknown"},
		{"no redirect URI", asked("redirect_uri", ""), "redirect-uri"},
		{"another host", asked("redirect_uri", "https://evil.test/callback"), "redirect-uri"},
		{"a trailing slash", asked("redirect_uri", callback+"/"), "redirect-uri"},
		{"a port", asked("redirect_uri", "https://app.hopital.test:443/callback"), "redirect-uri"},
		{"a user", asked("redirect_uri", "https://app.hopital.test@evil.test/callback"), "redirect-uri"},
		{"a fragment", asked("redirect_uri", callback+"#x"), "redirect-uri"},
		{"a query", asked("redirect_uri", callback+"?x=y"), "redirect-uri"},
		{"an encoded letter", asked("redirect_uri", "https://app.hopital.test/c%61llback"), "redirect-uri"},
		{"encoded twice", asked("redirect_uri", url.QueryEscape(callback)), "redirect-uri"},
		{"upper case", asked("redirect_uri", "https://APP.hopital.test/callback"), "redirect-uri"},
		{"dots", asked("redirect_uri", "https://app.hopital.test/x/../callback"), "redirect-uri"},
		{"a backslash", asked("redirect_uri", "https://app.hopital.test\\@evil.test/callback"), "redirect-uri"},
		{"http", asked("redirect_uri", "http://app.hopital.test/callback"), "redirect-uri"},
		{"javascript", asked("redirect_uri", "javascript:alert(1)"), "redirect-uri"},
		{"a host below", asked("redirect_uri", "https://x.app.hopital.test/callback"), "redirect-uri"},
		{"loopback for a client that is not native", asked("redirect_uri", "http://127.0.0.1/callback"), "redirect-uri"},
		{"localhost for a native client", asked("client_id", "native", "redirect_uri", "http://localhost:9/cb"), "redirect-uri"},
		{"another path for a native client", asked("client_id", "native", "redirect_uri", "http://127.0.0.1:9/other"), "redirect-uri"},
		{"a port for a native client's https", asked("client_id", "native", "redirect_uri", "https://native.test:9/cb"), "redirect-uri"},
		{"a parameter twice", url.Values{"client_id": {"app", "app"}}, "parameter-twice"},
		{"a redirect URI twice", func() url.Values { f := asked(); f.Add("redirect_uri", "https://evil.test/"); return f }(), "parameter-twice"},
		{"a huge state", asked("state", strings.Repeat("x", 3000)), "parameter-long"},
		{"too many parameters", func() url.Values {
			f := asked()
			for i := range 50 {
				f.Set("p"+strings.Repeat("x", i), "")
			}
			return f
		}(), "parameters-many"},
		{"a line break", asked("state", "a\r\nb"), "parameter-text"},
		{"another's request_uri", asked("request_uri", "https://evil.test/request.jwt"), "request-uri"},
		{"an unknown pushed request", asked("request_uri", "urn:ietf:params:oauth:request_uri:"+strings.Repeat("A", 43)), "request-uri-over"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := p.provider.Begin(t.Context(), tt.form)
			var refused *sso.Refusal
			if !errors.As(err, &refused) || refused.Reason != tt.reason || refused.Back != "" {
				t.Errorf("%+v, want %s", err, tt.reason)
			}
			if got := p.reasons(); !slices.Equal(got, []string{tt.reason}) {
				t.Errorf("recorded %v", got)
			}
		})
	}
	if _, err := p.provider.Begin(t.Context(), asked("client_id", "native", "redirect_uri", "http://127.0.0.1:49152/cb")); err != nil {
		t.Errorf("a native client on another port: %v", err) // RFC 8252 §7.3
	}
}

// What else is wrong goes back to the client, with state and iss.
func TestBeginRefusesBack(t *testing.T) {
	p := newPlace(t, nil)
	tests := []struct {
		name string
		form []string
		code sso.Code
	}{
		{"no PKCE", []string{"code_challenge", "", "code_challenge_method", ""}, sso.InvalidRequest},
		{"PKCE plain", []string{"code_challenge_method", "plain", "code_challenge", verifier}, sso.InvalidRequest},
		{"PKCE without a method is plain", []string{"code_challenge_method", ""}, sso.InvalidRequest},
		{"a short challenge", []string{"code_challenge", "abc"}, sso.InvalidRequest},
		{"the implicit flow", []string{"response_type", "id_token token"}, sso.UnsupportedResponseType},
		{"the hybrid flow", []string{"response_type", "code id_token"}, sso.UnsupportedResponseType},
		{"no response type", []string{"response_type", ""}, sso.UnsupportedResponseType},
		{"fragment", []string{"response_mode", "fragment"}, sso.InvalidRequest},
		{"no openid", []string{"scope", "profile"}, sso.InvalidScope},
		{"no scope", []string{"scope", ""}, sso.InvalidScope},
		{"a request object", []string{"request", "eyJhbGciOiJub25lIn0.e30."}, sso.RequestNotSupported},
		{"a registration", []string{"registration", "{}"}, sso.RegistrationUnsupported},
		{"an unknown prompt", []string{"prompt", "create"}, sso.InvalidRequest},
		{"none and another", []string{"prompt", "none login"}, sso.InvalidRequest},
		{"max_age that is no number", []string{"max_age", "-1"}, sso.InvalidRequest},
		{"max_age beyond all bounds", []string{"max_age", "99999999999999999999"}, sso.InvalidRequest},
		{"a nonce too long to be kept", []string{"nonce", strings.Repeat("x", 513)}, sso.InvalidRequest},
		{"a request too long to be kept", []string{"acr_values", strings.Repeat("x", 2000), "ui_locales", strings.Repeat("x", 2000)}, sso.InvalidRequest},
		{"an ID token hint that is none", []string{"id_token_hint", "eyJhbGciOiJub25lIn0.e30."}, sso.InvalidRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := p.provider.Begin(t.Context(), asked(tt.form...))
			var refused *sso.Refusal
			if !errors.As(err, &refused) || refused.Code != tt.code {
				t.Fatalf("%+v, want %s", err, tt.code)
			}
			u, err := url.Parse(refused.Back)
			if err != nil || !strings.HasPrefix(refused.Back, callback+"?") {
				t.Fatalf("goes to %q", refused.Back)
			}
			if q := u.Query(); q.Get("error") != string(tt.code) || q.Get("state") != "af0ifjsldkj" || q.Get("iss") != issuer || q.Has("code") {
				t.Errorf("answer %v", q)
			}
			if got := p.reasons(); len(got) != 1 {
				t.Errorf("recorded %v", got)
			}
		})
	}
}

func TestNobodySignedIn(t *testing.T) {
	p := newPlace(t, nil)
	if step, _ := p.step(t, asked(), nil); step != sso.StepSignIn {
		t.Errorf("step %q", step)
	}
	r, err := p.provider.Begin(t.Context(), asked("prompt", "none"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.provider.Next(t.Context(), r, nil); codeOf(err) != sso.LoginRequired {
		t.Error(err)
	}
}

func TestOfNoGroup(t *testing.T) {
	p := newPlace(t, nil, app(func(c *sso.Client) { c.Groups = []string{"profession-50", "admin"} }))
	r, err := p.provider.Begin(t.Context(), asked())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.provider.Issue(t.Context(), r, p.open(alice, cardA)); codeOf(err) != sso.AccessDenied {
		t.Error(err)
	}
}

func TestRedeemRefuses(t *testing.T) {
	other := app(func(c *sso.Client) { c.ID, c.RedirectURIs = "other", []string{"https://other.test/cb"} })
	public := app(func(c *sso.Client) {
		c.ID, c.RedirectURIs, c.Auth = "public", []string{"https://public.test/cb"}, sso.AuthNone
	})
	p := newPlace(t, nil, app(), other, public)
	session := p.open(alice, cardA)
	code := func() string { return p.code(asked(), session).Get("code") }
	tests := []struct {
		name    string
		request func() *http.Request
		status  int
		error   string
		reason  string
	}{
		{"an unknown code", func() *http.Request {
			return p.request(sso.PathToken, exchange(strings.Repeat("A", 43)), "app", p.secret)
		}, 400, "invalid_grant", "code-unknown"},
		{"a truncated code", func() *http.Request { return p.request(sso.PathToken, exchange(code()[:20]), "app", p.secret) }, 400, "invalid_grant", "code-unknown"},
		{"no code", func() *http.Request { return p.request(sso.PathToken, exchange("", "code", ""), "app", p.secret) }, 400, "invalid_request", "malformed"},
		{"no verifier", func() *http.Request {
			return p.request(sso.PathToken, exchange(code(), "code_verifier", ""), "app", p.secret)
		}, 400, "invalid_grant", "pkce-verifier"},
		{"another verifier", func() *http.Request {
			return p.request(sso.PathToken, exchange(code(), "code_verifier", strings.Repeat("x", 43)), "app", p.secret)
		}, 400, "invalid_grant", "pkce-verifier"},
		{"the challenge as verifier", func() *http.Request {
			return p.request(sso.PathToken, exchange(code(), "code_verifier", challenge()), "app", p.secret)
		}, 400, "invalid_grant", "pkce-verifier"},
		{"another redirect URI", func() *http.Request {
			return p.request(sso.PathToken, exchange(code(), "redirect_uri", "https://app.hopital.test/other"), "app", p.secret)
		}, 400, "invalid_grant", "code-redirect"},
		{"another client's code", func() *http.Request {
			return p.request(sso.PathToken, exchange(code(), "client_id", "public"), "", "")
		}, 400, "invalid_grant", "code-client"},
		{"a wrong secret", func() *http.Request { return p.request(sso.PathToken, exchange(code()), "app", "wrong") }, 401, "invalid_client", "client-auth"},
		{"no secret", func() *http.Request {
			return p.request(sso.PathToken, exchange(code(), "client_id", "app"), "", "")
		}, 401, "invalid_client", "client-auth"},
		{"the secret in the form of a client that uses the header", func() *http.Request {
			return p.request(sso.PathToken, exchange(code(), "client_id", "app", "client_secret", p.secret), "", "")
		}, 401, "invalid_client", "client-auth"},
		{"two ways of proof", func() *http.Request {
			return p.request(sso.PathToken, exchange(code(), "client_id", "app", "client_secret", p.secret), "app", p.secret)
		}, 400, "invalid_request", "malformed"},
		{"a secret of a public client", func() *http.Request { return p.request(sso.PathToken, exchange(code()), "public", "x") }, 401, "invalid_client", "client-auth"},
		{"an unknown client", func() *http.Request { return p.request(sso.PathToken, exchange(code()), "nobody", "x") }, 401, "invalid_client", "client-unknown"},
		{"parameters in the address", func() *http.Request {
			r := p.request(sso.PathToken, exchange(code()), "app", p.secret)
			r.URL.RawQuery = "client_id=app"
			return r
		}, 400, "invalid_request", "query"},
		{"a code twice", func() *http.Request {
			f := exchange(code())
			f.Add("code", "x")
			return p.request(sso.PathToken, f, "app", p.secret)
		}, 400, "invalid_request", "parameter-twice"},
		{"JSON", func() *http.Request {
			r := p.request(sso.PathToken, exchange(code()), "app", p.secret)
			r.Header.Set("Content-Type", "application/json")
			return r
		}, 400, "invalid_request", "media-type"},
		{"a huge form", func() *http.Request {
			return p.request(sso.PathToken, exchange(code(), "x", strings.Repeat("x", 20<<10)), "app", p.secret)
		}, 400, "invalid_request", "form"},
		{"no grant type", func() *http.Request {
			return p.request(sso.PathToken, exchange(code(), "grant_type", ""), "app", p.secret)
		}, 400, "invalid_request", "malformed"},
		{"passwords", func() *http.Request {
			return p.request(sso.PathToken, exchange(code(), "grant_type", "password"), "app", p.secret)
		}, 400, "unsupported_grant_type", "malformed"},
		{"client credentials", func() *http.Request {
			return p.request(sso.PathToken, exchange(code(), "grant_type", "client_credentials"), "app", p.secret)
		}, 400, "unauthorized_client", "malformed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := tt.request()
			p.reasons()
			a := p.do(r)
			if a.status != tt.status || a.text("error") != tt.error || a.json["access_token"] != nil {
				t.Errorf("%d %s, want %d %s", a.status, a.body, tt.status, tt.error)
			}
			if a.status == http.StatusUnauthorized && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Basic ") {
				t.Error("401 without a challenge")
			}
			if got := p.reasons(); !slices.Equal(got, []string{tt.reason}) {
				t.Errorf("recorded %v, want %s", got, tt.reason)
			}
		})
	}
}

// A code that comes twice ends what it gave (RFC 6749 §4.1.2).
func TestAReplayedCodeKillsItsTokens(t *testing.T) {
	p := newPlace(t, nil)
	code := p.code(asked(), p.open(alice, cardA)).Get("code")
	a := p.post(sso.PathToken, exchange(code))
	if a.status != http.StatusOK {
		t.Fatal(a.body)
	}
	if again := p.post(sso.PathToken, exchange(code)); again.status != http.StatusBadRequest || again.text("error") != "invalid_grant" {
		t.Errorf("%d %s", again.status, again.body)
	}
	if got := p.reasons(); !slices.Equal(got, []string{"code-replayed"}) {
		t.Errorf("recorded %v", got)
	}
	if info := p.userinfo(a.text("access_token")); info.status != http.StatusUnauthorized || info.text("error") != "invalid_token" {
		t.Errorf("the access token lives: %d %s", info.status, info.body)
	}
	if r := p.post(sso.PathToken, refresh(a.text("refresh_token"))); r.text("error") != "invalid_grant" {
		t.Errorf("the refresh token lives: %s", r.body)
	}
}

func TestAnOldCode(t *testing.T) {
	p := newPlace(t, nil)
	code := p.code(asked(), p.open(alice, cardA)).Get("code")
	p.clock.add(time.Minute)
	if a := p.post(sso.PathToken, exchange(code)); a.text("error") != "invalid_grant" {
		t.Error(a.body)
	}
}

// However a hundred takers of one code interleave, no token is left alive that
// a second taker has seen refused for reuse, and at most one is served.
func TestOfAHundredRedemptionsOneIsServedAtMost(t *testing.T) {
	p := newPlace(t, nil)
	code := p.code(asked(), p.open(alice, cardA)).Get("code")
	var mu sync.Mutex
	var served []answer
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if a := p.post(sso.PathToken, exchange(code)); a.status == http.StatusOK {
				mu.Lock()
				served = append(served, a)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(served) > 1 {
		t.Fatalf("%d served", len(served))
	}
	for _, a := range served {
		if info := p.userinfo(a.text("access_token")); info.status != http.StatusUnauthorized {
			t.Error("the token of a code that came twice lives")
		}
	}
}

func TestRefresh(t *testing.T) {
	p := newPlace(t, nil)
	session := p.open(alice, cardA)
	first := p.tokens(session)
	second := p.post(sso.PathToken, refresh(first.text("refresh_token")))
	if second.status != http.StatusOK || second.text("refresh_token") == first.text("refresh_token") || second.text("id_token") == "" {
		t.Fatalf("%d %s", second.status, second.body)
	}
	if claims := p.idToken(t, second.text("id_token")); claims["nonce"] != nil || claims["sub"] != p.idToken(t, first.text("id_token"))["sub"] {
		t.Errorf("%v", claims)
	}
	for _, access := range []string{first.text("access_token"), second.text("access_token")} {
		if a := p.userinfo(access); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	// Reuse kills the family (RFC 9700 §4.14.2).
	p.reasons()
	if a := p.post(sso.PathToken, refresh(first.text("refresh_token"))); a.status != 400 || a.text("error") != "invalid_grant" {
		t.Errorf("reused: %d %s", a.status, a.body)
	}
	if got := p.reasons(); !slices.Equal(got, []string{"refresh-replayed"}) {
		t.Errorf("recorded %v", got)
	}
	if a := p.post(sso.PathToken, refresh(second.text("refresh_token"))); a.text("error") != "invalid_grant" {
		t.Errorf("the family lives: %s", a.body)
	}
	if a := p.userinfo(second.text("access_token")); a.status != http.StatusUnauthorized {
		t.Errorf("its access token lives: %s", a.body)
	}
}

func TestRefreshRefuses(t *testing.T) {
	other := app(func(c *sso.Client) {
		c.ID, c.RedirectURIs, c.Auth = "public", []string{"https://public.test/cb"}, sso.AuthNone
	})
	without := app(func(c *sso.Client) { c.ID, c.NoRefresh, c.Auth = "without", true, sso.AuthNone })
	p := newPlace(t, nil, app(), other, without)
	a := p.tokens(p.open(alice, cardA))
	token := a.text("refresh_token")
	for _, tt := range []struct {
		name  string
		form  url.Values
		id    string
		error string
	}{
		{"another client", refresh(token), "public", "invalid_grant"},
		{"a client without refreshing", refresh(token), "without", "unauthorized_client"},
		{"a wider scope", func() url.Values { f := refresh(token); f.Set("scope", "openid activity"); return f }(), "", "invalid_scope"},
		{"an access token", refresh(a.text("access_token")), "", "invalid_grant"},
		{"truncated", refresh(token[:20]), "", "invalid_grant"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := p.request(sso.PathToken, tt.form, "app", p.secret)
			if tt.id != "" {
				tt.form.Set("client_id", tt.id)
				r = p.request(sso.PathToken, tt.form, "", "")
			}
			p.reasons()
			if got := p.do(r); got.text("error") != tt.error {
				t.Errorf("%d %s", got.status, got.body)
			}
			if got := p.reasons(); len(got) != 1 {
				t.Errorf("recorded %v", got)
			}
		})
	}
	if got := p.post(sso.PathToken, refresh(token)); got.status != http.StatusOK {
		t.Errorf("none of that used it: %s", got.body)
	}
}

func TestOfAHundredRefreshesOneIsServedAtMost(t *testing.T) {
	p := newPlace(t, nil)
	token := p.tokens(p.open(alice, cardA)).text("refresh_token")
	var mu sync.Mutex
	served := 0
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			if a := p.post(sso.PathToken, refresh(token)); a.status == http.StatusOK {
				mu.Lock()
				served++
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if served != 1 {
		t.Errorf("%d served", served)
	}
	if a := p.post(sso.PathToken, refresh(token)); a.text("error") != "invalid_grant" {
		t.Error(a.body)
	}
}

// Tokens die with the session, and while it is locked nothing is told.
func TestTokensDieWithTheSession(t *testing.T) {
	for name, end := range map[string]func(*place, string) error{
		"ended": func(p *place, id string) error { return p.sessions.EndByID(p.t.Context(), alice, id) },
		"its card revoked": func(p *place, _ string) error {
			_, err := p.sessions.EndOfCard(p.t.Context(), cardA)
			return err
		},
		"locked": func(p *place, id string) error { return p.sessions.Lock(p.t.Context(), alice, id) },
		"idle":   func(p *place, _ string) error { p.clock.add(time.Hour); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlace(t, nil, app(func(c *sso.Client) { c.AccessLife = time.Hour }))
			session := p.open(alice, cardA)
			a := p.tokens(session)
			waiting := p.code(asked(), session).Get("code")
			if err := end(p, session.ID); err != nil {
				t.Fatal(err)
			}
			if got := p.userinfo(a.text("access_token")); got.status != http.StatusUnauthorized {
				t.Errorf("userinfo: %d %s", got.status, got.body)
			}
			if got := p.post(sso.PathIntrospect, url.Values{"token": {a.text("access_token")}}); got.json["active"] != false || len(got.json) != 1 {
				t.Errorf("introspection: %s", got.body)
			}
			if got := p.post(sso.PathToken, refresh(a.text("refresh_token"))); got.text("error") != "invalid_grant" {
				t.Errorf("refresh: %s", got.body)
			}
			if name == "idle" {
				return // the code is too old as well
			}
			if got := p.post(sso.PathToken, exchange(waiting)); got.text("error") != "invalid_grant" {
				t.Errorf("a code that waited: %s", got.body)
			}
		})
	}
}

// One person's tokens never tell of another, whoever sits at the browser.
func TestTwoPeople(t *testing.T) {
	p := newPlace(t, nil)
	first := p.open(alice, cardA)
	r, err := p.provider.Begin(t.Context(), asked())
	if err != nil {
		t.Fatal(err)
	}
	key, err := p.provider.Wait(t.Context(), r, []byte("browser"))
	if err != nil {
		t.Fatal(err)
	}
	a := p.tokens(first)
	if err := p.sessions.EndByID(t.Context(), alice, first.ID); err != nil {
		t.Fatal(err)
	}
	second := p.open(bob, cardB)
	r, _, err = p.provider.Resume(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	there, err := p.provider.Issue(t.Context(), r, second)
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse(there)
	b := p.post(sso.PathToken, exchange(u.Query().Get("code")))
	if info := p.userinfo(b.text("access_token")); info.text("SubjectNameID") != string(bob) {
		t.Errorf("%s", info.body)
	}
	if info := p.userinfo(a.text("access_token")); info.status != http.StatusUnauthorized {
		t.Errorf("the first's: %s", info.body)
	}
	ofFirst := a.text("id_token")
	r, err = p.provider.Begin(t.Context(), asked("id_token_hint", ofFirst, "prompt", "none"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.provider.Issue(t.Context(), r, second); codeOf(err) != sso.InteractionRequired {
		t.Errorf("the first's hint gives the second's code: %v", err)
	}
	if _, _, err := p.provider.Resume(t.Context(), key); !errors.Is(err, sso.ErrOver) {
		t.Errorf("a request is taken twice: %v", err)
	}
}

func TestUserinfoRefuses(t *testing.T) {
	p := newPlace(t, nil)
	a := p.tokens(p.open(alice, cardA))
	form := func(token string) *http.Request {
		return p.request(sso.PathUserinfo, url.Values{"access_token": {token}}, "", "")
	}
	for _, tt := range []struct {
		name    string
		request *http.Request
		status  int
		error   string
		reason  string
	}{
		{"no token", httptest.NewRequest(http.MethodGet, issuer+sso.PathUserinfo, nil), 401, "invalid_request", "malformed"},
		{"in the address", httptest.NewRequest(http.MethodGet, issuer+sso.PathUserinfo+"?access_token="+a.text("access_token"), nil), 400, "invalid_request", "query"},
		{"a refresh token", bearer(a.text("refresh_token")), 401, "invalid_token", "token-kind"},
		{"an ID token", bearer(a.text("id_token")), 401, "invalid_token", "token-unknown"},
		{"truncated", bearer(a.text("access_token")[:20]), 401, "invalid_token", "token-unknown"},
		{"truncated, in a form", form(a.text("access_token")[:20]), 401, "invalid_token", "token-unknown"},
		{"a token and a second", func() *http.Request {
			r := bearer(a.text("access_token"))
			r.Header.Add("Authorization", "Bearer x")
			return r
		}(), 400, "invalid_request", "authorization-twice"},
		{"another method", httptest.NewRequest(http.MethodDelete, issuer+sso.PathUserinfo, nil), 405, "invalid_request", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.reasons()
			got, recorded := p.do(tt.request), p.reasons()
			if got.status != tt.status || got.text("error") != tt.error || strings.Contains(got.body, "EXEMPLE") || strings.Join(recorded, " ") != tt.reason {
				t.Errorf("%d %s, recorded %v", got.status, got.body, recorded)
			}
		})
	}
	p.clock.add(5 * time.Minute)
	if got := p.userinfo(a.text("access_token")); got.status != http.StatusUnauthorized || !strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Bearer ") {
		t.Errorf("an old token: %d %s", got.status, got.body)
	}
}

func bearer(token string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, issuer+sso.PathUserinfo, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

func TestIntrospectAndRevoke(t *testing.T) {
	server := app(func(c *sso.Client) { c.ID, c.Introspects, c.Auth = "resource", true, sso.AuthSecretPost })
	other := app(func(c *sso.Client) { c.ID, c.Auth = "other", sso.AuthSecretPost })
	p := newPlace(t, nil, app())
	secrets := map[string]string{"app": p.secret}
	for _, c := range []sso.Client{server, other} {
		secret, err := p.provider.Clients().Add(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		secrets[c.ID] = secret
	}
	a := p.tokens(p.open(alice, cardA))
	ask := func(id string) answer {
		form := url.Values{"token": {a.text("access_token")}}
		if id == "app" {
			return p.post(sso.PathIntrospect, form)
		}
		form.Set("client_id", id)
		form.Set("client_secret", secrets[id])
		return p.do(p.request(sso.PathIntrospect, form, "", ""))
	}
	for id, active := range map[string]bool{"app": true, "resource": true, "other": false} {
		if got := ask(id); got.status != http.StatusOK || got.json["active"] != active || active && got.text("client_id") != "app" {
			t.Errorf("%s: %d %s", id, got.status, got.body)
		}
	}
	revoke := func(id string) answer {
		form := url.Values{"token": {a.text("access_token")}, "client_id": {id}, "client_secret": {secrets[id]}}
		return p.do(p.request(sso.PathRevoke, form, "", ""))
	}
	if got := revoke("other"); got.status != http.StatusOK || ask("app").json["active"] != true {
		t.Errorf("another client revokes: %s", got.body)
	}
	if got := p.post(sso.PathRevoke, url.Values{"token": {a.text("refresh_token")}}); got.status != http.StatusOK {
		t.Errorf("%d %s", got.status, got.body)
	}
	if got := ask("app"); got.json["active"] != false {
		t.Errorf("after revocation: %s", got.body)
	}
	if got := p.post(sso.PathRevoke, url.Values{"token": {"unknown"}}); got.status != http.StatusOK { // RFC 7009 §2.2
		t.Errorf("unknown: %d %s", got.status, got.body)
	}
}

// Who does not prove to be a client learns nothing of a token, and ends none.
func TestIntrospectAndRevokeRefuse(t *testing.T) {
	public := app(func(c *sso.Client) { c.ID, c.Auth, c.Introspects = "public", sso.AuthNone, true })
	p := newPlace(t, nil, app(), public)
	access := p.tokens(p.open(alice, cardA)).text("access_token")
	token := url.Values{"token": {access}}
	with := func(pairs ...string) url.Values {
		form := url.Values{"token": {access}}
		for i := 0; i < len(pairs); i += 2 {
			form.Add(pairs[i], pairs[i+1])
		}
		return form
	}
	for _, tt := range []struct {
		name    string
		request *http.Request
		status  int
		error   string
		reason  string
	}{
		{"introspection, a wrong secret", p.request(sso.PathIntrospect, token, "app", "wrong"), 401, "invalid_client", "client-auth"},
		{"introspection, an unknown client", p.request(sso.PathIntrospect, token, "nobody", "x"), 401, "invalid_client", "client-unknown"},
		{"introspection by nobody", p.request(sso.PathIntrospect, token, "", ""), 400, "invalid_request", "malformed"},
		{"introspection by a name alone", p.request(sso.PathIntrospect, with("client_id", "app"), "", ""), 400, "invalid_client", "malformed"},
		{"introspection by a public client", p.request(sso.PathIntrospect, with("client_id", "public"), "", ""), 400, "invalid_client", "malformed"},
		{"introspection, a token twice", p.request(sso.PathIntrospect, with("token", "x"), "app", p.secret), 400, "invalid_request", "parameter-twice"},
		{"introspection, a huge token", p.request(sso.PathIntrospect, url.Values{"token": {strings.Repeat("x", 9<<10)}}, "app", p.secret), 400, "invalid_request", "parameter-long"},
		{"revocation, a wrong secret", p.request(sso.PathRevoke, token, "app", "wrong"), 401, "invalid_client", "client-auth"},
		{"revocation, a token twice", p.request(sso.PathRevoke, with("token", "x"), "app", p.secret), 400, "invalid_request", "parameter-twice"},
		{"pushing, a redirect URI twice", p.request(sso.PathPushed, func() url.Values {
			f := asked()
			f.Add("redirect_uri", "https://evil.test/")
			return f
		}(), "app", p.secret), 400, "invalid_request", "parameter-twice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p.reasons()
			got, recorded := p.do(tt.request), p.reasons()
			if got.status != tt.status || got.text("error") != tt.error || got.json["active"] != nil || strings.Join(recorded, " ") != tt.reason {
				t.Errorf("%d %s, recorded %v", got.status, got.body, recorded)
			}
		})
	}
	if got := p.userinfo(access); got.status != http.StatusOK {
		t.Errorf("it was ended: %d", got.status)
	}
}

// What cannot be recorded does not happen.
func TestWithoutTheAuditNobodySignsIn(t *testing.T) {
	p := newPlace(t, nil)
	r, err := p.provider.Begin(t.Context(), asked())
	if err != nil {
		t.Fatal(err)
	}
	p.deaf = errors.New("disk is full")
	if _, err := p.provider.Issue(t.Context(), r, p.open(alice, cardA)); !errors.Is(err, p.deaf) {
		t.Errorf("issued: %v", err)
	}
	if _, err := p.provider.Begin(t.Context(), asked("redirect_uri", "https://evil.test")); codeOf(err) != "" || !errors.Is(err, p.deaf) {
		t.Errorf("refused without a record: %v", err)
	}
}

// What is kept for who has proved nothing is bounded, in size and in number.
func TestWaitingRequestsAreBounded(t *testing.T) {
	p := newPlace(t, func(o *sso.Options) {
		limits := sso.OnceLimits()
		for kind := range limits {
			limits[kind] = 1
		}
		o.Once = sessions.NewOnce(sessions.OnceOptions{MaxOf: limits, MaxBytes: 4 << 10})
	})
	if _, err := p.provider.Begin(t.Context(), asked("state", strings.Repeat("x", 513))); codeOf(err) != sso.InvalidRequest {
		t.Errorf("a long state: %v", err)
	}
	if _, err := p.provider.BeginLogout(t.Context(), url.Values{
		"client_id": {"app"}, "post_logout_redirect_uri": {"https://app.hopital.test/bye"}, "state": {strings.Repeat("x", 513)},
	}); codeOf(err) != sso.InvalidRequest {
		t.Errorf("a long state of a logout: %v", err)
	}
	// The longest that is taken fits, whatever it is made of.
	r, err := p.provider.Begin(t.Context(), asked("state", strings.Repeat("&", 512), "nonce", strings.Repeat("<", 512), "acr_values", strings.Repeat("x", 1800)))
	if err != nil {
		t.Fatal(err)
	}
	session := p.open(alice, cardA)
	r.Confirm(session)
	r.Consented, r.Chosen, r.Activity = session.ID, session.ID, cardA
	if _, err := p.provider.Wait(t.Context(), r, make([]byte, 32)); err != nil {
		t.Fatal(err)
	}
	_, err = p.provider.Wait(t.Context(), r, nil)
	var refused *sso.Refusal
	if !errors.As(err, &refused) || refused.Code != sso.TemporarilyUnavailable || !strings.HasPrefix(refused.Back, callback+"?") {
		t.Errorf("one too many: %v", err)
	}
}
