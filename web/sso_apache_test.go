package web_test

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"cpsgate/enroll"
	"cpsgate/internal/chromium"
	"cpsgate/internal/proxies"
	"cpsgate/internal/testpki"
	"cpsgate/rp"
	"cpsgate/sso"
	"cpsgate/web"
)

// apacheSite reads the site of docs/integrate.md, and puts a test's values in
// the place of its examples, each of which must be there.
func apacheSite(t testing.TB, values ...string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/integrate.md")
	must(t, err)
	_, after, found := strings.Cut(string(page), "<!-- snippet: apache -->\n```apache\n")
	text, _, closed := strings.Cut(after, "\n```")
	if !found || !closed {
		t.Fatal("docs/integrate.md has no snippet apache")
	}
	for i := 0; i < len(values); i += 2 {
		if !strings.Contains(text, values[i]) {
			t.Fatalf("the snippet does not hold %q", values[i])
		}
		text = strings.ReplaceAll(text, values[i], values[i+1])
	}
	return text
}

// farewell is the page that the site shows to those who have signed out.
const farewell = "<!doctype html><title>Au revoir</title><p>Vous avez quitté le dossier."

// TestApache: Debian's mod_auth_openidc, set up as docs/integrate.md says, signs
// a person in by passkey in a real Chromium; signing out there ends all; and
// when all of a person's sessions are ended here, the module is told and forgets.
func TestApache(t *testing.T) {
	chromium.Need(t)
	proxies.NeedApache(t)
	o, origin := chromiumSignOn(t)
	behind := o.behindApache(t, origin)
	site := behind.site

	who, _ := o.h.person(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 10})
	tab := o.h.tabOf(o.h.chromium(), origin, who)
	tab.FIDO2Card()
	tab.Go(origin + "/account")
	tab.Click("[data-passkey=add] [data-start]")
	tab.Until("the passkey is added", `location.search.includes("passkey-added")`)
	tab.Go(origin + "/account")
	tab.Click(`form[action="/logout"] button`)
	tab.Until("signed out", `location.pathname === "/signed-out"`)

	tab.Go(site + "/dossier")
	tab.Until("at the doors", `location.pathname === "/" && location.host.startsWith("sso.")`)
	tab.Click("#passkey [data-start]")
	tab.Until("in the application", `location.href === "`+site+`/dossier"`)
	if text := tab.Text("body"); !strings.Contains(text, string(who)) || !strings.Contains(text, "urn:cpsgate:acr:") {
		t.Errorf("the application sees %s", text)
	}

	// Signing out at the application ends the session here.
	leave := site + "/oidc/callback?logout=" + url.QueryEscape(site+"/bye")
	chromium.Eval[string](tab, `setTimeout(() => { location = "`+leave+`" }); ""`)
	tab.Until("back from signing out", `location.href.startsWith("`+site+`/bye")`)
	if text := tab.Text("body"); !strings.Contains(text, "Vous avez quitté le dossier.") {
		t.Errorf("after signing out: %s", text)
	}
	if list, err := o.h.sessions.OfHolder(t.Context(), who); err != nil || len(list) != 0 {
		t.Errorf("%d sessions are left: %v", len(list), err)
	}

	// When the session ends here, the application's ends too.
	tab.Go(site + "/dossier")
	tab.Until("at the doors again", `location.host.startsWith("sso.")`)
	tab.Click("#passkey [data-start]")
	tab.Until("in the application again", `location.href === "`+site+`/dossier"`)
	if n, err := o.h.sessions.EndOfHolder(t.Context(), who); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	o.provider.TellClients(t.Context())
	tab.Go(site + "/dossier")
	tab.Until("out of the application", `location.host.startsWith("sso.")`)
	if e := o.h.last(sso.EventTold); e.Reason != "told" {
		t.Errorf("%+v", e)
	}
}

// apacheFront is Apache with mod_auth_openidc before an application.
type apacheFront struct {
	site, address string
	app           *application
}

// behindApache registers an application and puts it behind Apache.
func (o *signOn) behindApache(t *testing.T, origin string) apacheFront {
	t.Helper()
	address := proxies.FreeAddress(t)
	_, port, _ := net.SplitHostPort(address)
	site := "https://app.localhost:" + port
	secret, err := o.provider.Clients().Add(t.Context(), sso.Client{
		ID: "dossier", Name: "Dossier patient", RedirectURIs: []string{site + "/oidc/callback"}, PostLogoutURIs: []string{site + "/bye"},
		BackChannelLogout: site + "/oidc/callback?logout=backchannel", Claims: sso.ShapePSC,
	})
	must(t, err)
	behind := &application{}
	backend := o.h.answering(behind)
	folder := t.TempDir()
	pair, err := o.h.pki.ServerCertificate("app.localhost")
	must(t, err)
	certificate, key := proxies.WritePair(t, folder, "app", pair)
	root := proxies.Readable(t, proxies.WriteRoot(t, folder, o.h.pki.ServerRoot()))
	proxies.Apache(t, address, apacheSite(t,
		"https://sso.example.fr", origin, "https://dossier.example.fr", site, "*:443", address, "dossier.example.fr", "app.localhost",
		"/etc/ssl/dossier.pem", certificate, "/etc/ssl/private/dossier.key", key, "/etc/ssl/certs/ca-certificates.crt", root,
		"/var/www/bye.html", proxies.Readable(t, proxies.WriteFile(t, folder, "bye.html", []byte(farewell))),
		"SECRET", secret, "PASSPHRASE", "une phrase de passe d'essai", "http://127.0.0.1:8080/", "http://"+backend+"/"))

	return apacheFront{site, address, behind}
}

// chromiumSignOn is single sign-on that a real browser can reach.
func chromiumSignOn(t *testing.T) (*signOn, string) {
	t.Helper()
	o := &signOn{h: quietHouse(t)}
	o.h.publish()
	main, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	card, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	port := func(l net.Listener) string { _, p, _ := net.SplitHostPort(l.Addr().String()); return p }
	origin := "https://sso.localhost:" + port(main)
	p := o.plan(t, func(s *sso.Options) { s.BackChannel = loopback(o.h) })
	p.policy.SelfEnrolment = enroll.SelfKeys // a browser's virtual authenticator is of no card's model
	provider := p.options
	p.options = func(w *web.Options) {
		w.MainOrigin, w.CardOrigin = origin, "https://cps.localhost:"+port(card)
		w.RelyingParty, err = rp.New(rp.Options{ID: "sso.localhost", Name: "Hôpital", Origins: []string{origin}, Now: o.h.now})
		must(t, err)
		provider(w)
	}
	o.h.wire(p)
	o.h.serve(main, o.h.web.Main(), false)
	o.h.serve(card, o.h.web.Card(), true)
	o.h.mainAddr, o.h.cardAddr = main.Addr().String(), card.Addr().String()
	return o, origin
}

// loopback sends to this machine whatever the name: that of an application
// under localhost, which not every resolver knows.
func loopback(h *house) *http.Client {
	client := sso.NewBackChannel(&tls.Config{RootCAs: h.roots()})
	client.Transport.(*http.Transport).DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
	}
	return client
}
