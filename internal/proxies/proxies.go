package proxies

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"
)

// needAll is the variable that forbids skipping; make test sets it to 1.
const needAll = "CPSGATE_TEST_ALL"

// need skips the test where a program is missing, or fails it where nothing may
// be skipped.
func need(t testing.TB, program, debian string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv(needAll) != "" {
		t.Fatalf("%s is missing; the Debian package %s brings it", program, debian)
	}
	t.Skipf("needs %s, of the Debian package %s", program, debian)
	return ""
}

// FreeAddress gives a loopback address that nothing listens on.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// startTime is how long a program may take until it answers on a busy machine.
const startTime = 30 * time.Second

// run starts a program that is to listen on the address, and ends it with the
// test. What it said is told where the test fails.
func run(t testing.TB, address string, command *exec.Cmd) {
	t.Helper()
	said := &output{}
	command.Stdout, command.Stderr = said, said
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C at the tests is not theirs
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	gone := make(chan error, 1)
	go func() { gone <- command.Wait() }()
	t.Cleanup(func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		select {
		case <-gone:
		case <-time.After(startTime):
			_ = command.Process.Kill()
			t.Errorf("%s did not end", command.Path)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", filepath.Base(command.Path), said.String())
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), startTime)
	defer cancel()
	for ctx.Err() == nil {
		if c, err := new(net.Dialer).DialContext(ctx, "tcp", address); err == nil {
			c.Close()
			return
		}
		select {
		case err := <-gone:
			gone <- err
			t.Fatalf("%s ended before it listened: %v\n%s", command.Path, err, said.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatalf("%s does not listen on %s", command.Path, address)
}

// output gathers what a program says.
type output struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// WritePair writes a certificate with its chain and its key as PEM files into a
// folder: name.pem and name.key.
func WritePair(t testing.TB, folder, name string, pair tls.Certificate) (certificate, key string) {
	t.Helper()
	var chain []byte
	for _, der := range pair.Certificate {
		chain = append(chain, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	return WriteFile(t, folder, name+".pem", chain), WriteFile(t, folder, name+".key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// WriteRoot writes a root certificate as a PEM file into a folder.
func WriteRoot(t testing.TB, folder string, root *x509.Certificate) string {
	t.Helper()
	return WriteFile(t, folder, "root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}))
}

// WriteFile writes a file for its owner into a folder, and gives its path.
func WriteFile(t testing.TB, folder, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
