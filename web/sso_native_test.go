package web_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
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

// TestAFormLeadsWhereItsAnswerGoes: an address of IPv6 can only be written as its
// whole scheme (CSP Level 3 §2.3.1); no form gets that for one that its answer does
// not go to.
func TestAFormLeadsWhereItsAnswerGoes(t *testing.T) {
	const bySix, byFour, https = "http://[::1]:1", "http://127.0.0.1:1", "https://poste.hopital.test"
	o := ssoHouse(t)
	_, err := o.provider.Clients().Add(t.Context(), sso.Client{
		ID: "poste", Name: "Programme du poste", Native: true, Auth: sso.AuthNone, Sector: "poste",
		RedirectURIs:   []string{bySix + "/callback", byFour + "/callback", https + "/callback"},
		PostLogoutURIs: []string{bySix + "/bye", https + "/bye"},
	})
	must(t, err)
	b := o.h.browser().with(o.h.card(testpki.CardSpec{}))
	b.signIn()
	back := func(to string) string {
		return "/oauth/authorize?" + url.Values{
			"client_id": {"poste"}, "redirect_uri": {to + "/callback"}, "response_type": {"code"}, "scope": {"openid"},
			"code_challenge": {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "code_challenge_method": {"S256"}, "prompt": {"select_account"},
		}.Encode()
	}
	out := func(to string) string {
		asked := url.Values{"client_id": {"poste"}}
		if to != "" {
			asked.Set("post_logout_redirect_uri", to+"/bye")
		}
		return "/oauth/logout?" + asked.Encode()
	}
	for _, tt := range []struct {
		name, asks string
		sources    []string
	}{
		{"to a website", back(https), []string{"'self'", https, byFour}},
		{"to a program, by IPv4", back("http://127.0.0.1:50123"), []string{"'self'", "http://127.0.0.1:50123", byFour, https}},
		{"to a program, by IPv6", back("http://[::1]:50123"), []string{"'self'", "http:", byFour, https}},
		{"out, to a website", out(https), []string{"'self'", https, byFour}},
		{"out, to a program by IPv6", out(bySix), []string{"'self'", "http:", byFour, https}},
		{"out, to our own page", out(""), []string{"'self'", byFour, https}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			page := b.follow(b.get(tt.asks))
			page.says(t, http.StatusOK, "Camille EXEMPLE")
			_, policy, _ := strings.Cut(page.header.Get("Content-Security-Policy"), "form-action ")
			policy, _, _ = strings.Cut(policy, ";")
			if !slices.Equal(strings.Fields(policy), tt.sources) {
				t.Errorf("a form may lead to %s", policy)
			}
		})
	}
}
