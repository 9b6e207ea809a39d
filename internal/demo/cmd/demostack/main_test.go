package main_test

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// program is the binary under test, built once.
var program string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	folder, err := os.MkdirTemp("", "demostack")
	if err != nil {
		os.Stderr.WriteString(err.Error())
		return 1
	}
	defer os.RemoveAll(folder)
	program = filepath.Join(folder, "demostack")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		os.Stderr.Write(out)
		return 1
	}
	return m.Run()
}

// says runs the program to its end.
func says(t *testing.T, args ...string) (code int, said string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, args...)
	out, err := command.CombinedOutput()
	if err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	return command.ProcessState.ExitCode(), string(out)
}

// TestMakeThenServe is what the containers run, one after the other.
func TestMakeThenServe(t *testing.T) {
	folder := t.TempDir()
	config := filepath.Join(folder, "given.yaml")
	if err := os.WriteFile(config, []byte("mode: test\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"made: secrets", "all there from before"} {
		code, said := says(t, "make", "--in", folder, "--config", config, "--sign-on", "sso.localhost", "--card", "cps.localhost", "--edge", "app1.localhost,app2.localhost")
		if code != 0 || !strings.Contains(said, want) {
			t.Fatalf("make: %d %s", code, said)
		}
	}
	in := func(name string) string { return filepath.Join(folder, name) }
	for name, tc := range map[string]struct {
		args []string
		path string
	}{
		"the PKI's host": {[]string{"pki", "--public", in("public"), "--directory", "127.0.0.1:0"}, "/CRL/ACI-FO-PP-TEST.crl"},
		"the start page": {[]string{"start", "--public", in("public"), "--at", "http://localhost", "--sign-on", "https://sso.localhost", "--application-1", "https://a.localhost", "--application-2", "https://b.localhost"}, "/"},
		"application 1":  {[]string{"headers"}, "/"},
		"application 2": {[]string{"client", "--issuer", "https://sso.localhost", "--origin", "https://b.localhost", "--client-id", "agenda",
			"--secret-file", in("client/client-secret"), "--root", in("client/root.pem")}, "/"},
	} {
		t.Run(name, func(t *testing.T) {
			address := free(t)
			command := exec.CommandContext(context.Background(), program, append(tc.args, "--listen", address)...)
			command.Stderr = os.Stderr
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			url := "http://" + address + tc.path
			answered(t, url)
			if code, said := says(t, "health", url); code != 0 {
				t.Errorf("health: %d %s", code, said)
			}
			if code, _ := says(t, "health", url+"elsewhere/nowhere"); code != 1 {
				t.Errorf("health of what is not there: %d", code)
			}
			if err := command.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			if err := command.Wait(); err != nil {
				t.Errorf("it did not end well: %v", err)
			}
		})
	}
}

// free is an address that was free a moment ago.
func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func answered(t *testing.T, url string) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(30 * time.Millisecond) {
		if response, err := http.Get(url); err == nil {
			response.Body.Close()
			return
		}
	}
	t.Fatalf("%s does not answer", url)
}

func TestExitCodes(t *testing.T) {
	for _, tc := range []struct {
		name string
		args []string
		code int
	}{
		{"no command", nil, 2},
		{"an unknown command", []string{"dance"}, 2},
		{"help", []string{"--help"}, 0},
		{"no cards made", []string{"pki", "--public", "/nowhere"}, 1},
		{"no secret", []string{"client", "--issuer", "https://x", "--origin", "https://y", "--client-id", "z", "--secret-file", "/nowhere", "--root", "/nowhere"}, 1},
		{"nothing answers", []string{"health", "http://127.0.0.1:1/"}, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if code, said := says(t, tc.args...); code != tc.code {
				t.Errorf("exit %d, want %d: %s", code, tc.code, said)
			}
		})
	}
}
