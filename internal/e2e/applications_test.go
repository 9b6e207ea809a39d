package e2e

import (
	"cmp"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"cpsgate/internal/chromium"
	"cpsgate/internal/proxies"
	"cpsgate/internal/testpki"
)

// signOutForm is what an application has on its pages.
const signOutForm = `<form method="post" action="/.cpsgate/sign-out"><button id="out">Se déconnecter</button></form>`

// named is an application that believes its proxy.
func named(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	fmt.Fprintf(w, `<!doctype html><html lang="fr"><title>Application</title><main><h1>Application</h1><p id="who">%s</p><p id="how">%s</p>%s</main>`,
		html.EscapeString(r.Header.Get("Remote-Name")), html.EscapeString(r.Header.Get("X-Cpsgate-Method")), signOutForm)
}

// behindNginx puts an application behind a real nginx, by the snippet that
// people copy.
func (h *hospital) behindNginx(origin string) {
	h.t.Helper()
	app := httptest.NewServer(http.HandlerFunc(named))
	h.t.Cleanup(app.Close)
	u, err := url.Parse(origin)
	if err != nil {
		h.t.Fatal(err)
	}
	pair, err := h.pki.ServerCertificate(u.Hostname())
	if err != nil {
		h.t.Fatal(err)
	}
	folder := h.t.TempDir()
	certificate, key := proxies.WritePair(h.t, folder, "application", pair)
	address, sso := net.JoinHostPort("127.0.0.1", u.Port()), strings.TrimPrefix(h.main, "https://")
	proxies.Nginx(h.t, address, proxies.Snippet(h.t, "../../docs/forward-auth.md", "nginx",
		"server sso.hopital.example:443;", "server "+cmp.Or(h.asked, addressOf(h.main))+";",
		"Host               sso.hopital.example", "Host "+sso,
		"Host              sso.hopital.example", "Host "+sso,
		"sso.hopital.example", "sso.localhost",
		"dossier.hopital.example", u.Hostname(),
		"$server_name;", "$server_name:"+u.Port()+";",
		"listen 443 ssl", "listen "+address+" ssl",
		"/etc/nginx/tls/dossier.pem", certificate,
		"/etc/nginx/tls/dossier.key", key,
		"/etc/ssl/certs/ca-certificates.crt", proxies.WriteRoot(h.t, folder, h.pki.ServerRoot()),
		"http://127.0.0.1:8080", app.URL,
	))
}

// knows wants an application's page that knows who asks.
func knows(t *testing.T, tab *chromium.Tab, address, who, how string) {
	t.Helper()
	tab.WaitFor("#who")
	if got := tab.URL(); got != address {
		t.Errorf("came to %s", got)
	}
	wantText(t, tab, "#who", who)
	wantText(t, tab, "#how", how)
}

// opens asks for an application's page, which is to know who asks.
func opens(t *testing.T, tab *chromium.Tab, address, who, how string) {
	t.Helper()
	tab.Go(address)
	knows(t, tab, address, who, how)
}

// asksToSignIn wants an application's page to lead to signing in.
func asksToSignIn(t *testing.T, h *hospital, tab *chromium.Tab, origin string) {
	t.Helper()
	tab.Go(origin + "/patients")
	tab.WaitFor(`a[data-door="card"]`)
	if got := tab.URL(); !strings.HasPrefix(got, h.main+"/?") {
		t.Errorf("came to %s", got)
	}
}

// signsOut leaves by an application's own button, and comes to the page that
// says so.
func (h *hospital) signsOut(tab *chromium.Tab) {
	h.t.Helper()
	tab.Click("#out")
	tab.Until("signed out", `location.href.startsWith("`+h.main+`/signed-out")`)
	tab.WaitFor("main h1")
}

// TestApplicationsBehindNginx: one browser signs in by certificate at one
// application and is known at another; it signs out at one and is out of both;
// it signs in again by passkey; its card is reported lost, and both end.
func TestApplicationsBehindNginx(t *testing.T) {
	chromium.Need(t)
	proxies.NeedNginx(t)
	dossier, stock := "https://dossier.localhost:"+freePort(t), "https://stock.localhost:"+freePort(t)
	h := openHospital(t, func(c map[string]any) {
		c["forward_auth"] = map[string]any{
			"proxies":      []string{"127.0.0.1"},
			"applications": []map[string]any{{"origin": dossier, "rules": []map[string]any{{"path": "/"}, {"path": "/admin", "roles": []string{"admin"}}}}, {"origin": stock}},
		}
	})
	h.behindNginx(dossier)
	h.behindNginx(stock)
	card, err := h.pki.Card(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 60})
	if err != nil {
		t.Fatal(err)
	}
	tab := h.browserOf(card)
	tab.FIDO2Card()

	asksToSignIn(t, h, tab, dossier)
	tab.Accessible()
	tab.Click(`a[data-door="card"]`)
	knows(t, tab, dossier+"/patients", "Camille EXEMPLE", "cps")
	opens(t, tab, stock+"/articles", "Camille EXEMPLE", "cps") // no question
	h.refuses(tab, dossier)

	tab.Go(h.main + "/account")
	tab.Type("#new-name", "Ma carte CPS4")
	tab.Click(`[data-passkey="add"] [data-start]`)
	tab.WaitFor(".state.pending")

	opens(t, tab, dossier+"/patients/1", "Camille EXEMPLE", "cps")
	h.signsOut(tab)
	asksToSignIn(t, h, tab, dossier)
	asksToSignIn(t, h, tab, stock)

	byPasskey(tab)
	knows(t, tab, stock+"/patients", "Camille EXEMPLE", "fido2")
	opens(t, tab, dossier+"/patients/2", "Camille EXEMPLE", "fido2")

	h.cpsgate("card", "revoke", "--data", h.path("data"), "--reason", "perdue", card.TokenID)
	since := time.Now()
	tab.Until("the open page's calls are refused", `fetch("/patients/2").then(answer => answer.status === 401)`)
	if took := time.Since(since); took > endsWithin {
		t.Errorf("the session outlived its card by %v; %v at most", took, endsWithin)
	}
	asksToSignIn(t, h, tab, dossier)
	asksToSignIn(t, h, tab, stock)
	h.cpsgate("audit", "verify", "--data", h.path("data"))
}

// refuses wants the page of a rule that somebody does not meet.
func (h *hospital) refuses(tab *chromium.Tab, origin string) {
	h.t.Helper()
	tab.Go(origin + "/admin")
	tab.WaitFor("main h1")
	wantText(h.t, tab, "h1", "Cette application ne vous est pas ouverte")
	if got := tab.URL(); !strings.HasPrefix(got, h.main+"/forward-auth/enter?") {
		h.t.Errorf("refused at %s", got)
	}
	tab.Accessible()
	pictures(h.t, tab, "application-refused")
}

// byPasskey signs in on the page where the tab is.
func byPasskey(tab *chromium.Tab) {
	chromium.Eval[bool](tab, `new Promise(done => {
		const start = Date.now();
		(function look() {
			const button = document.querySelector('[data-passkey="login"] [data-start]:not([hidden])');
			if (Date.now() - start > 1500 && button) button.click();
			if (Date.now() - start > 1500 && button || Date.now() - start > 5000) return done(true);
			setTimeout(look, 100);
		})();
	})`)
	tab.WaitFor("#who")
}
