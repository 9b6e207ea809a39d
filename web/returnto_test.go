package web_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"cpsgate/internal/testpki"
	"cpsgate/web"
)

// addresses are return addresses and where they may lead.
var addresses = []struct{ name, given, leads string }{
	{"a page of ours", "/account?done=session-ended", "/account?done=session-ended"},
	{"a page with a trailing slash", "/application/", "/application/"},
	{"an escaped path", "/dossier/a%20b?q=%2F", "/dossier/a%20b?q=%2F"},
	{"a fragment stays behind", "/account#top", "/account"},
	{"none", "", "/account"},
	{"another host", "https://evil.example/", "/account"},
	{"another host without a scheme", "//evil.example/", "/account"},
	{"three slashes", "///evil.example", "/account"},
	{"a backslash", `/\evil.example`, "/account"},
	{"a backslash first", `\\evil.example`, "/account"},
	{"an escaped backslash", "/%5Cevil.example", "/account"},
	{"an escaped slash that leads out", "/%2Fevil.example", "/account"},
	{"a tab that browsers drop", "/\t/evil.example", "/account"},
	{"an escaped line break", "/a%0d%0aSet-Cookie:x", "/account"},
	{"a script", "javascript:alert(1)", "/account"},
	{"data", "data:text/html,x", "/account"},
	{"a relative path", "account", "/account"},
	{"dots", "/../account", "/account"},
	{"escaped dots", "/%2e%2e/x", "/account"},
	{"a dot before slashes", "/.//evil.example", "/account"},
	{"matrix parameters before dots", "/a/..;/admin/../x", "/account"},
	{"a user", "/@evil.example", "/@evil.example"},
	{"the sign-in page, which would lead round", "/?return=%2F", "/account"},
	{"a step of signing in", "/login/card", "/account"},
	{"signing out", "/logout", "/account"},
	{"the language switch", "/language/en?return=%2F%2Fevil.example", "/account"},
	{"the page after signing out", "/signed-out", "/account"},
	{"more than any page has", "/" + strings.Repeat("a", 4<<10), "/account"},
}

func TestSafeReturn(t *testing.T) {
	for _, c := range addresses {
		t.Run(c.name, func(t *testing.T) {
			if leads := web.SafeReturn(c.given); leads != c.leads {
				t.Errorf("%q leads to %q, want %q", c.given, leads, c.leads)
			}
		})
	}
}

// TestNoOpenRedirect: every way that takes a return address follows the rule.
func TestNoOpenRedirect(t *testing.T) {
	h := newHouse(t)
	card := h.card(testpki.CardSpec{})
	for _, c := range addresses {
		query := url.Values{"return": {c.given}}.Encode()
		t.Run(c.name, func(t *testing.T) {
			b := h.browser().with(card)
			b.t = t
			b.get("/language/fr?" + query).staysHere(t)
			if page := b.get("/?" + query); strings.Contains(page.body, "evil.example") && !strings.HasPrefix(c.leads, "/@") {
				t.Errorf("the sign-in page repeats it:\n%s", page.body)
			}
			start := b.get("/login/card?" + query)
			there := b.get(start.header.Get("Location"))
			back := b.get(there.header.Get("Location"))
			if to := back.header.Get("Location"); to != c.leads {
				t.Errorf("signing in leads to %q, want %q", to, c.leads)
			}
			b.get("/?" + query).staysHere(t)
		})
	}
}

// staysHere asserts that a redirect, if any, stays on the host, as a browser
// reads it.
func (a answer) staysHere(t *testing.T) {
	t.Helper()
	to := a.header.Get("Location")
	if to == "" {
		return
	}
	resolved, err := a.url.Parse(to)
	if err != nil || resolved.Scheme != "https" || resolved.Host != a.url.Host || strings.HasPrefix(to, "//") || strings.Contains(to, `\`) {
		t.Errorf("redirected to %q (%v)", to, err)
	}
}

// FuzzSafeReturn: whatever is asked for, the way stays on this host, and the
// rule keeps what it gave.
func FuzzSafeReturn(f *testing.F) {
	for _, c := range addresses {
		f.Add(c.given)
	}
	base, err := url.Parse(mainOrigin + "/x/y")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, given string) {
		to := web.SafeReturn(given)
		resolved, err := base.Parse(to)
		if err != nil || resolved.Host != base.Host || resolved.Scheme != "https" || to[0] != '/' || strings.HasPrefix(to, "//") {
			t.Fatalf("%q leads to %q", given, to)
		}
		if strings.ContainsAny(to, "\\\r\n\t ") || strings.Contains(resolved.Path, "//") {
			t.Fatalf("%q leads to %q", given, to)
		}
		if again := web.SafeReturn(to); again != to {
			t.Fatalf("%q leads to %q, and that to %q", given, to, again)
		}
	})
}

// FuzzCookies: no cookie signs anyone in or breaks a page.
func FuzzCookies(f *testing.F) {
	for _, seed := range []string{"", "x", strings.Repeat("A", 43), strings.Repeat("A", 5000), "\"", "a=b; c", "\xff", "en", "passkey", "<script>"} {
		f.Add(seed, seed)
	}
	h := quietHouse(f)
	h.wire(plan{})
	f.Fuzz(func(t *testing.T, one, two string) {
		for _, path := range []string{"/", "/account", "/login/cps?code=" + url.QueryEscape(one)} {
			r, err := http.NewRequest(http.MethodGet, mainOrigin+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header["Cookie"] = []string{
				"__Host-cps-session=" + one + "; __Host-cps-flow=" + two + "; __Host-cps-ceremony=" + one,
				"__Host-cps-door=" + two + "; __Host-cps-lang=" + one, two,
			}
			w := httptest.NewRecorder()
			h.web.Main().ServeHTTP(w, r)
			if w.Code >= 500 || path == "/account" && w.Code == http.StatusOK {
				t.Fatalf("%s: %d", path, w.Code)
			}
		}
	})
}
