//go:build compose

package stack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cpsgate/internal/chromium"
)

// project keeps the test's containers and volumes apart from a demonstration's.
const project = "cpsgate-test"

// Limits of what is waited for.
const (
	upTime   = 20 * time.Minute // images built from nothing, on two cores
	downTime = 2 * time.Minute
	execTime = time.Minute
	logLines = "60"
)

// compose is the command line of whichever Compose is installed, for the
// demonstration.
func compose(ctx context.Context, args ...string) *exec.Cmd {
	return composeOf(ctx, filepath.Join("..", "..", "..", "compose.yaml"), args...)
}

func composeOf(ctx context.Context, file string, args ...string) *exec.Cmd {
	command := []string{"docker-compose"}
	if exec.CommandContext(ctx, "docker", "compose", "version").Run() == nil {
		command = []string{"docker", "compose"}
	}
	command = append(append(command, "--project-name", project, "--file", file), args...)
	return exec.CommandContext(ctx, command[0], command[1:]...)
}

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

// testMain brings the stack up from nothing, and takes all of it down again.
func testMain(m *testing.M) int {
	if err := run(downTime, "down", "--volumes", "--remove-orphans"); err != nil { // of a run that was cut off
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		if err := run(downTime, "down", "--volumes", "--remove-orphans", "--timeout", "5"); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}()
	began := time.Now()
	if err := run(upTime, "build"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	built := time.Now()
	if err := run(upTime, "up", "--detach"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		showLogs()
		return 1
	}
	fmt.Fprintf(os.Stderr, "images after %s, all up after another %s\n", built.Sub(began).Round(time.Second), time.Since(built).Round(time.Second))
	code := m.Run()
	if code != 0 {
		showLogs()
	}
	return code
}

// run runs a compose command; its output is the error's, and shown only then.
func run(limit time.Duration, args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	out, err := compose(ctx, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("compose %s: %w\n%s", strings.Join(args, " "), err, tail(out, 60))
	}
	return nil
}

// tail is the last lines of what a program said.
func tail(said []byte, lines int) []byte {
	all := bytes.Split(bytes.TrimSpace(said), []byte("\n"))
	return bytes.Join(all[max(0, len(all)-lines):], []byte("\n"))
}

func showLogs() {
	for _, args := range [][]string{{"ps"}, {"logs", "--no-color", "--tail", logLines}} {
		ctx, cancel := context.WithTimeout(context.Background(), execTime)
		out, err := compose(ctx, args...).CombinedOutput()
		cancel()
		fmt.Fprintf(os.Stderr, "---- compose %s (%v)\n%s\n", args[0], err, out)
	}
}

// fetched is a file of the start page, as a person downloads it.
func fetched(t *testing.T, path string) (file string) {
	t.Helper()
	response, err := http.Get(start + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s %v", path, response.Status, err)
	}
	file = filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// visitor is somebody's browser, which holds their card.
func visitor(t *testing.T, card, idNat string) *chromium.Tab {
	t.Helper()
	home := chromium.NewHome(t)
	home.Trust(t, fetched(t, "/root.pem"))
	home.Import(t, fetched(t, "/cards/"+card+".p12"), "demo")
	home.Choose("https://[*.]cps.localhost", idNat)
	return chromium.Start(t, home).Tab(t)
}

// desk runs a program at the workstation, with lines typed into it.
func desk(t *testing.T, typed string, args ...string) *exec.Cmd {
	t.Helper()
	command := compose(t.Context(), append([]string{"exec", "-T", "desk"}, args...)...)
	command.Stdin = strings.NewReader(typed)
	return command
}

// workstation runs cardside to its end and reads its result.
func workstation(t *testing.T, into any, typed string, args ...string) {
	t.Helper()
	command := desk(t, typed, append([]string{"cardside", "--json"}, args...)...)
	var said bytes.Buffer
	command.Stderr = &said
	out, err := command.Output()
	if err != nil {
		t.Fatalf("cardside %s: %v\n%s\n%s", strings.Join(args, " "), err, out, &said)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("cardside %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// healthy waits until a service answers its health check.
func healthy(t *testing.T, service string) {
	t.Helper()
	id, err := compose(t.Context(), "ps", "--quiet", service).Output()
	if err != nil {
		t.Fatal(err)
	}
	var said []byte
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(500 * time.Millisecond) {
		said, err = exec.CommandContext(t.Context(), "docker", "inspect", "--format", "{{.State.Health.Status}}", strings.TrimSpace(string(id))).Output()
		if err == nil && strings.TrimSpace(string(said)) == "healthy" {
			return
		}
	}
	t.Fatalf("%s is %s after a minute (%v)", service, said, err)
}

// follow clicks on a step of the start page.
func follow(tab *chromium.Tab, step string) {
	tab.Go(start)
	tab.Click(`[data-step="` + step + `"]`)
}

// pictures are taken where CPSGATE_PICTURES names a folder.
func pictures(t *testing.T, tab *chromium.Tab, name string) {
	t.Helper()
	folder := os.Getenv("CPSGATE_PICTURES")
	if folder == "" {
		return
	}
	for _, view := range []struct {
		name   string
		width  int64
		scheme string
	}{{"", 1280, "light"}, {"-phone-dark", 390, "dark"}} {
		tab.View(view.width, 844, view.scheme)
		tab.Picture(filepath.Join(folder, name+view.name+".png"))
	}
	tab.View(1280, 844, "light")
}
