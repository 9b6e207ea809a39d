//go:build traefik

package web_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"cpsgate/internal/proxies"
)

// TestTraefikProgram runs Traefik, built from its module, with the snippet of
// docs/forward-auth.md as it stands, but for names. Building it takes longer than
// all other tests: make test-traefik.
func TestTraefikProgram(t *testing.T) {
	b, folder := atProxy(t), t.TempDir()
	pair, err := b.pki.ServerCertificate("dossier.hopital.test")
	must(t, err)
	certificate, key := proxies.WritePair(t, folder, "dossier", pair)
	snippet := proxies.Snippet(t, forwardAuthPage, "traefik", "hopital.example", "hopital.test", "http://127.0.0.1:8080", "http://"+b.answering(b.app))
	names := httptest.NewServer(leading(map[string]string{"sso.hopital.test:443": b.mainAddr}))
	t.Cleanup(names.Close)
	proxies.Traefik(t, "../test/proxies/traefik", b.address, snippet+"\ntls: { certificates: [{ certFile: "+certificate+", keyFile: "+key+" }] }\n",
		"HTTPS_PROXY="+names.URL, "NO_PROXY=", "SSL_CERT_FILE="+proxies.WriteRoot(t, folder, b.pki.ServerRoot()))
	b.routed(t)
	b.holds(t)
}

// routed waits until the proxy, which listens before it has read its routes,
// proves the application's name.
func (b *behind) routed(t *testing.T) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		c, err := tls.Dial("tcp", b.address, &tls.Config{RootCAs: b.roots(), ServerName: "dossier.hopital.test"})
		if err == nil {
			must(t, c.Close())
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// leading is an HTTP proxy that leads CONNECT (RFC 9110 §9.3.6) to where names
// are: what a resolver and a port 443 would do.
func leading(to map[string]string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		address, known := to[r.Host]
		if r.Method != http.MethodConnect || !known {
			http.Error(w, r.Host, http.StatusBadGateway)
			return
		}
		there, err := new(net.Dialer).DialContext(context.WithoutCancel(r.Context()), "tcp", address)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer there.Close()
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer here.Close()
		if _, err := io.WriteString(here, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
			return
		}
		go func() { _, _ = io.Copy(there, here); there.Close() }()
		_, _ = io.Copy(here, there)
	})
}
