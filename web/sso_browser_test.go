package web_test

import (
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"cpsgate/identity"
	"cpsgate/internal/chromium"
	"cpsgate/internal/testpki"
	"cpsgate/sessions"
	"cpsgate/sso"
	"cpsgate/web"
)

// signOnPages is single sign-on that a real browser can reach, with one
// application that people are asked about.
func signOnPages(t *testing.T) (o *signOn, origin string) {
	o = new(signOn)
	h, origin := browserHouse(t, func(h *house, p *plan) {
		o.h = h
		mine, reach := o.plan(t, func(options *sso.Options) { options.Confirm.Policy = sso.ConfirmAlways }), p.options
		p.ended = mine.ended
		p.options = func(w *web.Options) {
			reach(w)
			mine.options(w)
		}
	})
	o.h = h
	_, err := o.provider.Clients().Add(t.Context(), sso.Client{
		ID: "laboratoire", Name: "Laboratoire d’analyses extérieur", ThirdParty: true, Claims: sso.ShapePSC,
		RedirectURIs: []string{origin + "/callback"}, PostLogoutURIs: []string{origin + "/bye"},
	})
	must(t, err)
	return o, origin
}

// TestSignOnPages: how the pages between a sign-in and an application look, by
// the way that a person goes through them.
func TestSignOnPages(t *testing.T) {
	t.Parallel()
	o, origin := signOnPages(t)
	who, card := o.h.person(testpki.CardSpec{FamilyName: "EXEMPLE-LONGUENOM", GivenName: "Marie-Élisabeth", Profession: 10}, identity.RoleAdmin)
	student := identity.Professional{IdNat: who, FamilyName: "EXEMPLE-LONGUENOM", GivenName: "Marie-Élisabeth", Profession: 10, Training: true}
	doctor := student
	doctor.Training, doctor.Structure, doctor.Employer = false, "1750000001", "Centre hospitalier d’exemple, site des Marronniers"
	for tokenID, as := range map[string]identity.Professional{card.TokenID: doctor, "8025000009/0000000009": student} {
		holder := identity.Cardholder{
			Professional: as, Card: identity.Card{TokenID: tokenID},
			Certificate: identity.Certificate{Issuer: "test", IssuerKey: "test", Serial: tokenID, Fingerprint: tokenID, NotAfter: o.h.now().AddDate(1, 0, 0)},
		}
		_, _, err := o.h.registry.Admit(t.Context(), holder, o.h.now())
		must(t, err)
		must(t, o.provider.Seen(t.Context(), holder))
	}
	tab := o.h.tabIn(o.h.chromium(), origin, sessions.Session{Holder: who, Method: identity.MethodCPS, CardTokenID: card.TokenID})
	tab.Go(origin + "/oauth/authorize?" + url.Values{
		"client_id": {"laboratoire"}, "redirect_uri": {origin + "/callback"}, "response_type": {"code"}, "scope": {"openid profile groups " + sso.ScopeActivity},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"},
		"prompt": {"select_account"}, "ui_locales": {"fr"},
	}.Encode())
	for _, page := range []struct{ name, says, goes string }{
		{"sso-confirm", "EXEMPLE-LONGUENOM", `button[value="it-is-me"]`},
		{"sso-activity", "site des Marronniers", `button[value="choose"]`},
		{"sso-consent", "Laboratoire d’analyses extérieur", `button[value="agree"]`},
	} {
		tab.Until(page.name, `document.body.innerText.includes("`+page.says+`") && !!document.querySelector('`+page.goes+`')`)
		looks(t, tab, page.name)
		tab.Click(page.goes)
	}
	tab.Until("back at the application", `location.pathname === "/callback" && new URLSearchParams(location.search).has("code")`)

	applicationsLook(t, o, tab, origin)

	tab.Go(origin + "/oauth/logout?" + url.Values{"client_id": {"laboratoire"}, "post_logout_redirect_uri": {origin + "/bye"}}.Encode())
	looks(t, tab, "sso-leave")
	tab.Click("main button.primary")
	tab.Until("signed out", `!!document.querySelector('a[href$="/bye"]')`)
	looks(t, tab, "sso-signed-out")
}

// applicationsLook adds an application by the administrator's page, and tries
// what is refused.
func applicationsLook(t *testing.T, o *signOn, tab *chromium.Tab, origin string) {
	t.Helper()
	tab.Go(origin + "/applications")
	looks(t, tab, "applications")
	add := func(id, address string) {
		tab.Type("#id", id)
		tab.Type("#name", "Dossier patient")
		tab.Type("#redirects", address)
		tab.Click(`form[action="/applications"] button.primary`)
	}
	add("dossier", "https://dossier.hopital.test/callback")
	tab.Until("the secret", `!!document.querySelector(".secret")`)
	o.proves(t, origin, "dossier", tab.Text(".secret"), true)
	looks(t, tab, "applications-secret")
	add("autre", "http://autre.hopital.test/callback")
	tab.Until("the refusal", `!!document.querySelector('main [role="alert"]')`)
	looks(t, tab, "applications-refused")
}

// TestAFormOfAnotherSiteInABrowser: a real browser that another site's form leads
// here brings no cookie with the form, and brings them all with the next step: the
// person is known, and what waits in this browser goes on waiting.
func TestAFormOfAnotherSiteInABrowser(t *testing.T) {
	o, origin := signOnPages(t)
	who, card := o.h.person(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 10})
	request := url.Values{
		"client_id": {"laboratoire"}, "redirect_uri": {origin + "/callback"}, "response_type": {"code"}, "scope": {"openid"},
		"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}, "ui_locales": {"fr"},
	}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><title>Ailleurs</title><form method="post" action="%s/oauth/authorize">`, origin)
		for name, values := range request {
			fmt.Fprintf(w, `<input type="hidden" name="%s" value="%s">`, name, html.EscapeString(values[0]))
		}
		fmt.Fprint(w, `<button id="go">Aller</button></form>`)
	}))
	defer elsewhere.Close()
	token, _, err := o.h.sessions.Open(t.Context(), sessions.Session{Holder: who, Method: identity.MethodCPS, CardTokenID: card.TokenID})
	must(t, err)
	tab := o.h.chromium().Tab(t)
	tab.Go(origin + "/signed-out")
	chromium.Eval[string](tab, `document.cookie = "__Host-cps-session=`+token+`; Secure; Path=/; SameSite=Lax"`)

	tab.Go(origin + "/oauth/authorize?" + request.Encode()) // one request waits at a question
	agree := `!!document.querySelector('button[value="agree"]')`
	tab.Until("the question", agree)
	waiting := chromium.Eval[string](tab, `document.querySelector('input[name="request"]').value`)

	chromium.Eval[string](tab, `setTimeout(() => { location = "`+elsewhere.URL+`" }); ""`)
	tab.Until("at another site", `!!document.querySelector("#go")`)
	tab.Click("#go")
	tab.Until("the person is known", `location.pathname === "/oauth/continue" && document.body.innerText.includes("Camille EXEMPLE") && `+agree)

	// The first is answered as if nothing had come between.
	chromium.Eval[string](tab, `document.querySelectorAll('input[name="request"]').forEach(i => { i.value = "`+waiting+`" }); ""`)
	tab.Click(`button[value="agree"]`)
	tab.Until("back at the application", `location.pathname === "/callback" && new URLSearchParams(location.search).has("code")`)
}
