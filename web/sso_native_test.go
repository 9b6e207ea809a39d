package web_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"cpsgate/identity"
	"cpsgate/internal/chromium"
	"cpsgate/internal/testpki"
	"cpsgate/sessions"
	"cpsgate/sso"
)

// TestNativeApplicationsAreComeBackTo: a program on the person's own machine,
// which listens on whatever port is free (RFC 8252 §7.3), gets its answer from a
// real browser after a question too.
func TestNativeApplicationsAreComeBackTo(t *testing.T) {
	chromium.Need(t)
	o, origin := chromiumSignOn(t)
	_, err := o.provider.Clients().Add(t.Context(), sso.Client{
		ID: "poste", Name: "Programme du poste", Native: true, Auth: sso.AuthNone, Sector: "poste",
		RedirectURIs: []string{"http://127.0.0.1:1/callback", "http://[::1]:1/callback"},
	})
	must(t, err)
	who, card := o.h.person(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 10})
	tab := o.h.tabIn(o.h.chromium(), origin, sessions.Session{Holder: who, Method: identity.MethodCPS, CardTokenID: card.TokenID})
	for _, host := range []string{"127.0.0.1", "::1"} {
		listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil && host == "::1" {
			t.Logf("no IPv6 here: %v", err)
			continue
		}
		must(t, err)
		program := &httptest.Server{Listener: listener, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "merci: %s %t", r.URL.Path, r.URL.Query().Has("code"))
		})}}
		program.Start()
		t.Cleanup(program.Close)
		ask := origin + "/oauth/authorize?" + url.Values{
			"client_id": {"poste"}, "redirect_uri": {program.URL + "/callback"}, "response_type": {"code"}, "scope": {"openid"},
			"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}, "prompt": {"select_account"},
		}.Encode()
		tab.Go(ask)
		tab.Click(`button[value="it-is-me"]`)
		tab.Until("back at the program on "+host, `document.body.innerText === "merci: /callback true"`)
	}
}
