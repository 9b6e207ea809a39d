package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"software.sslmate.com/src/go-pkcs12"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// running is a demo's program, serving, on a clock that tests can move.
type running struct {
	*demo
	config  *Config
	program *program
	offset  atomic.Int64
}

func (r *running) now() time.Time { return time.Now().Add(time.Duration(r.offset.Load())) }

// serveDemo wires and serves as `cpsgate serve` does, until the test ends.
func serveDemo(t *testing.T, changes ...func(*Config)) *running {
	t.Helper()
	d, c, l := demoConfig(t)
	r := &running{demo: d, config: c}
	for _, change := range changes {
		change(c)
	}
	p, err := openProgram(t.Context(), c, quiet(), r.now)
	if err != nil {
		t.Fatal(err)
	}
	r.program = p
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, l, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serving ended with %v", err)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// dial reaches this machine whatever the name: not every resolver knows that
// *.localhost is it.
func dial(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", port))
}

// browser follows redirects, keeps cookies, and shows the demo's card of that
// state; "" shows none.
func (r *running) browser(t *testing.T, state string) *http.Client {
	t.Helper()
	config := &tls.Config{RootCAs: x509.NewCertPool()}
	config.RootCAs.AddCert(r.pki.ServerRoot())
	if state != "" {
		pair := r.card(t, state)
		config.Certificates = []tls.Certificate{pair}
	}
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{TLSClientConfig: config, DialContext: dial}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Jar: jar}
}

func (r *running) card(t *testing.T, state string) tls.Certificate {
	t.Helper()
	for _, c := range r.Cards {
		if c.State != state {
			continue
		}
		raw, err := os.ReadFile(c.File)
		if err != nil {
			t.Fatal(err)
		}
		key, certificate, _, err := pkcs12.DecodeChain(raw, c.Password)
		if err != nil {
			t.Fatal(err)
		}
		return tls.Certificate{Certificate: [][]byte{certificate.Raw}, PrivateKey: key, Leaf: certificate}
	}
	t.Fatalf("no %s card", state)
	return tls.Certificate{}
}

// get asks for a page and gives where redirects led, and the page.
func get(t *testing.T, client *http.Client, url string) (path, page string, header http.Header) {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.Request.URL.Path, string(body), response.Header
}

// signedIn signs the good card in and fails the test if that does not work.
func (r *running) signedIn(t *testing.T) *http.Client {
	t.Helper()
	client := r.browser(t, "good")
	if path, page, _ := get(t, client, r.Main+"/login/card"); path != "/account" {
		t.Fatalf("the good card led to %s: %.300s", path, page)
	}
	return client
}

// ends waits for a session to end, as long as a nurse's lost card may stay open.
func (r *running) ends(t *testing.T, client *http.Client, within time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(within); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if path, _, _ := get(t, client, r.Main+"/account"); path != "/account" {
			return
		}
	}
	t.Errorf("the session is still open after %v", within)
}

func TestCardHostTransport(t *testing.T) {
	r := serveDemo(t)
	address := strings.TrimPrefix(r.Card, "https://")
	handshake := func(least uint16) (*tls.Conn, error) {
		raw, err := dial(t.Context(), "tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { raw.Close() })
		client := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, ServerName: "cps.localhost", MinVersion: least}) //nolint:gosec // the version alone is tested
		return client, client.HandshakeContext(t.Context())
	}
	if _, err := handshake(tls.VersionTLS13); err == nil {
		t.Error("TLS 1.3 is offered, for which CPS3 cards cannot sign")
	}
	client, err := handshake(tls.VersionTLS12)
	if err != nil {
		t.Fatalf("TLS 1.2: %v", err)
	}
	if state := client.ConnectionState(); state.Version != tls.VersionTLS12 || state.NegotiatedProtocol == "h2" {
		t.Errorf("version %x, protocol %q", state.Version, state.NegotiatedProtocol)
	}
	if _, err := io.WriteString(client, "GET /cps HTTP/1.1\r\nHost: cps.localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(client) // ends because the server closes
	if err != nil || !bytes.Contains(answer, []byte("Connection: close")) {
		t.Errorf("the connection stays open: %v\n%.200s", err, answer)
	}
}

// TestSlowClients: whoever does not finish a header, or sends one without end,
// is cut off.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	r := serveDemo(t)
	for name, send := range map[string]string{
		"a header that never ends": "GET / HTTP/1.1\r\nHost: sso.localhost\r\n",
		"a header of 64 KiB":       "GET / HTTP/1.1\r\nHost: sso.localhost\r\nX-Long: " + strings.Repeat("a", 64<<10) + "\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			raw, err := dial(t.Context(), "tcp", strings.TrimPrefix(r.Main, "https://"))
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			client := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"http/1.1"}}) //nolint:gosec // timing alone is tested
			_, _ = io.WriteString(client, send)                                                                // may be cut off while it sends
			_ = client.SetReadDeadline(time.Now().Add(2 * headerTime))
			answer, err := io.ReadAll(client)
			if timeout, is := err.(net.Error); is && timeout.Timeout() { //nolint:errorlint // net.Error as net/http gives it
				t.Error("still connected")
			}
			if bytes.Contains(answer, []byte(" 200 ")) {
				t.Errorf("answered %.60s", answer)
			}
		})
	}
}

// TestSessionEndsWithItsCard: a command beside the server reports the card
// lost, and the open session is over within two seconds.
func TestSessionEndsWithItsCard(t *testing.T) {
	r := serveDemo(t)
	client := r.signedIn(t)
	var out, errs bytes.Buffer
	env := &environment{ctx: t.Context(), stdout: &out, stderr: &errs, now: r.now}
	if code := run(env, []string{"card", "revoke", "--data", r.config.Data, "--reason", "perdue", "8025000001/2600000001"}); code != exitOK {
		t.Fatalf("card revoke: exit %d: %s", code, &errs)
	}
	r.ends(t, client, 2*time.Second)
	if _, page, _ := get(t, r.browser(t, "good"), r.Main+"/login/card"); !strings.Contains(page, "Votre carte") || strings.Contains(page, "Mon compte") {
		t.Errorf("the card signs in again: %.300s", page)
	}
}

// TestSessionEndsWithItsCertificate: a new CRL in the drop folder names the
// card's certificate, and card and session follow with nobody acting and no
// restart.
func TestSessionEndsWithItsCertificate(t *testing.T) {
	r := serveDemo(t)
	client := r.signedIn(t)
	leaf := r.card(t, "good").Leaf
	r.pki.Issuer(testpki.Fort, testpki.Persons).Revoke(leaf.SerialNumber, r.now(), testpki.ReasonKeyCompromise)
	r.offset.Add(int64(time.Minute)) // a CRL is newer by its time, too
	if err := r.issueCRLs(); err != nil {
		t.Fatal(err)
	}
	r.ends(t, client, 15*time.Second)
	if path, page, _ := get(t, r.browser(t, "good"), r.Main+"/login/card"); path == inside || !strings.Contains(page, isOpposed) {
		t.Errorf("the card is led to %s: %.600s", path, page)
	}
	var out, errs bytes.Buffer
	env := &environment{ctx: t.Context(), stdout: &out, stderr: &errs, now: r.now}
	if code := run(env, []string{"card", "show", "--data", r.config.Data, "--json", "8025000001/2600000001"}); code != exitOK || !strings.Contains(out.String(), `"suspended"`) {
		t.Errorf("card show: exit %d: %s%s", code, &out, &errs)
	}
}

func TestSessionLimitsAreTheConfigured(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Config)
		after  time.Duration
	}{
		"idle":     {func(c *Config) { c.Sessions.Idle, c.Sessions.Absolute = 5*time.Minute, time.Hour }, 6 * time.Minute},
		"absolute": {func(c *Config) { c.Sessions.Idle, c.Sessions.Absolute = 5*time.Minute, 8*time.Minute }, 3 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			r := serveDemo(t, tc.change)
			client := r.signedIn(t)
			for range 5 {
				if path, _, _ := get(t, client, r.Main+"/account"); path != "/account" {
					return
				}
				r.offset.Add(int64(tc.after))
			}
			t.Error("the session outlives its limit")
		})
	}
}

func TestPolicyIsTheConfigured(t *testing.T) {
	_, c, _ := demoConfig(t)
	trust, err := loadTrust(c)
	if err != nil {
		t.Fatal(err)
	}
	strict := mtls.RevocationPolicy{Mode: mtls.RevocationRequired, Stale: mtls.StaleRefuse}
	production := *c
	production.Mode = modeProduction
	for name, tc := range map[string]struct {
		config Config
		change func(*Config)
		want   mtls.Policy
	}{
		"production": {config: production, want: mtls.Policy{Revocation: strict}},
		"test":       {config: *c, want: mtls.Policy{TestCards: mtls.Accept, UnknownIdentifiers: mtls.Accept, Revocation: strict}},
		"grace": {config: production, change: func(c *Config) { c.Trust.Stale = "grace:6h" },
			want: mtls.Policy{Revocation: mtls.RevocationPolicy{Mode: mtls.RevocationRequired, Stale: mtls.StaleGrace, Grace: 6 * time.Hour}}},
		"accept stale": {config: production, change: func(c *Config) { c.Trust.Stale = "accept" },
			want: mtls.Policy{Revocation: mtls.RevocationPolicy{Mode: mtls.RevocationRequired, Stale: mtls.StaleAccept}}},
		"off": {config: production, change: func(c *Config) { c.Trust.Revocation = "off" },
			want: mtls.Policy{Revocation: mtls.RevocationPolicy{Mode: mtls.RevocationOff, Stale: mtls.StaleRefuse}}},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.change != nil {
				tc.change(&tc.config)
			}
			got, err := loadPolicy(&tc.config, trust, quiet())
			if err != nil {
				t.Fatal(err)
			}
			got.Revocation.OCSP = ""
			if got.TestCards != tc.want.TestCards || got.UnknownIdentifiers != tc.want.UnknownIdentifiers || got.Revocation != tc.want.Revocation {
				t.Errorf("got %+v", got)
			}
		})
	}
}

// TestLinkedFiles: anchors and CRLs that are links, as in mounted volumes,
// count like any other.
func TestLinkedFiles(t *testing.T) {
	r := serveDemo(t, func(c *Config) {
		c.Trust.Anchors, c.Trust.CRLs = []string{linked(t, c.Trust.Anchors[0])}, linked(t, c.Trust.CRLs)
	})
	r.signedIn(t)
}

// linked is a folder of links to the files of another.
func linked(t *testing.T, folder string) string {
	t.Helper()
	links := t.TempDir()
	files, err := filesIn(folder)
	if err != nil || len(files) == 0 {
		t.Fatalf("%s: %v", folder, err)
	}
	for _, file := range files {
		if err := os.Symlink(file, filepath.Join(links, filepath.Base(file))); err != nil {
			t.Fatal(err)
		}
	}
	return links
}

// TestDemoLeavesNothing: Ctrl-C removes the temporary folder; a named one is
// made anew at each start, and somebody's own folder is not touched.
func TestDemoLeavesNothing(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	named := filepath.Join(t.TempDir(), "demo")
	for _, arguments := range [][]string{nil, {"--folder", named}, {"--folder", named}} {
		d := runDemo(t, arguments...)
		r := &running{demo: d.demo}
		r.signedIn(t)
		d.stop()
		if left, _ := os.ReadDir(temporary); len(left) > 0 {
			t.Errorf("%v: %s is left", arguments, left[0].Name())
		}
	}
	own := t.TempDir()
	write(t, filepath.Join(own, "thesis.txt"), []byte("mine"))
	env := &environment{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard, now: time.Now}
	if code := run(env, []string{"demo", "--port", "0", "--folder", own}); code != exitUnusable {
		t.Errorf("exit %d in somebody's own folder", code)
	}
	if _, err := os.Stat(filepath.Join(own, "thesis.txt")); err != nil {
		t.Error(err)
	}
}

// runDemo runs the command until stop is called.
func runDemo(t *testing.T, arguments ...string) *stoppable {
	t.Helper()
	reader, writer := io.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	env := &environment{ctx: ctx, stdout: writer, stderr: io.Discard, now: time.Now}
	ended := make(chan int, 1)
	go func() {
		ended <- run(env, append([]string{"demo", "--json", "--port", "0"}, arguments...))
		writer.Close()
	}()
	d := &stoppable{stop: func() {
		cancel()
		if code := <-ended; code != exitOK {
			t.Errorf("the demo ended with %d", code)
		}
	}}
	if err := json.NewDecoder(reader).Decode(&d.demo); err != nil {
		cancel()
		t.Fatalf("the demo announced nothing: %v", err)
	}
	pki, err := testpki.New(testpki.Options{Test: true})
	if err != nil {
		t.Fatal(err)
	}
	d.pki = pki // its server root is the same in every PKI
	return d
}

type stoppable struct {
	*demo
	stop func()
}
