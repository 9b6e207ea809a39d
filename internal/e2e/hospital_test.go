package e2e

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"cpsgate/internal/cardlab"
	"cpsgate/internal/chromium"
	"cpsgate/internal/testpki"
)

// hospital is one with a desk: a PKI, cpsgate on an empty database, a reader.
type hospital struct {
	t      *testing.T
	pki    *testpki.PKI
	folder string
	main   string // origins
	card   string
	admin  string
	lab    *cardlab.Lab
	reader *cardlab.Reader
	serve  *exec.Cmd
	node   string // names this server's own files
	asked  string // address that applications' proxies ask; "" = main's
}

// openHospital starts one. Change, if not nil, bends its configuration.
func openHospital(t *testing.T, change func(map[string]any)) *hospital {
	t.Helper()
	cardlab.NeedTokens(t)
	h := newHospital(t)
	h.lab = cardlab.Start(t, 1)
	h.reader = h.lab.Readers[0]
	h.configure(change)
	h.start()
	t.Cleanup(h.stop)
	return h
}

// newHospital is one whose server is not configured yet, and without a reader.
func newHospital(t *testing.T) *hospital {
	t.Helper()
	h := &hospital{t: t, folder: t.TempDir(), node: "server"}
	var err error
	if h.pki, err = testpki.New(testpki.Options{Test: true}); err != nil {
		t.Fatal(err)
	}
	h.main, h.card, h.admin = "https://sso.localhost:"+freePort(t), "https://cps.localhost:"+freePort(t), "127.0.0.1:"+freePort(t)
	h.files()
	h.publish(time.Now().Add(-time.Hour))
	return h
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

func (h *hospital) path(elements ...string) string {
	return filepath.Join(append([]string{h.folder}, elements...)...)
}

func (h *hospital) write(path string, content []byte) {
	h.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, content, 0o600)); err != nil {
		h.t.Fatal(err)
	}
}

func pemBlock(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// files writes the server's certificate and the authorities of cards.
func (h *hospital) files() {
	h.t.Helper()
	pair, err := h.pki.ServerCertificate("sso.localhost", "cps.localhost", "*.cps.localhost")
	if err != nil {
		h.t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		h.t.Fatal(err)
	}
	var chain []byte
	for _, der := range pair.Certificate {
		chain = append(chain, pemBlock("CERTIFICATE", der)...)
	}
	h.write(h.path("server.pem"), chain)
	h.write(h.path("server-key.pem"), pemBlock("PRIVATE KEY", key))
	h.write(h.path("root.pem"), pemBlock("CERTIFICATE", h.pki.ServerRoot().Raw))
	for i, c := range h.pki.CardIssuers() {
		h.write(h.path("anchors", string(rune('a'+i))+".pem"), pemBlock("CERTIFICATE", c.Raw))
	}
	for i, c := range h.pki.Roots() {
		h.write(h.path("authorities", string(rune('a'+i))+".pem"), pemBlock("CERTIFICATE", c.Raw))
	}
	if err := os.Mkdir(h.path("data"), 0o700); err != nil {
		h.t.Fatal(err)
	}
}

// publish puts CRLs of that time into the drop folder, each whole.
func (h *hospital) publish(at time.Time) {
	h.t.Helper()
	for _, authority := range h.pki.Authorities() {
		crl, err := authority.CRL(testpki.CRLSpec{ThisUpdate: at})
		if err != nil {
			h.t.Fatal(err)
		}
		partial := h.path("crls", "."+authority.Short)
		h.write(partial, crl)
		if err := os.Rename(partial, h.path("crls", authority.Short+".crl")); err != nil {
			h.t.Fatal(err)
		}
	}
}

// configure writes the configuration, as JSON, which is YAML too.
func (h *hospital) configure(change func(map[string]any)) {
	h.t.Helper()
	c := map[string]any{
		"mode": "test", "data": h.path("data"),
		"main": map[string]any{
			"listen": addressOf(h.main), "origin": h.main,
			"certificate": h.path("server.pem"), "key": h.path("server-key.pem"),
		},
		"card":  map[string]any{"listen": addressOf(h.card), "origin": h.card},
		"admin": map[string]any{"listen": h.admin},
		"trust": map[string]any{"anchors": []string{h.path("anchors")}, "intermediates": []string{h.path("authorities")}, "crls": h.path("crls")},
		"desk":  map[string]any{"self_enrolment": "keys"},
		"pages": map[string]any{"name": "Hôpital Exemple", "support_label": "service informatique", "support_phone": "01 99 00 00 00"},
	}
	if change != nil {
		change(c)
	}
	text, err := json.Marshal(c)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(h.path(h.node+".yaml"), text)
}

// addressOf is where the server of an origin listens.
func addressOf(origin string) string { return "127.0.0.1:" + origin[len(origin)-portLength(origin):] }

func portLength(origin string) int { return len(origin) - 1 - bytes.LastIndexByte([]byte(origin), ':') }

// clean is an environment without variables that cpsgate would read.
func clean() []string { return []string{"PATH=" + os.Getenv("PATH")} }

// start runs `cpsgate serve` and waits until it is ready.
func (h *hospital) start() {
	h.t.Helper()
	log, err := os.OpenFile(h.path(h.node+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer log.Close()
	h.serve = exec.CommandContext(context.Background(), program, "serve", "--config", h.path(h.node+".yaml"))
	h.serve.Stdout, h.serve.Stderr, h.serve.Env = log, log, clean()
	if err := h.serve.Start(); err != nil {
		h.t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		response, err := http.Get("http://" + h.admin + "/readyz")
		if err != nil {
			continue
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return
		}
	}
	text, _ := os.ReadFile(h.path(h.node + ".log"))
	h.t.Fatalf("cpsgate is not ready after 20 s:\n%s", text)
}

// stop ends the server as Ctrl-C does.
func (h *hospital) stop() {
	if h.serve == nil || h.serve.ProcessState != nil {
		return
	}
	_ = h.serve.Process.Signal(syscall.SIGINT)
	if err := h.serve.Wait(); err != nil {
		h.t.Errorf("cpsgate did not end well: %v", err)
	}
	if h.t.Failed() {
		text, _ := os.ReadFile(h.path(h.node + ".log"))
		h.t.Logf("%s.log:\n%s", h.node, text)
	}
}

// cpsgate runs one of its commands.
func (h *hospital) cpsgate(args ...string) string {
	h.t.Helper()
	command := exec.Command(program, args...)
	command.Env = clean()
	out, err := command.CombinedOutput()
	if err != nil {
		h.t.Fatalf("cpsgate %q: %v\n%s", args, err, out)
	}
	return string(out)
}

// browserOf starts a Chromium with somebody's card, its PIN typed.
func (h *hospital) browserOf(card *testpki.Card) *chromium.Tab {
	h.t.Helper()
	p12, err := testpki.PKCS12(card.Authentication, nil, "demo")
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(h.path(card.IdNat+".p12"), p12)
	home := chromium.NewHome(h.t)
	home.Trust(h.t, h.path("root.pem"))
	home.Import(h.t, h.path(card.IdNat+".p12"), "demo")
	home.Choose("https://[*.]cps.localhost", card.IdNat)
	return chromium.Start(h.t, home).Tab(h.t)
}
