package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cpsgate/internal/testpki"
)

// demoConfig makes the demo's folder and returns its configuration.
func demoConfig(t *testing.T) (*demo, *Config, listeners) {
	t.Helper()
	l, err := demoCommand{}.listen(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d, err := newDemo(t.TempDir(), l, nil, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	c, err := loadConfig(d.Config, nil)
	if err != nil {
		t.Fatal(err)
	}
	return d, c, l
}

// copies gives each caller a folder of its own with the files of one demo:
// making them is the slow part.
func copies(t *testing.T) func(*testing.T) (*demo, *Config) {
	t.Helper()
	original, _, _ := demoConfig(t)
	return func(t *testing.T) (*demo, *Config) {
		t.Helper()
		d := *original
		d.Folder = t.TempDir()
		if err := os.CopyFS(d.Folder, os.DirFS(original.Folder)); err != nil {
			t.Fatal(err)
		}
		d.Config = d.path("cpsgate.yaml")
		text, err := os.ReadFile(d.Config)
		if err != nil {
			t.Fatal(err)
		}
		write(t, d.Config, bytes.ReplaceAll(text, []byte(original.Folder), []byte(d.Folder)))
		for _, private := range []string{"server-key.pem", "data"} { // CopyFS widens modes by the umask
			info, err := os.Stat(filepath.Join(original.Folder, private))
			if err != nil {
				t.Fatal(err)
			}
			chmod(t, d.path(private), info.Mode().Perm())
		}
		c, err := loadConfig(d.Config, nil)
		if err != nil {
			t.Fatal(err)
		}
		return &d, c
	}
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestStartRefuses(t *testing.T) {
	fresh := copies(t)
	d, c := fresh(t)
	p, err := openProgram(t.Context(), c, quiet(), time.Now)
	if err != nil {
		t.Fatalf("the good configuration of %s: %v", d.Folder, err)
	}
	p.Close()
	for _, tc := range []struct {
		name  string
		spoil func(*testing.T, *demo, *Config)
		says  string
	}{
		{"a key that every account can read", func(t *testing.T, d *demo, c *Config) { chmod(t, c.Main.Key, 0o644) }, "chmod o-rwx"},
		{"a key that every account can replace", func(t *testing.T, d *demo, c *Config) { chmod(t, c.Main.Key, 0o602) }, "chmod o-rwx"},
		{"a key that is not there", func(t *testing.T, d *demo, c *Config) { c.Main.Key = d.path("nowhere.pem") }, "nowhere.pem"},
		{"a key that is a folder", func(t *testing.T, d *demo, c *Config) { c.Main.Key = d.Folder }, "not a regular file"},
		{"a key that belongs to another certificate", func(t *testing.T, d *demo, c *Config) {
			pair, err := d.pki.Organisation(testpki.Fort, "sso.localhost", nil)
			if err != nil {
				t.Fatal(err)
			}
			write(t, c.Main.Certificate, pemOf(pair.DER))
		}, "server certificate"},
		{"a server certificate for another host", func(t *testing.T, d *demo, c *Config) { c.Main.Origin = "https://autre.localhost" }, "autre.localhost"},
		{"a server certificate without the wildcard", func(t *testing.T, d *demo, c *Config) { c.Card.Origin = "https://sso.localhost:1" }, "x.sso.localhost"},
		{"no anchor in the folder", func(t *testing.T, d *demo, c *Config) { c.Trust.Anchors = []string{t.TempDir()} }, "no trust anchors"},
		{"an anchor that cannot be read", func(t *testing.T, d *demo, c *Config) { c.Trust.Anchors = []string{d.path("nowhere")} }, "nowhere"},
		{"an anchor that is no certificate", func(t *testing.T, d *demo, c *Config) { write(t, d.path("anchors", "issuer-1.pem"), []byte("hello")) }, "issuer-1.pem"},
		{"TEST anchors in production", func(t *testing.T, d *demo, c *Config) { c.Mode = modeProduction }, "TEST"},
		{"a root as anchor", func(t *testing.T, d *demo, c *Config) { c.Trust.Anchors = []string{d.path("authorities")} }, "trust.anchors"},
		{"rules for an authority that is not trusted", func(t *testing.T, d *demo, c *Config) {
			c.Trust.Authorities = []AuthorityConfig{{Issuer: "AC INCONNUE"}}
		}, "AC INCONNUE"},
		{"OCSP without a host to ask", func(t *testing.T, d *demo, c *Config) { c.Trust.OCSP, c.OCSP.Hosts = "always", []string{} }, "ocsp.hosts"},
		{"a responder that hosts does not name", func(t *testing.T, d *demo, c *Config) {
			c.Trust.OCSP, c.OCSP.Responders = "always", []string{"http://ocsp.example/"}
		}, "ocsp.responders"},
		{"a fallback that is no web address", func(t *testing.T, d *demo, c *Config) {
			c.Trust.OCSP, c.OCSP.Fallback = "if-crl-unavailable", []string{"ldap://ocsp.esante.gouv.fr/"}
		}, "ocsp.fallback"},
		{"proxies that are anybody", func(t *testing.T, d *demo, c *Config) {
			c.Card.Proxies = ProxiesConfig{From: []string{"0.0.0.0/0"}, Form: "nginx"}
		}, "card.proxies"},
		{"a proxy form without addresses", func(t *testing.T, d *demo, c *Config) { c.Card.Proxies.Form = "nginx" }, "card.proxies"},
		{"a proxy address that is none", func(t *testing.T, d *demo, c *Config) {
			c.Card.Proxies = ProxiesConfig{From: []string{"edge"}, Form: "nginx"}
		}, "edge"},
		{"a data folder that others can enter", func(t *testing.T, d *demo, c *Config) { chmod(t, c.Data, 0o755) }, "chmod o-rwx"},
		{"a data folder that is not there", func(t *testing.T, d *demo, c *Config) { c.Data = d.path("nowhere") }, "data"},
		{"a database that others can read", func(t *testing.T, d *demo, c *Config) {
			write(t, filepath.Join(c.Data, "cpsgate.db"), nil)
			chmod(t, filepath.Join(c.Data, "cpsgate.db"), 0o644)
		}, "cpsgate.db"},
		{"a malformed AAGUID", func(t *testing.T, d *demo, c *Config) { c.Passkeys.AAGUIDs = []string{"12"} }, "passkeys.aaguids"},
		{"attestation of trusted roots without roots", func(t *testing.T, d *demo, c *Config) { c.Passkeys.Attestation = "require-trusted-roots" }, "roots"},
		{"an accent colour of too little contrast", func(t *testing.T, d *demo, c *Config) { c.Pages.Accent = "#ffff00" }, "contrast"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, c := fresh(t)
			tc.spoil(t, d, c)
			p, err := openProgram(t.Context(), c, quiet(), time.Now)
			if err == nil {
				p.Close()
				t.Fatal("it starts")
			}
			if !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "\n") {
				t.Errorf("want one line naming %q, got %q", tc.says, err)
			}
		})
	}
}

// TestServe walks from the configuration file to answers on the three
// listeners and a clean end.
func TestServe(t *testing.T) {
	d, c, l := demoConfig(t)
	p, err := openProgram(t.Context(), c, quiet(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, l, nil) }()

	roots, err := attestationRoots(d.Root) // any pool of certificates from a file
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DialContext: dial}}
	defer client.CloseIdleConnections()
	for url, want := range map[string]string{
		d.Main + "/":         "Se connecter",
		d.Admin + "/livez":   "ok",
		d.Admin + "/readyz":  "ready",
		d.Admin + "/metrics": `cpsgate_crl_verdict{authority="test-ac-igc-sante-fort-personnes",kind="complete",verdict="fresh"} 1`,
	} {
		response, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: %s", url, response.Status)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("serving ended with %v", err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

func TestConfigCommands(t *testing.T) {
	d, _, _ := demoConfig(t)
	var out, errs bytes.Buffer
	env := &environment{ctx: t.Context(), stdout: &out, stderr: &errs, now: time.Now}
	if code := run(env, []string{"config", "check", "--config", d.Config}); code != exitOK {
		t.Errorf("config check: exit %d, %s", code, &errs)
	}
	if code := run(env, []string{"config", "show", "--config", d.Config}); code != exitOK {
		t.Errorf("config show: exit %d, %s", code, &errs)
	}
	for _, want := range []string{"attestation: record", "TEST AC IGC-SANTE FORT PERSONNES", "38284e4f6107456e70c7439c85da7d564d0fe1fe1a968c9eb6d43e1fc0d63c3a"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("config show does not say %q", want)
		}
	}
	write(t, d.Config, []byte("mian: {}"))
	for _, command := range []string{"check", "show"} {
		if code := run(env, []string{"config", command, "--config", d.Config}); code != exitUnusable {
			t.Errorf("config %s of a bad file: exit %d", command, code)
		}
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func pemOf(der []byte) []byte { return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}) }
