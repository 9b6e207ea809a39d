package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"

	"cpsgate/audit"
	"cpsgate/internal/proxies"
)

// Where two browsers are, and what one of them says of itself.
const (
	nurseAt, otherAt = "127.0.0.77", "127.0.0.78"
	forgedAddress    = "203.0.113.66"

	dossier = "https://dossier.localhost"
)

// edge is a hospital's nginx, by the snippets that people copy: cpsgate's hosts
// pass through it, an application is behind it, and all come to cpsgate from
// one address.
type edge struct {
	*running
	address string
}

func openEdge(t *testing.T) *edge {
	t.Helper()
	proxies.NeedNginxStream(t)
	const page = "../../docs/forward-auth.md"
	r := serveDemo(t, func(c *Config) {
		c.Main.ProxyProtocol, c.Card.ProxyProtocol = []string{announcer}, []string{announcer}
		c.ForwardAuth.Proxies, c.ForwardAuth.Applications = []string{announcer}, []ApplicationConfig{{Origin: dossier}}
	})
	app := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Header.Get("Remote-Name")+" at "+r.Header.Get("X-Forwarded-For"))
	}))
	t.Cleanup(app.Close)
	e, behind, folder := &edge{r, proxies.FreeAddress(t)}, proxies.FreeAddress(t), t.TempDir()
	pair, err := r.pki.ServerCertificate("dossier.localhost")
	if err != nil {
		t.Fatal(err)
	}
	certificate, key := proxies.WritePair(t, folder, "dossier", pair)
	main, card := strings.TrimPrefix(r.Main, "https://"), strings.TrimPrefix(r.Card, "https://")
	proxies.NginxStream(t, e.address,
		proxies.Snippet(t, page, "nginx-stream",
			"hopital.example", "localhost", `hopital\.example`, "localhost", "192.0.2.20:8443", local(main), "192.0.2.20:8444", local(card),
			"127.0.0.1:8442", behind, "listen 443", "listen "+e.address),
		proxies.Snippet(t, page, "nginx",
			"listen 443 ssl;", strings.ReplaceAll(proxies.Snippet(t, page, "nginx-behind"), "127.0.0.1:8442", behind),
			"listen 443 ssl default_server", "listen "+behind+" ssl default_server",
			"server sso.hopital.example:443;", "server "+e.address+";",
			"proxy_pass https://cpsgate", "proxy_bind 127.0.0.1; proxy_pass https://cpsgate",
			"Host               sso.hopital.example", "Host "+main, "Host              sso.hopital.example", "Host "+main,
			"hopital.example", "localhost",
			"/etc/nginx/tls/dossier.pem", certificate, "/etc/nginx/tls/dossier.key", key,
			"/etc/ssl/certs/ca-certificates.crt", proxies.WriteRoot(t, folder, r.pki.ServerRoot()),
			"http://127.0.0.1:8080", app.URL))
	return e
}

// local is a listener's address, by the port of its origin.
func local(origin string) string {
	_, port, _ := net.SplitHostPort(origin)
	return net.JoinHostPort("127.0.0.1", port)
}

// browserAt is somebody's browser, whose connections come from an address and
// go to the edge, whatever the name.
func (e *edge) browserAt(t *testing.T, address string) *http.Client {
	t.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	config := &tls.Config{RootCAs: x509.NewCertPool(), Certificates: []tls.Certificate{e.card(t, "good")}}
	config.RootCAs.AddCert(e.pki.ServerRoot())
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: config, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, e.address)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Jar: jar}
}

// forging sends what a browser may make up to pass for nginx, and stays where
// it is led.
func forging(t *testing.T, browser *http.Client, address, claimed string) (status int) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, value := range map[string]string{
		"X-Forwarded-For": claimed, "X-Forwarded-Host": "dossier.localhost", "X-Forwarded-Proto": "https", "X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/",
		"X-Real-IP": claimed, "Forwarded": "for=" + claimed, "Client-IP": claimed,
	} {
		request.Header.Set(name, value)
	}
	stay := *browser
	stay.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	response, err := stay.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// shown is a page that a browser goes to, and where that led.
func shown(t *testing.T, browser *http.Client, address string) (path, page string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Accept", "text/html")
	response, err := browser.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.Request.URL.Path, string(body)
}

// addresses are those that stand in the audit, by the kinds of their events.
func (e *edge) addresses(t *testing.T) map[string]map[string]bool {
	t.Helper()
	all := map[string]map[string]bool{}
	for event, err := range audit.Found(t.Context(), e.program.store, audit.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		if all[event.Kind] == nil {
			all[event.Kind] = map[string]bool{}
		}
		all[event.Kind][event.Address] = true
	}
	return all
}

// TestBehindAPassThrough: browsers and an application's nginx reach cpsgate from
// one address, and are still told apart.
func TestBehindAPassThrough(t *testing.T) {
	e := openEdge(t)
	nurse := e.browserAt(t, nurseAt)

	t.Run("somebody signs in and goes on to the application", func(t *testing.T) {
		_, page := shown(t, nurse, dossier+"/patients")
		if !strings.Contains(page, "Se connecter") {
			t.Fatalf("%.600s", page)
		}
		if path, page, _ := get(t, nurse, e.Main+"/login/card"); path != inside {
			t.Fatalf("the good card led to %s: %.600s", path, page)
		}
		if path, page := shown(t, nurse, dossier+"/patients"); path != "/patients" || !strings.HasSuffix(page, " at "+nurseAt) || strings.HasPrefix(page, " at") {
			t.Fatalf("came to %s: %.300s", path, page)
		}
	})

	t.Run("a browser is not nginx", func(t *testing.T) {
		for _, path := range []string{"/forward-auth", "/forward-auth/redirect", "/.cpsgate/sign-in?return=%2F", "/.cpsgate/callback?code=x", "/.cpsgate/sign-out"} {
			if status := forging(t, nurse, e.Main+path, forgedAddress); path != "/.cpsgate/sign-out" && status != http.StatusForbidden {
				t.Errorf("%s: %d", path, status)
			}
		}
		forging(t, nurse, dossier+"/.cpsgate/callback?code=made-up", forgedAddress)
		forging(t, nurse, e.Main+"/login/card", forgedAddress)
		for kind, from := range e.addresses(t) {
			for address := range from {
				if address != nurseAt && address != "" {
					t.Errorf("%s stands in the audit as from %s", kind, address)
				}
			}
		}
		found := e.addresses(t)
		for _, kind := range []string{audit.KindLoginCPS, audit.KindApplication, audit.KindProxyHeader} {
			if !found[kind][nurseAt] {
				t.Errorf("no %s from %s", kind, nurseAt)
			}
		}
	})

	t.Run("a limit is that of the browser's own address", func(t *testing.T) {
		for from, address := range map[string]string{
			"127.0.0.81": dossier + "/.cpsgate/sign-in?return=%2F",
			"127.0.0.82": e.Main + "/login/card",
		} {
			hasty, limited := e.browserAt(t, from), false
			for i := 0; i < 400 && !limited; i++ {
				limited = forging(t, hasty, address, net.IPv4(203, 0, 113, byte(i)).String()) == http.StatusTooManyRequests
			}
			if !limited {
				t.Errorf("%s: 400 times in a moment, and no limit", address)
			}
			if status := forging(t, e.browserAt(t, otherAt), address, from); status == http.StatusTooManyRequests {
				t.Errorf("%s: another browser is held to that limit", address)
			}
		}
	})

	t.Run("straight to cpsgate, past nginx", func(t *testing.T) {
		direct := e.browser(t, "") // from 127.0.0.1, nginx's address, unannounced
		if response, err := direct.Get(e.Main + "/forward-auth"); err == nil {
			response.Body.Close()
			t.Errorf("answered %d", response.StatusCode)
		}
	})
}
