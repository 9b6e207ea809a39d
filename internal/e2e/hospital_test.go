package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"cpsgate/internal/cardlab"
	"cpsgate/internal/chromium"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
)

// helper builds cardside, once, with its engines.
var helper = sync.OnceValues(func() (string, error) {
	path := filepath.Join(filepath.Dir(program), "cardside")
	build := exec.Command("go", "build", "-o", path, "cpsgate/cmd/cardside")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return path, nil
})

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
}

// openHospital starts one. Change, if not nil, bends its configuration.
func openHospital(t *testing.T, change func(map[string]any)) *hospital {
	t.Helper()
	cardlab.NeedTokens(t)
	h := &hospital{t: t, folder: t.TempDir(), lab: cardlab.Start(t, 1)}
	h.reader = h.lab.Readers[0]
	var err error
	if h.pki, err = testpki.New(testpki.Options{Test: true}); err != nil {
		t.Fatal(err)
	}
	h.main, h.card, h.admin = "https://sso.localhost:"+freePort(t), "https://cps.localhost:"+freePort(t), "127.0.0.1:"+freePort(t)
	h.files()
	h.publish(time.Now().Add(-time.Hour))
	h.configure(change)
	h.start()
	t.Cleanup(h.stop)
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
	address := func(origin string) string { return "127.0.0.1:" + origin[len(origin)-portLength(origin):] }
	c := map[string]any{
		"mode": "test", "data": h.path("data"),
		"main": map[string]any{
			"listen": address(h.main), "origin": h.main,
			"certificate": h.path("server.pem"), "key": h.path("server-key.pem"),
		},
		"card":  map[string]any{"listen": address(h.card), "origin": h.card},
		"admin": map[string]any{"listen": h.admin},
		"trust": map[string]any{"anchors": []string{h.path("anchors")}, "intermediates": []string{h.path("authorities")}, "crls": h.path("crls")},
		"pages": map[string]any{"name": "Hôpital Exemple", "support_label": "service informatique", "support_phone": "01 99 00 00 00"},
		"desk":  map[string]any{"grant": "alone"},
	}
	if change != nil {
		change(c)
	}
	text, err := json.Marshal(c)
	if err != nil {
		h.t.Fatal(err)
	}
	h.write(h.path("cpsgate.yaml"), text)
}

func portLength(origin string) int { return len(origin) - 1 - bytes.LastIndexByte([]byte(origin), ':') }

// clean is an environment without variables that cpsgate would read.
func clean() []string { return []string{"PATH=" + os.Getenv("PATH")} }

// start runs `cpsgate serve` and waits until it is ready.
func (h *hospital) start() {
	h.t.Helper()
	log, err := os.OpenFile(h.path("server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer log.Close()
	h.serve = exec.CommandContext(context.Background(), program, "serve", "--config", h.path("cpsgate.yaml"))
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
	text, _ := os.ReadFile(h.path("server.log"))
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
		text, _ := os.ReadFile(h.path("server.log"))
		h.t.Logf("server.log:\n%s", text)
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
	h.write(h.path("operator.p12"), p12)
	home := chromium.NewHome(h.t)
	home.Trust(h.t, h.path("root.pem"))
	home.Import(h.t, h.path("operator.p12"), "demo")
	home.Choose("https://[*.]cps.localhost", card.IdNat)
	return chromium.Start(h.t, home).Tab(h.t)
}

// professional is somebody with a new card: in the reader, and as PKCS#11 sees
// it.
type professional struct {
	*hospital
	card  *testpki.Card
	token cardlab.Token
	chip  *virtualcard.Card
}

// comes makes somebody a card and puts it into the reader.
func (h *hospital) comes(spec testpki.CardSpec, options virtualcard.Options) *professional {
	h.t.Helper()
	card, err := h.pki.Card(spec)
	if err != nil {
		h.t.Fatal(err)
	}
	p := &professional{hospital: h, card: card, token: cardlab.NewToken(h.t, card, cardlab.TokenOptions{PIN: holderCode})}
	options.Protocol, options.KeepATR = virtualcard.T1, true
	if p.chip, err = virtualcard.New(options); err != nil {
		h.t.Fatal(err)
	}
	h.reader.Put(h.t, p.chip)
	return p
}

// The codes that people type here.
const (
	holderCode = "1234"
	fidoPIN    = "271828"
)

// workstation is a running cardside. Its PINs are typed into pipes.
type workstation struct {
	t       *testing.T
	command *exec.Cmd
	cardPIN *os.File
	pin     *os.File
	out     *bufio.Reader
	said    bytes.Buffer // standard error
	waited  sync.Once
}

// cardside starts it: descriptor 3 is for the holder code, 4 for FIDO2 PINs.
func (p *professional) cardside(args ...string) *workstation {
	p.t.Helper()
	path, err := helper()
	if err != nil {
		p.t.Fatal(err)
	}
	w := &workstation{t: p.t}
	var ends [2]*os.File
	if ends[0], w.cardPIN, err = os.Pipe(); err == nil {
		ends[1], w.pin, err = os.Pipe()
	}
	if err != nil {
		p.t.Fatal(err)
	}
	args = append(args, "--server", p.main, "--server-ca", p.path("root.pem"), "--reader", p.reader.Name, "--json")
	w.command = exec.CommandContext(context.Background(), path, args...)
	w.command.Env = append(append(os.Environ(), p.lab.Env()...), p.token.Env()...)
	w.command.ExtraFiles = ends[:]
	w.command.Stderr = &w.said
	pipe, err := w.command.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	w.out = bufio.NewReader(pipe)
	if err := w.command.Start(); err != nil {
		p.t.Fatal(err)
	}
	for _, end := range ends {
		end.Close()
	}
	p.t.Cleanup(func() {
		w.cardPIN.Close()
		w.pin.Close()
		_ = w.command.Process.Kill()
		w.waited.Do(func() { _ = w.command.Wait() })
	})
	return w
}

// types writes a line for a program that waits for it.
func (w *workstation) types(into *os.File, line string) {
	w.t.Helper()
	if _, err := io.WriteString(into, line+"\n"); err != nil {
		w.t.Fatal(err)
	}
}

// reads takes one JSON value of its output.
func (w *workstation) reads(into any) {
	w.t.Helper()
	if err := json.NewDecoder(w.out).Decode(into); err != nil {
		w.t.Fatalf("cardside said nothing that can be read: %v\n%s", err, &w.said)
	}
}

// ends waits for its end, and wants that code.
func (w *workstation) ends(code int) {
	w.t.Helper()
	w.waited.Do(func() { _ = w.command.Wait() })
	if got := w.command.ProcessState.ExitCode(); got != code {
		w.t.Fatalf("cardside ended with %d, want %d\n%s", got, code, &w.said)
	}
}
