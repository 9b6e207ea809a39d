package e2e

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"cpsgate/internal/cardlab"
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
