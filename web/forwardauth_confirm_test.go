package web_test

import (
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/sessions"
	"cpsgate/web"
)

// entering is where a browser comes from an application's host.
func (h *house) entering(t *testing.T, application string) string {
	t.Helper()
	host := strings.TrimPrefix(application, "https://")
	begun := h.asks("/.cpsgate/sign-in?return=%2Fx", with("X-Forwarded-Host", host))
	to, ok := strings.CutPrefix(begun.header.Get("Location"), mainOrigin)
	if !ok {
		t.Fatalf("%d, led to %q", begun.status, begun.header.Get("Location"))
	}
	return to
}

var keptField = regexp.MustCompile(`<input type="hidden" name="([a-z]+)" value="([^"]*)">`)

// question is what a page asks, as a form that waits for its answer.
func question(t *testing.T, a answer) url.Values {
	t.Helper()
	a.says(t, http.StatusOK, "C’est bien vous")
	form := url.Values{}
	for _, field := range keptField.FindAllStringSubmatch(a.body, -1) {
		form.Set(field[1], strings.ReplaceAll(field[2], "&#43;", "+"))
	}
	return form
}

// admitted wants an answer that leads back to the application with a code.
func admitted(t *testing.T, a answer, application string) {
	t.Helper()
	if to := a.header.Get("Location"); a.status != http.StatusSeeOther || !strings.HasPrefix(to, application+"/.cpsgate/callback?code=") {
		t.Errorf("%d to %q\n%s", a.status, to, a.text())
	}
}

// TestWhoSitsThere: somebody who was signed in a while ago is asked whether it
// is they, before an application behind a proxy is entered.
func TestWhoSitsThere(t *testing.T) {
	h := forwarding(t)
	b := h.browser().with(h.card(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille"}))
	h.intoDossier(t, b)
	h.pass(time.Minute)
	admitted(t, b.get(h.entering(t, stock)), stock) // the PIN was just proved
	h.pass(time.Minute)

	enter := h.entering(t, stock)
	page := b.get(enter)
	form := question(t, page)
	page.says(t, http.StatusOK, "Camille EXEMPLE", "votre carte", "stock.hopital.test", "Oui, je suis")
	if policy := page.header.Get("Content-Security-Policy"); !strings.Contains(policy, "form-action 'self' "+stock+";") && !strings.HasSuffix(policy, "form-action 'self' "+stock) {
		t.Errorf("the answer's way is closed: %s", policy)
	}
	answering := func(change ...string) answer {
		filled := url.Values{"answer": {"it-is-me"}}
		for name := range form {
			filled.Set(name, form.Get(name))
		}
		for i := 0; i < len(change); i += 2 {
			filled.Set(change[i], change[i+1])
		}
		return b.submit("/forward-auth/enter", filled)
	}

	question(t, answering("session", "AAAAAAAAAAAAAAAAAAAAAA")) // another session's answer
	question(t, answering("session", ""))
	for name, value := range map[string]string{"answer": "perhaps", "return": "https://elsewhere.example/", "more": "1"} {
		if got := answering(name, value); got.status < 400 || got.header.Get("Location") != "" {
			t.Errorf("%s=%s: %d to %q", name, value, got.status, got.header.Get("Location"))
		}
	}
	if got := b.crossSite("/forward-auth/enter", form); got.status != http.StatusForbidden {
		t.Errorf("another site answers: %d", got.status)
	}
	if e := h.last(audit.KindApplication); e.Outcome == audit.Accepted && e.Reason == "confirmed" {
		t.Errorf("something of that was taken: %+v", e)
	}

	admitted(t, answering(), stock)
	if e := h.last(audit.KindApplication); e.Outcome != audit.Accepted || e.Reason != "confirmed" {
		t.Errorf("the audit says %+v", e)
	}
	question(t, b.get(h.entering(t, stock))) // the answer was for that time

	out := answering("answer", "someone-else")
	if to := out.header.Get("Location"); out.status != http.StatusSeeOther || !strings.HasPrefix(to, "/?") || !strings.Contains(to, url.QueryEscape("/forward-auth/enter?")) {
		t.Errorf("another person is led to %d %q", out.status, to)
	}
	if e := h.last(audit.KindLogout); e.Reason != "someone-else" {
		t.Errorf("the audit says %+v", e)
	}
	b.signedOut()
	if got := answering(); got.status != http.StatusSeeOther || strings.Contains(got.header.Get("Location"), "code=") {
		t.Errorf("without a session: %d %q", got.status, got.header.Get("Location"))
	}
}

// crossSite sends a form as another site's page would.
func (b *browser) crossSite(path string, form url.Values) answer {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodPost, address(path), strings.NewReader(form.Encode()))
	must(b.t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", "https://elsewhere.example")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	return b.send(r)
}

// TestAnAnswerIsOfOneSession: while the question about one person waits in a
// window, another signs in in the next: the first one's yes lets nobody in.
func TestAnAnswerIsOfOneSession(t *testing.T) {
	h := forwarding(t)
	b := h.browser().with(h.card(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille"}))
	b.signIn()
	h.pass(3 * time.Minute)
	asked := question(t, b.get(h.entering(t, stock)))
	b.with(h.card(testpki.CardSpec{FamilyName: "MODELE", GivenName: "Dominique"}))
	b.signIn().says(t, http.StatusOK, "MODELE")
	asked.Set("answer", "it-is-me")
	again := b.submit("/forward-auth/enter", asked)
	now := question(t, again)
	again.says(t, http.StatusOK, "Dominique MODELE")
	now.Set("answer", "it-is-me")
	admitted(t, b.submit("/forward-auth/enter", now), stock)
}

// TestAPersonalWorkstation: who it is known to belong to is not asked.
func TestAPersonalWorkstation(t *testing.T) {
	h := forwarding(t, func(o *web.Options) {
		o.Workstation = func(a netip.Addr) string {
			if a.IsLoopback() {
				return "BUREAU-3"
			}
			return ""
		}
		o.ForwardAuth.Confirm.Personal = []string{"BUREAU-3"}
	})
	b := h.browser().with(h.card(testpki.CardSpec{}))
	h.intoDossier(t, b)
	h.pass(9 * time.Minute)
	admitted(t, b.get(h.entering(t, stock)), stock)
	if e := h.last(audit.KindApplication); e.Workstation != "BUREAU-3" {
		t.Errorf("the audit says %+v", e)
	}
	if e := h.last(audit.KindLoginCPS); e.Workstation != "BUREAU-3" {
		t.Errorf("the audit says %+v", e)
	}
	if s := h.only(h.last(audit.KindLoginCPS).Subject); s.Workstation != "BUREAU-3" {
		t.Errorf("the session is on %q", s.Workstation)
	}
	if n, err := h.sessions.EndOfWorkstation(t.Context(), "BUREAU-3"); n != 1 || err != nil {
		t.Errorf("%d sessions ended, %v", n, err)
	}
	b.signedOut()
}

// TestRefusalsTellTheWorkstation: what is refused at the proxies' door tells
// where, by the address that the named proxy gave, and by nothing else.
func TestRefusalsTellTheWorkstation(t *testing.T) {
	ward := func(o *web.Options) {
		o.Workstation = func(a netip.Addr) string {
			return map[string]string{"10.1.3.3": "BUREAU-3", "127.0.0.1": "SERVEUR"}[a.String()]
		}
	}
	h := forwarding(t, ward)
	for address, want := range map[string]string{"192.0.2.1, 10.1.3.3": "BUREAU-3", "10.1.3.3, 192.0.2.1": "", "BUREAU-3": ""} {
		h.asks("/forward-auth", with("X-Forwarded-Host", "elsewhere.hopital.test"), with("X-Forwarded-For", address))
		if e := h.refusedFor(audit.KindApplication, "host"); e.Workstation != want || e.Address == "" || !strings.HasSuffix(address, e.Address) {
			t.Errorf("by way of %q: %+v", address, e)
		}
	}
	h = forwarding(t, ward, func(o *web.Options) { o.ForwardAuth.Proxies = nil })
	h.asks("/forward-auth", with("X-Forwarded-For", "10.1.3.3"))
	if e := h.refusedFor(audit.KindProxyHeader, "forged-header"); e.Workstation != "SERVEUR" {
		t.Errorf("a forger: %+v", e)
	}
}

// TestQuestionBehindProxies: how the page looks.
func TestQuestionBehindProxies(t *testing.T) {
	t.Parallel()
	h, origin := browserHouse(t, func(_ *house, p *plan) {
		reach := p.options
		p.options = func(o *web.Options) {
			reach(o)
			forwardedBy(t, o)
		}
	})
	who, card := h.person(testpki.CardSpec{FamilyName: "EXEMPLE-LONGUENOM", GivenName: "Marie-Élisabeth", Profession: 10}, identity.RoleOperator)
	tab := h.tabIn(h.chromium(), origin, sessions.Session{Holder: who, Method: identity.MethodCPS, CardTokenID: card.TokenID})
	h.pass(3 * time.Minute)
	state := strings.Repeat("A", 43)
	for language, says := range map[string]string{"fr": "C’est bien vous", "en": "Is it you"} {
		tab.Go(origin + "/language/" + language + "?return=" + url.QueryEscape("/forward-auth/enter?"+url.Values{"return": {dossier + "/x"}, "state": {state}}.Encode()))
		tab.Until("the question", `document.body.innerText.includes("`+says+`")`)
		looks(t, tab, "forward-auth-confirm-"+language)
	}
}
