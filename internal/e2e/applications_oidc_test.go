package e2e

import (
	"fmt"
	"html"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os/exec"
	"strings"
	"testing"
	"time"

	"cpsgate/internal/chromium"
	"cpsgate/internal/proxies"
	"cpsgate/internal/testpki"
)

// behindApache puts an application behind a real Apache with mod_auth_openidc,
// by the snippet that people copy, and registers it.
func (h *hospital) behindApache(origin string) {
	h.t.Helper()
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<!doctype html><html lang="fr"><title>Stock</title><main><h1>Stock</h1><p id="who">%s</p><p id="how">%s</p>`+
			`<a id="out" href="/oidc/callback?logout=%s">Se déconnecter</a></main>`,
			html.EscapeString(r.Header.Get("OIDC_CLAIM_name")), html.EscapeString(r.Header.Get("OIDC_CLAIM_amr")), url.QueryEscape(origin+"/bye"))
	}))
	h.t.Cleanup(app.Close)
	u, err := url.Parse(origin)
	if err != nil {
		h.t.Fatal(err)
	}
	address := net.JoinHostPort("127.0.0.1", u.Port())
	// cpsgate tells the application of ended sessions by its address: not every
	// resolver knows names under localhost.
	add := exec.Command(program, "client", "add", "--data", h.path("data"), "--name", "Stock",
		"--redirect-uri", origin+"/oidc/callback", "--post-logout-uri", origin+"/bye",
		"--back-channel-logout", "https://"+address+"/oidc/callback?logout=backchannel", "stock")
	add.Env = clean()
	secret, err := add.Output() // what it says beside goes to standard error
	if err != nil {
		h.t.Fatal(err)
	}
	pair, err := h.pki.ServerCertificate(u.Hostname(), "127.0.0.1")
	if err != nil {
		h.t.Fatal(err)
	}
	folder := h.t.TempDir()
	certificate, key := proxies.WritePair(h.t, folder, "application", pair)
	root := proxies.Readable(h.t, proxies.WriteRoot(h.t, folder, h.pki.ServerRoot()))
	proxies.Apache(h.t, address, proxies.Snippet(h.t, "../../docs/integrate.md", "apache",
		"https://sso.example.fr", h.main,
		"OIDCScope", "OIDCAuthRequestParams prompt=login\nOIDCScope", // each sign-in there is a proof of its own
		"OIDCClientID dossier", "OIDCClientID stock",
		"https://dossier.example.fr", origin, "*:443", address, "dossier.example.fr", u.Hostname(),
		"/etc/ssl/dossier.pem", certificate, "/etc/ssl/private/dossier.key", key,
		"/etc/ssl/certs/ca-certificates.crt", root,
		"/var/www/bye.html", proxies.Readable(h.t, proxies.WriteFile(h.t, folder, "bye.html", []byte("<!doctype html><title>Au revoir</title>"))),
		"SECRET", strings.TrimSpace(string(secret)), "PASSPHRASE", "une phrase de passe d'essai", "http://127.0.0.1:8080/", app.URL+"/"))
}

// TestTwoApplicationsOneSession: one browser signs in by certificate at an
// application behind nginx, and by passkey at another that speaks OpenID
// Connect by mod_auth_openidc; it signs out at one and is out of both; and when
// its card is revoked, both end.
func TestTwoApplicationsOneSession(t *testing.T) {
	chromium.Need(t)
	proxies.NeedNginx(t)
	proxies.NeedApache(t)
	dossier, stock := "https://dossier.localhost:"+freePort(t), "https://stock.localhost:"+freePort(t)
	h := openHospital(t, func(c map[string]any) {
		c["forward_auth"] = map[string]any{"proxies": []string{"127.0.0.1"}, "applications": []map[string]any{{"origin": dossier}}}
		c["sso"] = map[string]any{"back_channel_ca": c["data"].(string) + "/../root.pem"}
	})
	h.behindNginx(dossier)
	h.behindApache(stock)
	card, err := h.pki.Card(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 60})
	if err != nil {
		t.Fatal(err)
	}
	tab := h.browserOf(card)
	tab.FIDO2Card()

	asksToSignIn(t, h, tab, dossier)
	tab.Click(`a[data-door="card"]`)
	knows(t, tab, dossier+"/patients", "Camille EXEMPLE", "cps")
	tab.Go(h.main + "/account")
	tab.Type("#new-name", "Ma carte CPS4")
	tab.Click(`[data-passkey="add"] [data-start]`)
	tab.WaitFor(".state.pending")

	h.entersStock(tab, stock)
	opens(t, tab, dossier+"/patients/1", "Camille EXEMPLE", "fido2") // the same session, proved anew

	h.signsOut(tab)
	asksToSignIn(t, h, tab, dossier)
	h.outOfStock(tab, stock)

	h.entersStock(tab, stock)
	opens(t, tab, dossier+"/patients/2", "Camille EXEMPLE", "fido2")
	tab.Go(stock + "/articles/2")
	tab.WaitFor("#out")
	tab.Click("#out")
	tab.Until("signed out at the other", `!location.pathname.startsWith("/articles")`)
	asksToSignIn(t, h, tab, dossier)

	h.entersStock(tab, stock)
	opens(t, tab, dossier+"/patients/3", "Camille EXEMPLE", "fido2")
	h.cpsgate("card", "revoke", "--data", h.path("data"), "--reason", "perdue", card.TokenID)
	since := time.Now()
	tab.Until("the open page's calls are refused", `fetch("/patients/3").then(answer => answer.status === 401)`)
	if took := time.Since(since); took > endsWithin {
		t.Errorf("the session outlived its card by %v; %v at most", took, endsWithin)
	}
	asksToSignIn(t, h, tab, dossier)
	h.outOfStock(tab, stock)
	h.cpsgate("audit", "verify", "--data", h.path("data"))
}

// entersStock opens the application, which asks for a proof of its own, and
// gives that by passkey.
func (h *hospital) entersStock(tab *chromium.Tab, stock string) {
	h.t.Helper()
	tab.Go(stock + "/articles")
	tab.Until("at the doors", `location.origin === "`+h.main+`"`)
	byPasskey(tab)
	knows(h.t, tab, stock+"/articles", "Camille EXEMPLE", "user")
}

// outOfStock wants the application to lead to signing in: at once, or as soon
// as it has been told.
func (h *hospital) outOfStock(tab *chromium.Tab, stock string) {
	h.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		tab.Go(stock + "/articles/1")
		if strings.HasPrefix(tab.URL(), h.main) {
			return
		}
	}
	h.t.Errorf("still in %s", tab.URL())
}
