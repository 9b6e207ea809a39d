// Package chromium runs a real Chromium for tests: headless, quiet, with a
// home of its own that holds certificates in an NSS database, and a virtual
// authenticator by the DevTools protocol.
//
// It fakes the far end of two wires only: the PKCS#12 file stands for a card
// whose PIN was typed, the virtual authenticator for a FIDO2 card. The
// browser, its TLS stack and its WebAuthn code are the real ones.
package chromium

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// packages names what a Debian machine needs for this package.
const packages = "chromium libnss3-tools"

// NeedAll is the environment variable that turns a missing program from a
// skip into a failure; make test sets it.
const NeedAll = "CPSGATE_TEST_ALL"

// Need skips the test where the browser or its tools are missing, or fails it
// where NeedAll is set.
func Need(t testing.TB) {
	t.Helper()
	for _, name := range []string{"chromium", "certutil", "pk12util"} {
		needProgram(t, name, packages)
	}
}

// needProgram skips the test where a program is missing, or fails it where
// NeedAll is set.
func needProgram(t testing.TB, name, debian string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv(NeedAll) != "" {
		t.Fatalf("%s is missing; Debian brings it with %s", name, debian)
	}
	t.Skipf("needs %s, of Debian's %s", name, debian)
}

// Home is a browser user's home folder.
type Home struct {
	dir  string
	nss  string
	pick map[string]any // URL pattern → certificate filters
}

// NewHome makes a home with an empty certificate database.
func NewHome(t testing.TB) *Home {
	t.Helper()
	dir, err := os.MkdirTemp("", "chromium") // not t.TempDir: the browser may write while it dies
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	db := filepath.Join(dir, ".pki", "nssdb")
	if err := os.MkdirAll(db, 0o700); err != nil {
		t.Fatal(err)
	}
	h := &Home{dir: dir, nss: "sql:" + db, pick: map[string]any{}}
	command(t, "certutil", "-N", "--empty-password", "-d", h.nss)
	return h
}

// Trust lets the browser accept servers certified by the PEM certificate in file.
func (h *Home) Trust(t testing.TB, file string) {
	t.Helper()
	command(t, "certutil", "-A", "-d", h.nss, "-n", filepath.Base(file), "-t", "C,,", "-i", file)
}

// Import puts a PKCS#12 file into the database, as a user would.
func (h *Home) Import(t testing.TB, file, password string) {
	t.Helper()
	command(t, "pk12util", "-i", file, "-d", h.nss, "-W", password, "-K", "")
}

// Choose answers the certificate dialog for a URL pattern such as
// "https://[*.]cps.localhost" with the certificate of the given subject CN.
func (h *Home) Choose(pattern, commonName string) {
	h.pick[pattern+",*"] = map[string]any{"setting": map[string]any{
		"filters": []any{map[string]any{"SUBJECT": map[string]any{"CN": commonName}}},
	}}
}

// writePreferences must run before the browser starts.
func (h *Home) writePreferences(t testing.TB) {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"profile": map[string]any{"content_settings": map[string]any{
		"exceptions": map[string]any{"auto_select_certificate": h.pick},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(h.profile(), "Default")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "Preferences"), raw, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (h *Home) profile() string { return filepath.Join(h.dir, "profile") }

func command(t testing.TB, name string, args ...string) {
	t.Helper()
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}
