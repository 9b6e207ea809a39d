package main

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"testing"
	"time"
)

// demoBeside makes a demo with applications beside it.
func demoBeside(t *testing.T, a demoApplications) (*demo, *Config, error) {
	t.Helper()
	l, err := demoCommand{}.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d, err := newDemo(t.TempDir(), l, &a, time.Now)
	if err != nil {
		return nil, nil, err
	}
	c, err := loadConfig(d.Config, nil)
	if err != nil {
		return nil, nil, err
	}
	p, err := openProgram(t.Context(), c, slog.New(slog.DiscardHandler), time.Now)
	if err == nil {
		err = p.Close()
	}
	return d, c, err
}

// TestDemoApplications: the server knows both applications, and they get what
// they need: a certificate under the demo's root, a secret.
func TestDemoApplications(t *testing.T) {
	d, c, err := demoBeside(t, demoApplications{Proxied: "https://app1.localhost:41001", OpenID: "https://app2.localhost:41002"})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.SSO.Clients[0]; got.ID != d.Applications.ClientID || got.BackChannelLogout != "https://127.0.0.1:41002/backchannel-logout" {
		t.Errorf("%+v", got)
	}
	if got := c.ForwardAuth; got.Applications[0].Origin != "https://app1.localhost:41001" || len(got.Proxies) != 1 || got.Proxies[0] != "127.0.0.1" {
		t.Errorf("%+v", got)
	}
	if err := checkSecretFile(d.Applications.SecretFile); err != nil {
		t.Error(err)
	}
	pair, err := tls.LoadX509KeyPair(d.Applications.Certificate, d.Applications.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(d.pki.ServerRoot())
	for _, host := range []string{"app1.localhost", "app2.localhost", "127.0.0.1"} {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: host}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// One of the two will do; what is no origin is refused.
func TestDemoApplicationsByTheFlags(t *testing.T) {
	for _, tc := range []struct {
		name string
		a    demoApplications
		good bool
	}{
		{"one behind a proxy", demoApplications{Proxied: "https://app1.localhost:41001"}, true},
		{"one by OpenID Connect", demoApplications{OpenID: "https://app2.localhost:41002"}, true},
		{"a proxied one without TLS", demoApplications{Proxied: "http://app1.localhost:41001"}, false},
		{"a proxied one with a path", demoApplications{Proxied: "https://app1.localhost:41001/"}, false},
		{"a client without TLS", demoApplications{OpenID: "http://app2.localhost:41002"}, false},
		{"no address", demoApplications{OpenID: "https://a b"}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if _, _, err := demoBeside(t, tc.a); (err == nil) != tc.good {
				t.Errorf("%v", err)
			}
		})
	}
}
