//go:build compose

package stack_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
)

// What is made up, and what must not be believed of it.
const (
	edgeAddress   = "198.18.213.2"
	forgedAddress = "203.0.113.66"
)

// atEdge is a browser's way to the edge, whatever the name it asks for.
func atEdge(t *testing.T) *http.Client {
	t.Helper()
	root, err := os.ReadFile(fetched(t, "/root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		t.Fatal("no certificate in root.pem")
	}
	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots},
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:8443")
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// TestNoBrowserIsTheEdge: what a browser makes up of itself is not believed,
// though cpsgate hears of it from the edge's address, and the audit names where
// the browser is.
func TestNoBrowserIsTheEdge(t *testing.T) {
	browser := atEdge(t)
	for address, want := range map[string]int{
		"https://sso.localhost:8443/forward-auth":                    http.StatusForbidden,
		"https://sso.localhost:8443/.cpsgate/sign-in?return=%2F":     http.StatusForbidden,
		"https://app1.localhost:8443/.cpsgate/callback?code=made-up": http.StatusSeeOther, // to why it did not work
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range map[string]string{
			"X-Forwarded-For": forgedAddress, "X-Forwarded-Host": "app1.localhost:8443", "X-Forwarded-Proto": "https", "X-Forwarded-Method": "GET", "X-Forwarded-Uri": "/",
		} {
			request.Header.Set(name, value)
		}
		response, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != want {
			t.Errorf("%s: %s", address, response.Status)
		}
	}
	out, err := compose(t.Context(), "exec", "-T", "cpsgate", "/cpsgate", "audit", "export", "--data", "/var/lib/cpsgate",
		"--kind", "proxy.header", "--kind", "application").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(out)) {
		var e struct {
			Event struct{ Kind, Address string }
		}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		seen[e.Event.Kind] = true
		if a := e.Event.Address; net.ParseIP(a) == nil || a == edgeAddress || a == forgedAddress || a == "127.0.0.1" {
			t.Errorf("the audit has %s as from %q", e.Event.Kind, a)
		}
	}
	if !seen["proxy.header"] || !seen["application"] {
		t.Errorf("the audit has no more of it than %s", out)
	}
}
