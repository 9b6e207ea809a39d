package web_test

import (
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/oauth2"

	"cpsgate/audit"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/sso"
)

func TestAnApplicationSignsSomeoneIn(t *testing.T) {
	o := ssoHouse(t)
	a := o.app()
	card := o.h.card(testpki.CardSpec{})
	b := o.h.browser().with(card)
	back := b.byCard(b.follow(b.get(a.start())))
	token, id := a.redeem(back.url)
	if got := a.nameID(token); got != card.IdNat {
		t.Errorf("tells of %q", got)
	}
	var claims struct {
		ACR  string   `json:"acr"`
		AMR  []string `json:"amr"`
		Name string   `json:"name"`
	}
	must(t, id.Claims(&claims))
	if claims.ACR != "urn:cpsgate:acr:card" || len(claims.AMR) != 5 || claims.Name != "Camille EXEMPLE" {
		t.Errorf("%+v", claims)
	}
	// The second time nothing is asked.
	again := b.follow(b.get(a.start(oauth2.SetAuthURLParam("prompt", "none"))))
	if _, second := a.redeem(again.url); second.Subject != id.Subject {
		t.Error("another subject")
	}
	if e := o.h.last(sso.EventSignIn); e.Subject != identity.PSIdNat(card.IdNat) || e.Outcome == "refused" {
		t.Errorf("%+v", e)
	}
	// Tokens are refreshed, and end with the session.
	source := a.config.TokenSource(a.ctx, &oauth2.Token{RefreshToken: token.RefreshToken})
	fresh, err := source.Token()
	must(t, err)
	if _, err := o.h.sessions.EndOfCard(t.Context(), card.TokenID); err != nil {
		t.Fatal(err)
	}
	if _, err := a.config.TokenSource(a.ctx, &oauth2.Token{RefreshToken: fresh.RefreshToken}).Token(); err == nil {
		t.Error("refreshed after the session")
	}
	if _, err := a.provider.UserInfo(a.ctx, oauth2.StaticTokenSource(fresh)); err == nil {
		t.Error("told after the session")
	}
}

func TestPromptNoneAsksNothing(t *testing.T) {
	o := ssoHouse(t)
	a := o.app()
	back := o.h.browser().get(a.start(oauth2.SetAuthURLParam("prompt", "none")))
	u, err := url.Parse(back.header.Get("Location"))
	must(t, err)
	if q := u.Query(); back.status != http.StatusSeeOther || u.Host != "app.hopital.test" || q.Get("error") != "login_required" || q.Get("state") != "a state" {
		t.Errorf("%d %s", back.status, u)
	}
}

// prompt=login wants a PIN although somebody is signed in.
func TestPromptLoginAsksAnew(t *testing.T) {
	o := ssoHouse(t)
	a := o.app()
	b := o.h.browser().with(o.h.card(testpki.CardSpec{}))
	_, first := a.redeem(b.byCard(b.follow(b.get(a.start()))).url)
	o.h.pass(2e9)
	page := b.follow(b.get(a.start(oauth2.SetAuthURLParam("prompt", "login"))))
	_, second := a.redeem(b.byCard(page).url)
	var before, after struct {
		AuthTime int64 `json:"auth_time"`
	}
	must(t, first.Claims(&before))
	must(t, second.Claims(&after))
	if after.AuthTime <= before.AuthTime {
		t.Errorf("auth_time %d after %d", after.AuthTime, before.AuthTime)
	}
}

// Two people, two cards, one browser: nobody gets what is of the other.
func TestTwoCardsInOneBrowser(t *testing.T) {
	o := ssoHouse(t)
	a := o.app()
	camille := o.h.card(testpki.CardSpec{})
	dominique := o.h.card(testpki.CardSpec{FamilyName: "MODELE", GivenName: "Dominique", Profession: 10})
	b := o.h.browser().with(camille)
	first, firstID := a.redeem(b.byCard(b.follow(b.get(a.start()))).url)

	// The application asks who it is; it is somebody else.
	page := b.follow(b.get(a.start(oauth2.SetAuthURLParam("prompt", "select_account"))))
	if !strings.Contains(page.body, "Camille EXEMPLE") {
		t.Fatalf("%d %s", page.status, page.body)
	}
	b.with(dominique)
	second, secondID := a.redeem(b.byCard(b.say(page, "someone-else")).url)
	if got := a.nameID(second); got != dominique.IdNat || firstID.Subject == secondID.Subject {
		t.Errorf("the second gets %q", got)
	}
	if _, err := a.provider.UserInfo(a.ctx, oauth2.StaticTokenSource(first)); err == nil {
		t.Error("the first's token lives on")
	}
	// What Camille left waiting does not become Dominique's by a new sign-in:
	// the browser forgets it when the person changes.
	left := b.get(a.start(oauth2.SetAuthURLParam("prompt", "login")))
	waiting, err := url.Parse(left.header.Get("Location"))
	must(t, err)
	b.with(camille)
	b.byCard(b.get("/?again=yes")) // at the doors, of herself
	if end := b.follow(b.get(waiting.Query().Get("return"))); end.url.Host == "app.hopital.test" && end.url.Query().Has("code") {
		t.Errorf("continued: %s", end.url)
	}
}

// An application's people read its language (OpenID Connect Core §3.1.2.1), but
// for those who chose one here.
func TestUILocales(t *testing.T) {
	o := ssoHouse(t)
	a := o.app()
	for locales, title := range map[string]string{
		"en": "Sign in", "EN-gb fr": "Sign in", "de en fr": "Sign in", "fr en": "Se connecter",
		"de": "Se connecter", "enm": "Se connecter", "": "Se connecter",
	} {
		b := o.h.browser()
		b.follow(b.get(a.start(oauth2.SetAuthURLParam("ui_locales", locales)))).says(t, http.StatusOK, title)
	}
	b := o.h.browser()
	b.follow(b.get("/language/fr"))
	b.follow(b.get(a.start(oauth2.SetAuthURLParam("ui_locales", "en")))).says(t, http.StatusOK, "Se connecter")
}

func TestThirdPartyConsent(t *testing.T) {
	o := ssoHouse(t)
	a := o.app(func(c *sso.Client) { c.ThirdParty, c.Name = true, "Laboratoire <extérieur>" })
	b := o.h.browser().with(o.h.card(testpki.CardSpec{}))
	page := b.byCard(b.follow(b.get(a.start())))
	if !strings.Contains(page.body, "Laboratoire &lt;extérieur&gt;") || !strings.Contains(page.header.Get("Content-Security-Policy"), "form-action 'self' "+appOrigin) {
		t.Fatalf("%d %s", page.status, page.body)
	}
	declined := b.say(page, "decline")
	if declined.url.Host != "app.hopital.test" || declined.url.Query().Get("error") != "access_denied" {
		t.Errorf("declined: %s", declined.url)
	}
	a.redeem(b.say(b.follow(b.get(a.start())), "agree").url)
	a.redeem(b.follow(b.get(a.start())).url) // and is not asked again
}

// TestAnAnswerIsForWhomThePageNamed: what somebody is asked in one tab, nobody
// answers who has signed in in another meanwhile.
func TestAnAnswerIsForWhomThePageNamed(t *testing.T) {
	for _, word := range []string{"agree", "decline", "choose", "someone-else"} {
		t.Run(word, func(t *testing.T) {
			o := ssoHouse(t)
			a := o.app(func(c *sso.Client) { c.ThirdParty = true })
			dominique := o.h.card(testpki.CardSpec{FamilyName: "MODELE", GivenName: "Dominique", Profession: 10})
			b := o.h.browser().with(o.h.card(testpki.CardSpec{}))
			left := b.byCard(b.follow(b.get(a.start())))
			left.says(t, http.StatusOK, "Camille EXEMPLE")
			question := b.follow(b.get(a.start(oauth2.SetAuthURLParam("prompt", "select_account"))))
			b.with(dominique)
			b.byCard(b.say(question, "someone-else")).says(t, http.StatusOK, "Dominique MODELE")

			asked := b.say(left, word)
			asked.says(t, http.StatusOK, "C’est bien vous", "Dominique MODELE")
			for _, e := range o.h.events() {
				if e.Kind == sso.EventConsent || e.Reason == "declined" || e.Kind == audit.KindLogout && e.Subject == identity.PSIdNat(dominique.IdNat) {
					t.Errorf("it is taken for the other's: %+v", e)
				}
			}
			token, _ := a.redeem(b.say(b.say(asked, "it-is-me"), "agree").url)
			if got := a.nameID(token); got != dominique.IdNat {
				t.Errorf("tells of %q", got)
			}
		})
	}
}

// Another site may lead people here by a form; cookies do not come along.
func TestAuthorizeByForm(t *testing.T) {
	o := ssoHouse(t)
	a := o.app()
	u, err := url.Parse(a.start())
	must(t, err)
	b := o.h.browser().with(o.h.card(testpki.CardSpec{}))
	r, err := http.NewRequest(http.MethodPost, mainOrigin+"/oauth/authorize", strings.NewReader(u.RawQuery))
	must(t, err)
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Origin", appOrigin)
	a.redeem(b.byCard(b.follow(b.send(r))).url)
}

func TestRequestsAreBoundToTheirBrowser(t *testing.T) {
	o := ssoHouse(t)
	a := o.app()
	mine, other := o.h.browser(), o.h.browser().with(o.h.card(testpki.CardSpec{}))
	start := mine.get(a.start())
	u, err := url.Parse(start.header.Get("Location"))
	must(t, err)
	waiting := u.Query().Get("return")
	if got := other.get(waiting); got.status != http.StatusForbidden {
		t.Errorf("another browser: %d", got.status)
	}
	if got := mine.get(waiting); got.status != http.StatusForbidden { // it was taken
		t.Errorf("a second time: %d", got.status)
	}
}

// What cannot be answered to the application is told on a page, and nowhere else.
func TestApplicationsMakeNoOpenRedirect(t *testing.T) {
	o := ssoHouse(t)
	a := o.app()
	for name, path := range map[string]string{
		"authorize, another address": a.start(oauth2.SetAuthURLParam("redirect_uri", "https://evil.test/")),
		"authorize, no client":       a.start(oauth2.SetAuthURLParam("client_id", "nobody")),
		"logout, another address":    "/oauth/logout?client_id=app&post_logout_redirect_uri=https%3A%2F%2Fevil.test",
		"logout, no client":          "/oauth/logout?post_logout_redirect_uri=https%3A%2F%2Fapp.hopital.test%2Fbye",
		"logout, a forged hint":      "/oauth/logout?id_token_hint=eyJhbGciOiJub25lIn0.e30.&post_logout_redirect_uri=https%3A%2F%2Fapp.hopital.test%2Fbye",
	} {
		if got := o.h.browser().get(path); got.status != http.StatusBadRequest || got.header.Get("Location") != "" || !strings.Contains(got.body, "raccordée") {
			t.Errorf("%s: %d %s", name, got.status, got.header.Get("Location"))
		}
	}
}

func TestSignOutFromAnApplication(t *testing.T) {
	o := ssoHouse(t)
	a := o.app()
	leave := func(pairs ...string) string {
		form := url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {appOrigin + "/bye"}, "state": {"later"}}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return "/oauth/logout?" + form.Encode()
	}
	b := o.h.browser().with(o.h.card(testpki.CardSpec{}))
	token, _ := a.redeem(b.byCard(b.follow(b.get(a.start()))).url)

	// Without a proof that the application signed this session in, it is asked (logout CSRF).
	page := b.follow(b.get(leave()))
	if !strings.Contains(page.body, "Vous déconnecter partout") || len(o.open(t)) != 1 {
		t.Fatalf("%d %s", page.status, page.body)
	}
	other := o.h.browser().with(o.h.card(testpki.CardSpec{}))
	_, _ = a.redeem(other.byCard(other.follow(other.get(a.start()))).url)
	foreign := token.Extra("id_token").(string)
	if page := other.follow(other.get(leave("id_token_hint", foreign))); !strings.Contains(page.body, "Vous déconnecter partout") {
		t.Errorf("another session's token signs out: %s", page.body)
	}
	// With it, it is done; the page tells what the browser keeps, and leads back.
	done := b.follow(b.get(leave("id_token_hint", foreign)))
	if !strings.Contains(done.body, "Retirez votre carte") || !strings.Contains(done.body, appOrigin+"/bye?state=later") {
		t.Errorf("%d %s", done.status, done.body)
	}
	if got := b.get("/account"); got.status != http.StatusSeeOther {
		t.Errorf("still signed in: %d", got.status)
	}
	// And by the question.
	end := other.say(other.follow(other.get(leave())), "")
	if !strings.Contains(end.body, "Retirez votre carte") {
		t.Errorf("%d %s", end.status, end.body)
	}
	if n := len(o.open(t)); n != 0 {
		t.Errorf("%d sessions left", n)
	}
}

// A locked session is no cookie to throw away: it is asked about, and left, so
// that applications are told.
func TestSignOutOfALockedSession(t *testing.T) {
	o := ssoHouse(t)
	a := o.app()
	leave := "/oauth/logout?" + url.Values{"client_id": {"app"}, "post_logout_redirect_uri": {appOrigin + "/bye"}}.Encode()
	b := o.h.browser().with(o.h.card(testpki.CardSpec{}))
	_, _ = a.redeem(b.byCard(b.follow(b.get(a.start()))).url)
	b.submit("/lock", nil)
	page := b.get(leave)
	if !strings.Contains(page.body, "Vous déconnecter partout") || !strings.Contains(page.body, "EXEMPLE") || len(o.open(t)) != 1 {
		t.Fatalf("%d %s", page.status, page.body)
	}
	if b.cookie("__Host-cps-session") == "" {
		t.Fatal("the cookie is gone before the answer")
	}
	b.say(page, "")
	if n := len(o.open(t)); n != 0 {
		t.Errorf("%d sessions left", n)
	}
	// With the application's proof it is not asked.
	token, _ := a.redeem(b.byCard(b.follow(b.get(a.start()))).url)
	b.submit("/lock", nil)
	b.get(leave + "&" + url.Values{"id_token_hint": {token.Extra("id_token").(string)}}.Encode())
	if n := len(o.open(t)); n != 0 {
		t.Errorf("%d sessions left by proof", n)
	}
}

// open lists the sessions of all who are known.
func (o *signOn) open(t *testing.T) (all []string) {
	t.Helper()
	for _, e := range o.h.events() {
		if e.Kind != "login.cps" || e.Subject == "" {
			continue
		}
		list, err := o.h.sessions.OfHolder(t.Context(), e.Subject)
		must(t, err)
		for _, s := range list {
			all = append(all, s.ID)
		}
	}
	return all
}

var shownSecret = regexp.MustCompile(`<code class="secret">([^<]+)</code>`)

// secretOn reads a client's secret off the page that shows it once.
func secretOn(t *testing.T, page answer) string {
	t.Helper()
	found := shownSecret.FindStringSubmatch(page.body)
	if found == nil {
		t.Fatalf("no secret on the page: %s", page.text())
	}
	return html.UnescapeString(found[1])
}

// proves asks, with a secret, about a token that there is not: an application
// that proves itself is told so, another is refused (RFC 7662 §2.3).
func (o *signOn) proves(t *testing.T, origin, id, secret string, good bool) {
	t.Helper()
	got := o.h.browser().asClient(id, secret, origin+"/oauth/introspect", url.Values{"token": {"none"}})
	want := http.StatusUnauthorized
	if good {
		want = http.StatusOK
	}
	if got.status != want || good && strings.TrimSpace(got.body) != `{"active":false}` {
		t.Errorf("%s proves itself, %t wanted: %d %s", id, good, got.status, got.body)
	}
}

func TestApplicationsPage(t *testing.T) {
	o := ssoHouse(t)
	b, _ := o.h.staff(identity.RoleAdmin)
	form := url.Values{
		"id": {"dossier"}, "name": {"Dossier patient"}, "redirects": {"https://dossier.hopital.test/cb"}, "post-logout": {""}, "back-channel": {""},
		"auth": {"client_secret_basic"}, "jwks": {""}, "tls-subject": {""}, "tls-name": {""}, "subject": {"pairwise"}, "sector": {""}, "claims": {"standard"},
	}
	page := b.submit("/applications", form)
	client, err := o.provider.Clients().Find(t.Context(), "dossier")
	must(t, err)
	page.says(t, http.StatusOK, "Le secret de « dossier »")
	if strings.Contains(page.body, client.SecretHash) {
		t.Errorf("tells what is kept of the secret: %s", page.body)
	}
	first := secretOn(t, page)
	o.proves(t, mainOrigin, "dossier", first, true)
	o.proves(t, mainOrigin, "dossier", client.SecretHash, false)
	for name, change := range map[string][2]string{
		"the same again": {"id", "dossier"}, "http": {"redirects", "http://x.test/cb"}, "a wildcard": {"redirects", "https://*.test/cb"},
		"keys that are none": {"jwks", "{"}, "a fragment": {"redirects", "https://x.test/cb#x"},
	} {
		bad := url.Values{}
		for k, v := range form {
			bad[k] = v
		}
		bad.Set("id", "other")
		bad.Set(change[0], change[1])
		if got := b.submit("/applications", bad); got.status != http.StatusBadRequest {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	certified := url.Values{}
	for k, v := range form {
		certified[k] = v
	}
	certified.Set("id", "certifie")
	certified.Set("auth", "tls_client_auth")
	certified.Set("tls-subject", " CN=dossier,C=FR ")
	b.submit("/applications", certified)
	if c, err := o.provider.Clients().Find(t.Context(), "certifie"); err != nil || c.TLSSubject != "CN=dossier,C=FR" || c.SecretHash != "" {
		t.Errorf("by certificate: %+v, %v", c, err)
	}
	changed := b.submit("/applications/rotate-secret", url.Values{"id": {"dossier"}})
	changed.says(t, http.StatusOK, "Le secret de « dossier »")
	second := secretOn(t, changed)
	o.proves(t, mainOrigin, "dossier", second, true)
	o.proves(t, mainOrigin, "dossier", first, false)
	if changed, err := o.provider.Clients().Find(t.Context(), "dossier"); err != nil || changed.SecretHash == client.SecretHash {
		t.Errorf("the secret stays: %v", err)
	}
	if got := b.submit("/applications/remove", url.Values{"id": {"dossier"}}); got.status != http.StatusSeeOther {
		t.Errorf("%d", got.status)
	}
	o.proves(t, mainOrigin, "dossier", second, false)
	if e := o.h.last(sso.EventClient); e.Reason != "removed" {
		t.Errorf("%+v", e)
	}
	operator, _ := o.h.staff(identity.RoleOperator)
	if got := operator.get("/applications"); got.status != http.StatusForbidden {
		t.Errorf("an operator: %d", got.status)
	}
}
