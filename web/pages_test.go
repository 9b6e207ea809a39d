package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"cpsgate/internal/testpki"
)

// TestLanguage: French unless English is asked for; the switch decides, and
// comes back to the page it was used on.
func TestLanguage(t *testing.T) {
	h := newHouse(t)
	for header, title := range map[string]string{
		"": "Se connecter", "fr-FR": "Se connecter", "en": "Sign in", "en-GB,en;q=0.9,fr;q=0.5": "Sign in",
		"de": "Se connecter", "fr;q=0.5,en": "Sign in", "*": "Se connecter", "en;q=x": "Se connecter",
		strings.Repeat("en,", 200): "Se connecter",
	} {
		b := h.browser()
		b.lang = header
		b.get("/").says(t, http.StatusOK, title)
	}
	b := h.browser()
	page := b.get("/?return=%2Fapplication%2F")
	to := regexp.MustCompile(`class="language" href="([^"]+)" lang="en"`).FindStringSubmatch(page.body)
	if to == nil {
		t.Fatalf("no switch:\n%s", page.body)
	}
	english := b.follow(b.get(strings.ReplaceAll(to[1], "&amp;", "&")))
	english.says(t, http.StatusOK, "Sign in", "You will then come back to where you were.", "Français")
	if english.url.RequestURI() != "/?return=%2Fapplication%2F" {
		t.Errorf("the switch leads to %s", english.url)
	}
	b.get("/account/nothing").says(t, http.StatusNotFound, "This page does not exist")
	b.get("/language/de").says(t, http.StatusNotFound)
	b.get("/login/card?return=x")
	b.lang = "fr"
	b.follow(b.get("/login/card")).says(t, http.StatusForbidden, "We did not see your card")
	b.setCookie("__Host-cps-lang", "xx")
	b.get("/").says(t, http.StatusOK, "Se connecter")
}

// TestLikelierDoor: the door last used on this workstation comes first, and
// the cookie that knows it names nobody.
func TestLikelierDoor(t *testing.T) {
	h := newHouse(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	order := func(path string) string {
		page := b.get(path).body
		if strings.Index(page, `id="door-card"`) < strings.Index(page, `id="door-passkey"`) {
			return "card"
		}
		return "passkey"
	}
	for _, c := range []struct{ name, cookie, path, first string }{
		{"a new workstation", "", "/", "card"},
		{"after a card", "card", "/", "card"},
		{"after a passkey", "passkey", "/", "passkey"},
		{"after something else", "<b>", "/", "card"},
		{"the door asked for", "card", "/?door=passkey", "passkey"},
		{"a door that is none", "passkey", "/?door=window", "passkey"},
	} {
		b.setCookie("__Host-cps-door", c.cookie)
		if first := order(c.path); first != c.first {
			t.Errorf("%s: %s comes first", c.name, first)
		}
	}
	b.signIn()
	if door := b.cookie("__Host-cps-door"); door != "card" {
		t.Errorf("after a sign-in by card the cookie says %q", door)
	}
	b.submit("/logout", nil)
	if page := b.get("/"); strings.Count(page.body, `class="button primary"`) != 1 || !strings.Contains(page.text(), "Utilisée en dernier sur ce poste") {
		t.Errorf("one primary action, and why it comes first:\n%s", page.text())
	}
}

// TestWithoutScript: the card door and the account work as plain pages, and
// the passkey door says what it lacks.
func TestWithoutScript(t *testing.T) {
	h := newHouse(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	page := b.get("/")
	page.says(t, http.StatusOK, "Cette façon d’entrer a besoin de JavaScript")
	if !strings.Contains(page.body, `<noscript>`) || !strings.Contains(page.body, `href="/login/card"`) {
		t.Errorf("no way in without script:\n%s", page.body)
	}
	account := b.signIn().body
	for _, form := range []string{`action="/logout"`} {
		if !strings.Contains(account, `<form method="post" `+form) {
			t.Errorf("no form %s:\n%s", form, account)
		}
	}
}

// TestHeaders: what every answer carries, whoever asked for what.
func TestHeaders(t *testing.T) {
	h := newHouse(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	style := regexp.MustCompile(`/static/style\.[0-9a-f]{12}\.css`).FindString(b.get("/").body)
	for name, a := range map[string]answer{
		"sign-in": b.get("/"), "refusal": b.get("/login/cps"), "nothing": b.get("/nothing"), "card host": b.get(cardOrigin + "/cps"),
		"JSON": b.script("/login/passkey/options", struct{}{}), "redirect": b.get("/login/card"), "account": b.signIn(),
		"style": b.get(style), "style of the card host": b.get(cardOrigin + style),
	} {
		for header, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
		} {
			if got := a.header.Get(header); got != want {
				t.Errorf("%s: %s is %q", name, header, got)
			}
		}
		if strict := a.header.Get("Strict-Transport-Security"); (strict == "max-age=31536000") == strings.HasSuffix(a.url.Host, "cps.hopital.test") {
			t.Errorf("%s: Strict-Transport-Security %q", name, strict)
		}
		policy := a.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "require-trusted-types-for 'script'"} {
			if !strings.Contains(policy, want) || strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
				t.Errorf("%s: policy %q", name, policy)
			}
		}
		cache := a.header.Get("Cache-Control")
		if static := strings.HasPrefix(name, "style"); static != strings.Contains(cache, "immutable") || !static && cache != "no-store" {
			t.Errorf("%s: Cache-Control %q", name, cache)
		}
		for _, cookie := range a.header["Set-Cookie"] {
			if !strings.HasPrefix(cookie, "__Host-") || !strings.Contains(cookie, "; Path=/") || !strings.Contains(cookie, "; HttpOnly; Secure; SameSite=Lax") || strings.Contains(cookie, "Domain") {
				t.Errorf("%s: cookie %q", name, cookie)
			}
		}
	}
}

// TestPagesHoldNoInlineCode: the policy forbids it, so nothing may need it.
func TestPagesHoldNoInlineCode(t *testing.T) {
	h := newHouse(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	inline := regexp.MustCompile(`(?i)<style|\sstyle=|\son[a-z]+=|javascript:|<script(?: type="module")?>`)
	for _, page := range []answer{b.get("/"), b.get("/nothing"), b.get("/signed-out"), b.signIn()} {
		if found := inline.FindString(page.body); found != "" {
			t.Errorf("%s holds %q", page.url, found)
		}
		if strings.Contains(page.body, "ZgotmplZ") || strings.Contains(page.body, "{{") {
			t.Errorf("%s holds what a template refused", page.url)
		}
	}
}

// TestStatic: files under names that hold their hash, and no others.
func TestStatic(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	page := b.get("/").body
	for _, c := range []struct{ pattern, contentType string }{
		{`/static/style\.[0-9a-f]{12}\.css`, "text/css; charset=utf-8"},
		{`/static/passkey\.[0-9a-f]{12}\.js`, "text/javascript; charset=utf-8"},
		{`/static/icon\.[0-9a-f]{12}\.svg`, "image/svg+xml"},
	} {
		path := regexp.MustCompile(c.pattern).FindString(page)
		a := b.get(path)
		if path == "" || a.status != http.StatusOK || a.header.Get("Content-Type") != c.contentType || a.body == "" {
			t.Errorf("%s: %d %s", path, a.status, a.header.Get("Content-Type"))
		}
	}
	for _, path := range []string{"/static/", "/static/style.css", "/static/../words/fr.txt", "/static/..%2fwords%2ffr.txt", "/favicon.ico"} {
		if a := b.get(path); a.status != http.StatusNotFound {
			t.Errorf("%s: %d", path, a.status)
		}
	}
}

// TestHead: what answers GET with a page answers HEAD, and a step does not.
func TestHead(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	for path, status := range map[string]int{"/": 200, "/account": 303, "/login/card": 405, "/login/cps": 405} {
		a := b.raw(request{method: http.MethodHead, path: path})
		if a.status != status || a.body != "" {
			t.Errorf("HEAD %s: %d %q", path, a.status, a.body)
		}
	}
}

// TestOtherNames: the main host answers to its own name only.
func TestOtherNames(t *testing.T) {
	h := newHouse(t)
	b := h.browser()
	for _, host := range []string{"evil.example", "sso.hopital.test.", "sso.hopital.test:8443", "cps.hopital.test", "127.0.0.1"} {
		r, err := http.NewRequest(http.MethodGet, mainOrigin+"/", nil)
		must(t, err)
		r.Host = host
		b.send(r).says(t, http.StatusMisdirectedRequest, "Cette adresse n’est pas la bonne")
	}
	r, err := http.NewRequest(http.MethodGet, mainOrigin+"/?return="+url.QueryEscape("/a"), nil)
	must(t, err)
	r.Header.Set("X-Forwarded-Host", "evil.example")
	r.Header.Set("X-Forwarded-For", "203.0.113.9")
	if a := b.send(r); strings.Contains(a.body, "evil.example") {
		t.Error("a header of a proxy is believed")
	}
	if log := h.log.String(); strings.Contains(log, "203.0.113.9") {
		t.Error("the log believes X-Forwarded-For")
	}
}
