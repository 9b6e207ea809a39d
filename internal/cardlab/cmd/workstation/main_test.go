package main_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"cpsgate/internal/cardlab"
	"cpsgate/internal/chromium"
)

// programs is where the programs under test are, built once.
var programs string

// lacking is why cardside could not be built, with its C parts.
var lacking error

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	var err error
	if programs, err = os.MkdirTemp("", "workstation"); err != nil {
		os.Stderr.WriteString(err.Error())
		return 1
	}
	defer os.RemoveAll(programs)
	if err := build("CGO_ENABLED=0", "cpsgate/cmd/cpsgate", "cpsgate/internal/cardlab/cmd/workstation"); err != nil {
		os.Stderr.WriteString(err.Error())
		return 1
	}
	lacking = build("CGO_ENABLED=1", "cpsgate/cmd/cardside")
	return m.Run()
}

func build(environment string, packages ...string) error {
	command := exec.Command("go", append([]string{"build", "-o", programs}, packages...)...)
	command.Env = append(os.Environ(), environment)
	if out, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("building %v: %w\n%s", packages, err, out)
	}
	return nil
}

// needCardside skips the test where cardside cannot be built.
func needCardside(t *testing.T) {
	t.Helper()
	if lacking != nil && os.Getenv(chromium.NeedAll) != "" {
		t.Fatal(lacking)
	} else if lacking != nil {
		t.Skip(lacking)
	}
}

func built(name string) string { return filepath.Join(programs, name) }

// running is a demo with its workstation, as make demo starts it.
type running struct {
	Folder, Start, Lacking, Environment, Cardside, Module, Token, PIN, Reader, Empty, State string

	Variables []string
	Server    struct {
		Main, Root, Script string
		Cards              []struct{ State, IdNat, File, Password string }
		ContactCard        struct{ Number, IdNat, Holder, File string }
	}

	t       *testing.T
	command *exec.Cmd
	input   io.Writer
	output  *bufio.Reader
}

// start runs the demo until the test ends.
func start(t *testing.T) *running {
	t.Helper()
	cardlab.Need(t)
	cardlab.NeedTokens(t)
	return launch(t)
}

// launch is start on whatever machine there is.
func launch(t *testing.T, environment ...string) *running {
	t.Helper()
	r := &running{t: t, command: exec.Command(built("workstation"), "--json", "--cardside", built("cardside"), built("cpsgate"), "--port", "0")}
	r.command.Env = slices.Concat(os.Environ(), []string{"TMPDIR=" + t.TempDir()}, environment)
	r.command.Stderr = os.Stderr
	out, err := r.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if r.input, err = r.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := r.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	r.output = bufio.NewReader(out)
	if err := json.Unmarshal([]byte(r.line()), r); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *running) line() string {
	r.t.Helper()
	line, err := r.output.ReadString('\n')
	if err != nil {
		r.t.Fatalf("it announced nothing more: %v", err)
	}
	return line
}

// stop ends it as Ctrl-C does.
func (r *running) stop() {
	if r.command.ProcessState != nil {
		return
	}
	_ = r.command.Process.Signal(syscall.SIGINT)
	if err := r.command.Wait(); err != nil {
		r.t.Errorf("it did not end well: %v", err)
	}
}

// shell runs a command line as the announcement tells people to: in a shell that
// has read the environment file.
func (r *running) shell(line string) string {
	r.t.Helper()
	command := exec.CommandContext(r.t.Context(), "sh", "-c", `. "$1"; `+line, "sh", r.Environment)
	command.Env = append(os.Environ(), "LC_ALL=fr_FR.UTF-8")
	out, err := command.CombinedOutput()
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}

// TestWorkstation: what the announcement tells people to type works, on a card
// service that is its own.
func TestWorkstation(t *testing.T) {
	needCardside(t)
	r := start(t)
	number := r.Server.ContactCard.Number
	if r.Token != "CPS4v1-"+number {
		t.Errorf("the token is called %s", r.Token)
	}
	for _, want := range []struct{ line, says string }{
		{"cardside readers", r.Reader + "\n  Carte         CPS4\n  Numéro        8025000001/" + number},
		{"cardside info", "CPS4 dans « " + r.Reader + " » (T=1)\nÉtat                vierge"},
		{"cardside doctor", "✓ Certificat par PKCS#11 : CPS4v1-" + number},
		{"cardside doctor", "Rien à signaler."},
		{"cardside info --json", `"blank": true`},
	} {
		if said := r.shell(want.line); !strings.Contains(said, want.says) {
			t.Errorf("%s lacks %q:\n%s", want.line, want.says, said)
		}
	}
	if !strings.Contains(r.shell(`printf '246810\n' | cardside pin set --pin-fd 0`), "Le code FIDO2 est en place") {
		t.Error("no PIN could be set")
	}
	if said := r.shell("cardside info"); strings.Contains(said, "vierge") {
		t.Errorf("the card is blank after its PIN was set:\n%s", said)
	}
	if _, err := os.Stat(r.State); err != nil {
		t.Errorf("the card is kept in no file: %v", err)
	}
}

// A line on its input takes the card out, another puts it back.
func TestCardOutAndIn(t *testing.T) {
	needCardside(t)
	r := start(t)
	for _, want := range []struct{ says, then string }{
		{"La carte est retirée", "pas de carte"},
		{"La carte est dans le lecteur", "CPS4"},
	} {
		if _, err := io.WriteString(r.input, "\n"); err != nil {
			t.Fatal(err)
		}
		if said := r.line(); !strings.Contains(said, want.says) {
			t.Errorf("it said %q", said)
		}
		readers := r.shell("cardside readers")
		if first, _, _ := strings.Cut(readers, r.Empty); !strings.Contains(first, want.then) {
			t.Errorf("readers:\n%s", readers)
		}
	}
}

// It leaves nothing behind: no service, no server, no file.
func TestEndsWhole(t *testing.T) {
	r := start(t)
	sockets := []string{}
	for _, v := range r.Variables {
		if name, path, _ := strings.Cut(v, "="); name == "PCSCLITE_CSOCK_NAME" {
			sockets = append(sockets, path)
		}
	}
	if len(sockets) != 1 {
		t.Fatalf("sockets of the card service: %v", sockets)
	}
	began := time.Now()
	r.stop()
	t.Logf("ended after %v", time.Since(began))
	for _, path := range append(sockets, r.Folder) {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is left: %v", path, err)
		}
	}
	left, err := filepath.Glob(filepath.Dir(r.Folder) + "/*")
	if err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
}

// Without the packages for a workstation the server runs all the same, and what
// is missing is named.
func TestWithoutPackages(t *testing.T) {
	command := exec.Command(built("workstation"), built("cpsgate"), "--port", "0")
	command.Env = []string{"TMPDIR=" + t.TempDir(), "PATH=" + t.TempDir()} // no compiler, no unshare
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "are missing here") {
			_ = command.Process.Signal(syscall.SIGINT)
		}
	}
	if err := command.Wait(); err != nil {
		t.Errorf("it did not end well: %v", err)
	}
	for _, want := range []string{"cpsgate est prêt", "apt-get install", " util-linux", " gcc"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("it does not say %q:\n%s", want, said.String())
		}
	}
}

func TestUnusable(t *testing.T) {
	for _, tc := range []struct {
		name      string
		arguments []string
		code      int
	}{
		{"no server named", nil, 2},
		{"an unknown flag", []string{"--loud", built("cpsgate")}, 2},
		{"no such server", []string{"/nowhere/cpsgate"}, 1},
		{"a server that does not start", []string{built("cpsgate"), "--port", "x"}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			command := exec.Command(built("workstation"), tc.arguments...)
			command.Env = append(os.Environ(), "TMPDIR="+t.TempDir())
			if out, _ := command.CombinedOutput(); command.ProcessState.ExitCode() != tc.code {
				t.Errorf("exit code %d, want %d:\n%s", command.ProcessState.ExitCode(), tc.code, out)
			}
		})
	}
}
