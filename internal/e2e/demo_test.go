package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cpsgate/internal/chromium"
)

// program is the cpsgate binary, built once.
var program string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	folder, err := os.MkdirTemp("", "cpsgate-e2e-")
	if err != nil {
		os.Stderr.WriteString(err.Error())
		return 1
	}
	defer os.RemoveAll(folder)
	program = filepath.Join(folder, "cpsgate")
	build := exec.Command("go", "build", "-o", program, "cpsgate/cmd/cpsgate")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		os.Stderr.Write(out)
		return 1
	}
	return m.Run()
}

// demo is what `cpsgate demo --json` announces.
type demo struct {
	Main, Card, Admin, Folder, Config, Root, Script string
	Cards                                           []struct{ File, Password, State, Holder, IdNat string }

	command *exec.Cmd
}

// startDemo runs the demo on free ports, as `make demo` does, until the test
// ends.
func startDemo(t *testing.T) *demo {
	t.Helper()
	folder := t.TempDir()
	d := &demo{command: exec.CommandContext(context.Background(), program, "demo", "--json", "--port", "0", "--folder", folder)}
	d.command.Stderr = os.Stderr
	out, err := d.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := d.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.stop(t) })
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatalf("the demo announced nothing: %v", err)
	}
	if err := json.Unmarshal(line, d); err != nil {
		t.Fatalf("%v: %s", err, line)
	}
	t.Logf("demo ready after %v", time.Since(began)) // a figure, not a verdict: it depends on what else runs
	return d
}

// stop ends the demo as Ctrl-C does.
func (d *demo) stop(t *testing.T) {
	if d.command.ProcessState != nil {
		return
	}
	_ = d.command.Process.Signal(syscall.SIGINT)
	if err := d.command.Wait(); err != nil {
		t.Errorf("the demo did not end well: %v", err)
	}
	if t.Failed() {
		if log, err := os.ReadFile(filepath.Join(d.Folder, "demo.log")); err == nil {
			t.Logf("demo.log:\n%s", log)
		}
	}
}

func (d *demo) card(t *testing.T, state string) (file, password, holder, idNat string) {
	t.Helper()
	for _, c := range d.Cards {
		if c.State == state {
			return c.File, c.Password, c.Holder, c.IdNat
		}
	}
	t.Fatalf("the demo has no %s card", state)
	return "", "", "", ""
}

// browserWith starts a Chromium whose only card is the one of that state.
func (d *demo) browserWith(t *testing.T, state string, environment ...string) *chromium.Browser {
	t.Helper()
	file, password, _, idNat := d.card(t, state)
	home := chromium.NewHome(t)
	home.Trust(t, d.Root)
	home.Import(t, file, password)
	home.Choose("https://[*.]cps.localhost", idNat)
	return chromium.Start(t, home, environment...)
}

func wantText(t *testing.T, tab *chromium.Tab, selector, want string) {
	t.Helper()
	if got := tab.Text(selector); !strings.Contains(got, want) {
		t.Errorf("%s says %q, want %q in it", selector, got, want)
	}
}
