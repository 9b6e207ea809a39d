package web_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"cpsgate/identity"
	"cpsgate/internal/proxies"
	"cpsgate/internal/testpki"
)

// forwardAuthPage is where people copy the snippets from.
const forwardAuthPage = "../docs/forward-auth.md"

// behind is an application behind a real proxy, which runs with the snippet of
// the documentation.
type behind struct {
	*house
	address string
	app     *application
}

// TestNginx runs Debian's nginx with the snippet of docs/forward-auth.md.
func TestNginx(t *testing.T) {
	proxies.NeedNginx(t)
	b := atProxy(t)
	b.nginx(t, b.mainAddr)
	b.holds(t)
}

// nginx runs it, with cpsgate at an address.
func (b *behind) nginx(t *testing.T, cpsgate string) {
	t.Helper()
	folder := t.TempDir()
	pair, err := b.pki.ServerCertificate("dossier.hopital.test")
	must(t, err)
	certificate, key := proxies.WritePair(t, folder, "dossier", pair)
	proxies.Nginx(t, b.address, proxies.Snippet(t, forwardAuthPage, "nginx",
		"server sso.hopital.example:443;", "server "+cpsgate+";",
		"hopital.example", "hopital.test",
		"listen 443 ssl", "listen "+b.address+" ssl",
		"/etc/nginx/tls/dossier.pem", certificate,
		"/etc/nginx/tls/dossier.key", key,
		"/etc/ssl/certs/ca-certificates.crt", proxies.WriteRoot(t, folder, b.pki.ServerRoot()),
		"http://127.0.0.1:8080", "http://"+b.answering(b.app),
	))
}

// TestCaddy runs Caddy, built from its module, with the snippet of
// docs/forward-auth.md. What it would fetch is put beside it: certificates, and
// the addresses of names.
func TestCaddy(t *testing.T) {
	b, folder := atProxy(t), t.TempDir()
	pair, err := b.pki.ServerCertificate("dossier.hopital.test")
	must(t, err)
	certificate, key := proxies.WritePair(t, folder, "dossier", pair)
	root := proxies.WriteRoot(t, folder, b.pki.ServerRoot())
	_, port, err := net.SplitHostPort(b.address)
	must(t, err)
	transport := fmt.Sprintf("{\n\t\t\ttransport http {\n\t\t\t\ttls_trust_pool file %s\n\t\t\t\ttls_server_name sso.hopital.test\n\t\t\t}", root)
	site := proxies.Snippet(t, forwardAuthPage, "caddy",
		"https://sso.hopital.example {", "https://"+b.mainAddr+" "+transport,
		"hopital.example", "hopital.test",
		"dossier.hopital.test {", "dossier.hopital.test {\n\tbind 127.0.0.1\n\ttls "+certificate+" "+key+"\n",
		"127.0.0.1:8080", b.answering(b.app),
	)
	proxies.Caddy(t, "../test/proxies/caddy", b.address, fmt.Sprintf("{\n\tadmin off\n\tauto_https disable_redirects\n\thttps_port %s\n}\n%s\n", port, site))
	b.holds(t)
}

func atProxy(t *testing.T) *behind {
	t.Helper()
	b := &behind{house: forwarding(t), address: proxies.FreeAddress(t), app: &application{}}
	b.others = map[string]string{"dossier.hopital.test:443": b.address}
	return b
}

// holds asserts what must hold behind any proxy.
func (b *behind) holds(t *testing.T) {
	nurse := b.card(testpki.CardSpec{})
	a := b.browser().with(nurse)
	t.Run("nobody gets through without signing in", func(t *testing.T) { b.nobody(t) })
	t.Run("a page leads to signing in and back", func(t *testing.T) { b.signsIn(t, a) })
	t.Run("what a browser forges does not get through", func(t *testing.T) { b.forges(t, a) })
	t.Run("a body gets through", func(t *testing.T) { b.posts(t, a) })
	t.Run("a rule holds, and a page says so", func(t *testing.T) { b.ruled(t, a) })
	t.Run("no spelling of a path gets past its rule", func(t *testing.T) { b.spells(t, a) })
	t.Run("signing out at the application ends it all", func(t *testing.T) { b.signsOut(t, a) })
	t.Run("a card that stops ends it", func(t *testing.T) { b.stops(t, nurse) })
}

func (b *behind) nobody(t *testing.T) {
	a := b.browser()
	page := a.get(dossier + "/patients?id=1&x=%2F")
	if to := page.header.Get("Location"); page.status != http.StatusFound || !strings.HasPrefix(to, dossier+"/.cpsgate/sign-in?return=%2Fpatients%3Fid%3D1") {
		t.Errorf("a page: %d to %q", page.status, to)
	}
	for name, change := range map[string]func(*http.Request){
		"a script's call":                 func(r *http.Request) { r.Header.Set("Sec-Fetch-Mode", "cors") },
		"a form":                          func(r *http.Request) { r.Method = http.MethodPost },
		"a made-up cookie":                func(r *http.Request) { r.Header.Set("Cookie", "__Host-cpsgate=AAAA") },
		"an identity":                     func(r *http.Request) { r.Header.Set("Remote-User", "899700000017") },
		"somebody else's X-Forwarded-":    func(r *http.Request) { r.Header.Set("X-Forwarded-Host", "stock.hopital.test") },
		"another path in X-Forwarded-Uri": func(r *http.Request) { r.Header.Set("X-Forwarded-Uri", "/public") },
		"a second spelling":               func(r *http.Request) { r.Header.Set("X_Forwarded_Uri", "/public") },
	} {
		r, err := http.NewRequest(http.MethodGet, dossier+"/patients", nil)
		must(t, err)
		change(r)
		if got := a.send(r); got.status != http.StatusUnauthorized && got.status != http.StatusBadRequest {
			t.Errorf("%s: %d\n%s", name, got.status, got.body)
		}
	}
	if reached := b.app.forget(); len(reached) != 0 {
		t.Errorf("reached the application: %v", reached)
	}
}

func (b *behind) signsIn(t *testing.T, a *browser) {
	page := a.follow(a.get(dossier + "/patients?id=1"))
	page.says(t, http.StatusOK, "Se connecter")
	there := a.follow(a.get("/login/card?return=" + url.QueryEscape(page.url.Query().Get("return"))))
	if there.url.String() != dossier+"/patients?id=1" {
		t.Fatalf("came to %s\n%s", there.url, there.text())
	}
	got := b.got(t, there)
	if got.URI != "/patients?id=1" || got.Header.Get("Remote-Name") != "Camille EXEMPLE" || got.Header.Get("X-Cpsgate-Method") != string(identity.MethodCPS) ||
		got.Header.Get("X-Cpsgate-Token") == "" || got.Header.Get("Remote-Groups") != "profession-60" {
		t.Errorf("the application got %v", got.identityFields())
	}
	if a.get(dossier+"/").status != http.StatusOK {
		t.Error("the cookie does not serve again")
	}
}

func (b *behind) got(t *testing.T, a answer) (got seen) {
	t.Helper()
	if a.status != http.StatusOK {
		t.Fatalf("%d at %s: %s", a.status, a.url, a.text())
	}
	must(t, json.Unmarshal([]byte(a.body), &got))
	return got
}

func (b *behind) forges(t *testing.T, a *browser) {
	plain := b.got(t, a.get(dossier+"/"))
	r, err := http.NewRequest(http.MethodGet, dossier+"/", nil)
	must(t, err)
	for _, name := range []string{"Remote-User", "remote_user", "Remote_User", "REMOTE-USER", "Remote-Groups", "Remote_Groups", "Remote_Name", "Remote-Email", "Remote_Email",
		"X-Cpsgate-Token", "X_Cpsgate_Token", "X-Cpsgate_Token", "x-cpsgate-proof", "X-Cpsgate-Structure", "X_Cpsgate_Id_Nat"} {
		r.Header[name] = []string{"forged", "forged-too"}
	}
	got := b.got(t, a.send(r))
	for name, values := range got.identityFields() {
		if strings.Contains(fmt.Sprint(values), "forged") {
			t.Errorf("%s: %v reached the application", name, values)
		}
	}
	if want := plain.identityFields(); len(want) != len(got.identityFields()) || got.Header.Get("Remote-User") != plain.Header.Get("Remote-User") || got.Header.Get("Remote-User") == "" {
		t.Errorf("the application got %v, want %v", got.identityFields(), want)
	}
}

func (b *behind) posts(t *testing.T, a *browser) {
	r, err := http.NewRequest(http.MethodPost, dossier+"/notes", strings.NewReader("texte=bonjour"))
	must(t, err)
	if got := b.got(t, a.send(r)); got.Body != "texte=bonjour" {
		t.Errorf("the application got the body %q", got.Body)
	}
}

func (b *behind) ruled(t *testing.T, a *browser) {
	b.app.forget()
	page := a.follow(a.get(dossier + "/admin/users"))
	page.says(t, http.StatusForbidden, "Cette application ne vous est pas ouverte", "Revenir à l’application")
	b.refusedFor("application", "role")
	a.follow(a.get(dossier+"/carte/1")).says(t, http.StatusOK, "/carte/1")
	if reached := b.app.forget(); len(reached) != 1 {
		t.Errorf("reached the application: %v", reached)
	}
}

// spells sends addresses that no client library sends.
func (b *behind) spells(t *testing.T, a *browser) {
	b.app.forget()
	for _, uri := range []string{
		"/admin", "/admin/", "/ADMIN", "//admin", "/admin//x", "/./admin", "/x/../admin", "/x/..;/admin", "/x/..%3b/admin", "/%61dmin", "/%2561dmin",
		"/x%2f..%2fadmin", "/%2e%2e/admin", "/%252e%252e/admin", "/admin;v=1", "/admin%20", "/admin%00", "/x/%2e%2e%5cadmin", `/\admin`, "/admin%", "/admin#x", "/admin?x=/",
	} {
		status := b.raw(t, a, "GET "+uri+" HTTP/1.1\r\nHost: dossier.hopital.test\r\n")
		if status < 300 {
			t.Errorf("%s: %d", uri, status)
		}
	}
	for _, head := range []string{
		"GET https://dossier.hopital.test/admin HTTP/1.1\r\nHost: dossier.hopital.test\r\n",
		"GET /admin HTTP/1.1\r\nHost: stock.hopital.test\r\n",
		"GET /admin HTTP/1.1\r\nHost: dossier.hopital.test.\r\n",
		"GET /admin HTTP/1.1\r\nHost: DOSSIER.hopital.test\r\n",
		"GET /admin HTTP/1.1\r\nHost: dossier.hopital.test:8443\r\n",
		"GET /admin HTTP/1.1\r\nHost: dossier.hopital.test\r\nX-Forwarded-Host: stock.hopital.test\r\n",
		"GET /admin HTTP/1.1\r\nHost: dossier.hopital.test\r\nX-Forwarded-Uri: /\r\n",
		"GET /admin HTTP/1.1\r\nHost: dossier.hopital.test\r\nX-Original-Uri: /\r\nX-Rewrite-Url: /\r\n",
	} {
		b.raw(t, a, head) // Caddy answers an empty 200 for a host that it does not serve: what counts is what the application gets
	}
	if reached := b.app.forget(); len(reached) != 0 {
		t.Errorf("reached the application: %q", reached)
	}
}

// raw sends a head as it is, with the browser's cookies, and gives the status.
// A proxy that answers nothing has let nothing through.
func (b *behind) raw(t *testing.T, a *browser, head string) int {
	t.Helper()
	c, err := (&tls.Dialer{Config: &tls.Config{RootCAs: b.roots(), ServerName: "dossier.hopital.test"}}).DialContext(context.Background(), "tcp", b.address)
	must(t, err)
	defer c.Close()
	u, err := url.Parse(dossier + "/")
	must(t, err)
	var cookies []string
	for _, cookie := range a.cookies.Cookies(u) {
		cookies = append(cookies, cookie.Name+"="+cookie.Value)
	}
	if len(cookies) == 0 {
		t.Fatal("the browser has no cookie of the application")
	}
	_, err = io.WriteString(c, head+"Cookie: "+strings.Join(cookies, "; ")+"\r\nConnection: close\r\n\r\n")
	must(t, err)
	response, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 499
	}
	response.Body.Close()
	return response.StatusCode
}

func (b *behind) signsOut(t *testing.T, a *browser) {
	post := func(header, value string) answer {
		r, err := http.NewRequest(http.MethodPost, dossier+"/.cpsgate/sign-out", nil)
		must(t, err)
		r.Header.Set(header, value)
		return a.send(r)
	}
	if got := post("Origin", "https://elsewhere.example"); got.status != http.StatusForbidden {
		t.Errorf("another site signs out: %d", got.status)
	}
	if got := post("Sec-Fetch-Site", "cross-site"); got.status != http.StatusForbidden {
		t.Errorf("another site signs out: %d", got.status)
	}
	a.get(dossier+"/").says(t, http.StatusOK)
	a.follow(post("Origin", dossier)).says(t, http.StatusOK, "Vous êtes déconnecté")
	if e := b.last("logout"); !strings.Contains(e.Detail, "dossier.hopital.test") {
		t.Errorf("the audit says %+v", e)
	}
	a.signedOut()
	if got := a.get(dossier + "/"); got.status != http.StatusFound {
		t.Errorf("still in: %d", got.status)
	}
}

func (b *behind) stops(t *testing.T, nurse *testpki.Card) {
	a := b.browser().with(nurse)
	page := a.follow(a.get(dossier + "/"))
	a.follow(a.get("/login/card?return="+url.QueryEscape(page.url.Query().Get("return")))).says(t, http.StatusOK, "Remote-User")
	must(t, b.registry.Revoke(t.Context(), console, b.last("application").Card))
	if got := a.get(dossier + "/"); got.status != http.StatusFound {
		t.Errorf("still in: %d", got.status)
	}
}
