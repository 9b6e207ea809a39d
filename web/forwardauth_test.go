package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/internal/testpki"
	"cpsgate/sso/forwardauth"
	"cpsgate/web"
)

// asks is what a proxy sends, with what a test changes of it.
func (h *house) asks(path string, changes ...func(*http.Request)) answer {
	r := httptest.NewRequest(http.MethodGet, mainOrigin+path, nil)
	r.RemoteAddr = "127.0.0.1:40000"
	for name, value := range map[string]string{
		"X-Forwarded-Proto": "https", "X-Forwarded-Host": "dossier.hopital.test", "X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/", "X-Forwarded-For": "192.0.2.7",
		"Accept": "text/html",
	} {
		r.Header.Set(name, value)
	}
	for _, change := range changes {
		change(r)
	}
	w := httptest.NewRecorder()
	h.web.Main().ServeHTTP(w, r)
	return answer{status: w.Code, header: w.Header(), body: w.Body.String()}
}

func with(name string, values ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header[name] = values }
}

// intoDossier signs a browser in and gives the cookie of the application.
func (h *house) intoDossier(t *testing.T, b *browser) string {
	t.Helper()
	b.signIn().says(t, http.StatusOK, "Mon compte")
	begun := h.asks("/.cpsgate/sign-in?return=%2F")
	attempt := cookieOf(begun, "__Host-cpsgate-attempt")
	back, err := url.Parse(b.get(begun.header.Get("Location")).header.Get("Location"))
	must(t, err)
	if back.Scheme+"://"+back.Host != dossier {
		t.Fatalf("led back to %s", back)
	}
	done := h.asks(back.RequestURI(), with("Cookie", "__Host-cpsgate-attempt="+attempt))
	if done.header.Get("Location") != dossier+"/" {
		t.Fatalf("%d, goes on to %q", done.status, done.header.Get("Location"))
	}
	return cookieOf(done, "__Host-cpsgate")
}

// cookieOf gives a cookie that an answer sets, which must be bound to its host.
func cookieOf(a answer, name string) string {
	for _, c := range (&http.Response{Header: a.header}).Cookies() {
		if c.Name == name && c.Secure && c.HttpOnly && c.Path == "/" && c.Domain == "" && c.SameSite == http.SameSiteLaxMode {
			return c.Value
		}
	}
	return ""
}

func TestProxiesAreBelievedByAddress(t *testing.T) {
	h := forwarding(t)
	cookie := h.intoDossier(t, h.browser().with(h.card(testpki.CardSpec{})))
	in := with("Cookie", "other=1; __Host-cpsgate="+cookie+"; theme=dark")
	tests := []struct {
		name   string
		change func(*http.Request)
		status int
	}{
		{"a named proxy", func(*http.Request) {}, http.StatusOK},
		{"named, by IPv4 in IPv6", func(r *http.Request) { r.RemoteAddr = "[::ffff:127.0.0.1]:1" }, http.StatusOK},
		{"a stranger", func(r *http.Request) { r.RemoteAddr = "192.0.2.66:40000" }, http.StatusForbidden},
		{"a stranger who says to be one", func(r *http.Request) {
			r.RemoteAddr = "192.0.2.66:40000"
			r.Header.Set("X-Forwarded-For", "127.0.0.1")
			r.Header.Set("X-Real-Ip", "127.0.0.1")
		}, http.StatusForbidden},
		{"an address that cannot be read", func(r *http.Request) { r.RemoteAddr = "@" }, http.StatusForbidden},
		{"another Host", func(r *http.Request) { r.Host = "dossier.hopital.test" }, http.StatusMisdirectedRequest},
		{"no host of an application", with("X-Forwarded-Host"), http.StatusBadRequest},
		{"an empty one", with("X-Forwarded-Host", ""), http.StatusBadRequest},
		{"two of them", with("X-Forwarded-Host", "dossier.hopital.test", "dossier.hopital.test"), http.StatusBadRequest},
		{"two in one", with("X-Forwarded-Host", "dossier.hopital.test, stock.hopital.test"), http.StatusForbidden},
		{"another's", with("X-Forwarded-Host", "elsewhere.example"), http.StatusForbidden},
		{"no address", with("X-Forwarded-Uri"), http.StatusBadRequest},
		{"two addresses", with("X-Forwarded-Uri", "/", "/admin"), http.StatusBadRequest},
		{"no scheme", with("X-Forwarded-Proto"), http.StatusBadRequest},
		{"http", with("X-Forwarded-Proto", "http"), http.StatusForbidden},
		{"no method", with("X-Forwarded-Method"), http.StatusBadRequest},
		{"a second spelling", with("X_forwarded_host", "dossier.hopital.test"), http.StatusBadRequest},
		{"a second spelling, half", with("X-Forwarded_uri", "/"), http.StatusBadRequest},
		{"POST", func(r *http.Request) { r.Method = http.MethodPost }, http.StatusMethodNotAllowed},
		{"two cookies of ours", with("Cookie", "__Host-cpsgate="+cookie+"; __Host-cpsgate="+cookie), http.StatusUnauthorized},
		{"the cookie of another name", with("Cookie", "__host-cpsgate="+cookie), http.StatusUnauthorized},
		{"the cookie at another application", with("X-Forwarded-Host", "stock.hopital.test"), http.StatusUnauthorized},
		{"a cookie cut short", with("Cookie", "__Host-cpsgate="+cookie[:20]), http.StatusUnauthorized},
		{"a broken cookie line", with("Cookie", ";;=;__Host-cpsgate"), http.StatusUnauthorized},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, path := range []string{"/forward-auth", "/forward-auth/redirect"} {
				a := h.asks(path, in, tt.change)
				redirected := path == "/forward-auth/redirect" && tt.status == http.StatusUnauthorized && a.status == http.StatusFound
				if a.status != tt.status && !redirected {
					t.Errorf("%s: %d, want %d", path, a.status, tt.status)
				}
				if tt.status != http.StatusOK {
					for _, name := range forwardauth.FieldNames() {
						if a.header.Get(name) != "" {
							t.Errorf("%s tells %s", path, name)
						}
					}
				}
			}
		})
	}
	if e := h.last(audit.KindProxyHeader); e.Outcome != audit.Refused || e.Reason != "forged-header" || e.Address == "" {
		t.Errorf("the audit says %+v", e)
	}
}

// TestNoProxyNamed: nobody is believed; and without applications there is
// nothing to ask.
func TestNoProxyNamed(t *testing.T) {
	h := forwarding(t, func(o *web.Options) { o.ForwardAuth.Proxies = nil })
	if a := h.asks("/forward-auth"); a.status != http.StatusForbidden {
		t.Errorf("%d", a.status)
	}
	h = newHouse(t)
	for _, path := range []string{"/forward-auth", "/forward-auth/redirect", "/forward-auth/enter", "/.cpsgate/sign-in"} {
		if a := h.asks(path); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

func TestPagesAreLedAndScriptsAreNot(t *testing.T) {
	h := forwarding(t)
	for _, tt := range []struct {
		name   string
		change func(*http.Request)
		page   bool
	}{
		{"a page", with("Sec-Fetch-Mode", "navigate"), true},
		{"an older browser's page", func(*http.Request) {}, true},
		{"a script", with("Sec-Fetch-Mode", "cors"), false},
		{"an image", func(r *http.Request) { r.Header.Set("Accept", "image/*") }, false},
		{"a form", with("X-Forwarded-Method", "POST"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			plain, leading := h.asks("/forward-auth", tt.change), h.asks("/forward-auth/redirect", tt.change)
			if plain.status != http.StatusUnauthorized || (plain.header.Get("Location") != "") != tt.page || plain.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%d to %q", plain.status, plain.header.Get("Location"))
			}
			if want := map[bool]int{true: http.StatusFound, false: http.StatusUnauthorized}[tt.page]; leading.status != want || (leading.header.Get("Location") != "") != tt.page {
				t.Errorf("%d to %q, want %d", leading.status, leading.header.Get("Location"), want)
			}
		})
	}
}

// TestAnAttemptIsOneBrowsers: neither a stranger's code nor one's own in another
// browser signs anybody in (login CSRF, fixation).
func TestAnAttemptIsOneBrowsers(t *testing.T) {
	h := forwarding(t)
	attacker := h.browser().with(h.card(testpki.CardSpec{}))
	attacker.signIn()
	begun := h.asks("/.cpsgate/sign-in?return=%2F")
	back, err := url.Parse(attacker.get(begun.header.Get("Location")).header.Get("Location"))
	must(t, err)
	victim := h.asks("/.cpsgate/sign-in?return=%2F")
	for name, cookie := range map[string]string{
		"a victim who began something else": "__Host-cpsgate-attempt=" + cookieOf(victim, "__Host-cpsgate-attempt"),
		"a victim who began nothing":        "theme=dark",
	} {
		a := h.asks(back.RequestURI(), with("Cookie", cookie))
		if cookieOf(a, "__Host-cpsgate") != "" || !strings.HasPrefix(a.header.Get("Location"), mainOrigin+"/forward-auth/again?") {
			t.Errorf("%s: %d to %s", name, a.status, a.header.Get("Location"))
		}
		attacker.get(a.header.Get("Location")).says(t, http.StatusForbidden, "La connexion à l’application n’a pas abouti", "Revenir à l’application")
	}
	e := h.refusedFor(audit.KindApplication, e2reason(h))
	if strings.Contains(e.Detail, back.Query().Get("code")) || strings.Contains(h.log.String(), back.Query().Get("code")) {
		t.Error("the code stands in the audit or the log")
	}
}

// e2reason is why the newest attempt failed: its browser, or a code used up by
// the one before; maps have no order.
func e2reason(h *house) string { return h.last(audit.KindApplication).Reason }

func TestEnteringRefusesOtherAddresses(t *testing.T) {
	h := forwarding(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	b.signIn()
	state := strings.Repeat("A", 43)
	for _, back := range []string{
		"", "https://elsewhere.example/", "//elsewhere.example/", `https:\\dossier.hopital.test\`, dossier + "@elsewhere.example/", dossier + ".elsewhere.example/",
		dossier + ":8443/", dossier + "./", "javascript:alert(1)", "http://dossier.hopital.test/", dossier + "/\r\nX: y", "https://DOSSIER.hopital.test/", dossier + "/.cpsgate/callback",
	} {
		a := b.get("/forward-auth/enter?" + url.Values{"return": {back}, "state": {state}}.Encode())
		if a.status != http.StatusBadRequest || a.header.Get("Location") != "" {
			t.Errorf("%q: %d to %q", back, a.status, a.header.Get("Location"))
		}
		if a := b.get("/forward-auth/again?" + url.Values{"return": {back}}.Encode()); a.status != http.StatusBadRequest || strings.Contains(a.body, `href="`+back) && back != "" {
			t.Errorf("%q: %d", back, a.status)
		}
	}
	good := url.Values{"return": {dossier + "/"}, "state": {state}}
	if a := b.get("/forward-auth/enter?" + good.Encode()); a.status != http.StatusSeeOther {
		t.Errorf("the good case: %d", a.status)
	}
	for _, query := range []string{good.Encode() + "&return=" + url.QueryEscape(dossier+"/x"), good.Encode() + "&state=" + state, "return=" + url.QueryEscape(dossier+"/"), "state=" + state} {
		if a := b.get("/forward-auth/enter?" + query); a.status != http.StatusBadRequest {
			t.Errorf("%s: %d", query, a.status)
		}
	}
	h.refusedFor(audit.KindApplication, "return")
}

// TestWhoIsSignedInTooWeaklySignsInAgain: by the door that the rule asks for.
func TestWhoIsSignedInTooWeaklySignsInAgain(t *testing.T) {
	h := forwarding(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	cookie := with("Cookie", "__Host-cpsgate="+h.intoDossier(t, b))
	sign := with("X-Forwarded-Uri", "/signature/1")
	if a := h.asks("/forward-auth", cookie, sign); a.status != http.StatusOK {
		t.Fatalf("a fresh proof: %d", a.status)
	}
	h.pass(6 * time.Minute)
	a := h.asks("/forward-auth/redirect", cookie, sign)
	begun := h.asks(strings.TrimPrefix(a.header.Get("Location"), dossier))
	enter := begun.header.Get("Location")
	again := b.get(enter)
	if !strings.HasPrefix(again.header.Get("Location"), "/?again=1") {
		t.Fatalf("%d to %q", again.status, again.header.Get("Location"))
	}
	b.follow(again).says(t, http.StatusOK, "Se connecter")
	a = b.get("/login/card?return=" + url.QueryEscape(strings.TrimPrefix(enter, mainOrigin)))
	for range 3 { // the card's host, back with a code, and on
		a = b.get(a.header.Get("Location"))
	}
	if to := a.header.Get("Location"); !strings.HasPrefix(to, dossier+"/.cpsgate/callback?code=") {
		t.Fatalf("led to %s", to)
	}
}

func TestAnApplicationsEndIsTheSessions(t *testing.T) {
	h := forwarding(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	cookie := with("Cookie", "__Host-cpsgate="+h.intoDossier(t, b))
	check := func() int { return h.asks("/forward-auth", cookie).status }
	if check() != http.StatusOK {
		t.Fatal("does not open")
	}
	b.submit("/logout", url.Values{})
	if status := check(); status != http.StatusUnauthorized {
		t.Errorf("after signing out: %d", status)
	}
	cookie = with("Cookie", "__Host-cpsgate="+h.intoDossier(t, b))
	must(t, h.registry.Suspend(t.Context(), console, h.last(audit.KindApplication).Card))
	if status := check(); status != http.StatusUnauthorized {
		t.Errorf("after the card was stopped: %d", status)
	}
}

// TestNothingOfAnApplicationsCookieIsTold: in the log, the audit, or an answer.
func TestNothingOfAnApplicationsCookieIsTold(t *testing.T) {
	h := forwarding(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	cookie := h.intoDossier(t, b)
	a := h.asks("/forward-auth", with("Cookie", "__Host-cpsgate="+cookie))
	token := b.cookie("__Host-cps-session")
	for _, secret := range []string{cookie, token} {
		if strings.Contains(h.log.String(), secret) || slices.ContainsFunc(h.events(), func(e audit.Event) bool { return strings.Contains(e.Detail, secret) }) {
			t.Error("a secret stands in the log or the audit")
		}
		for name, values := range a.header {
			if strings.Contains(strings.Join(values, " "), secret) {
				t.Errorf("%s tells a secret", name)
			}
		}
	}
}

// FuzzForwarded: whatever a proxy passes on of a request, nobody without a
// cookie of ours is let in, and nothing breaks.
func FuzzForwarded(f *testing.F) {
	h := forwarding(f)
	f.Add("https", "dossier.hopital.test", "/", "GET", "__Host-cpsgate=A")
	f.Add("https", "dossier.hopital.test", "/admin/..;/x", "POST", "a=b; c")
	f.Add("wss", "stock.hopital.test", "//x", "", "=;")
	f.Fuzz(func(t *testing.T, proto, host, uri, method, cookie string) {
		for _, path := range []string{"/forward-auth", "/forward-auth/redirect", "/.cpsgate/sign-in", "/.cpsgate/callback?code=x"} {
			a := h.asks(path, with("X-Forwarded-Proto", proto), with("X-Forwarded-Host", host), with("X-Forwarded-Uri", uri), with("X-Forwarded-Method", method), with("Cookie", cookie))
			to := a.header.Get("Location")
			if a.status < 300 || to != "" && !strings.HasPrefix(to, dossier+"/") && !strings.HasPrefix(to, stock+"/") && !strings.HasPrefix(to, mainOrigin+"/") {
				t.Fatalf("%s: %d to %q", path, a.status, to)
			}
		}
	})
}
