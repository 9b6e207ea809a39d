package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cpsgate/internal/chromium"
	"cpsgate/internal/proxies"
)

// integratePage is what an integrator follows.
const integratePage = "../../docs/integrate.md"

// TestIntegrateByHand: the lines of docs/integrate.md, in a shell, against the
// demo, with a real browser between them: from nothing to who signed in.
func TestIntegrateByHand(t *testing.T) {
	chromium.Need(t)
	for _, program := range []string{"curl", "openssl"} {
		if _, err := exec.LookPath(program); err != nil && os.Getenv(chromium.NeedAll) == "" {
			t.Skip("needs " + program)
		}
	}
	d := startDemo(t)
	back := httptest.NewServer(http.NotFoundHandler()) // a browser without a window has no address bar to read after an error
	t.Cleanup(back.Close)
	lines := func(name string, values ...string) string {
		return proxies.Snippet(t, integratePage, name, values...)
	}
	here := filepath.Dir(d.Folder)
	if err := os.Symlink(d.Folder, filepath.Join(here, "demo")); err != nil {
		t.Fatal(err)
	}
	ask := lines("try-register", "bin/cpsgate", program, "http://127.0.0.1:8899", back.URL) + "\n" +
		lines("try-ask", "https://sso.localhost:8443", d.Main, "http://127.0.0.1:8899", back.URL)
	said := shellIn(t, here, ask+"\nprintf %s \"$verifier\" > demo/verifier\n")
	at := strings.LastIndex(said, "\n"+d.Main+"/oauth/authorize?")
	if at < 0 || !strings.Contains(said, `"issuer":"`+d.Main+`"`) {
		t.Fatalf("it said:\n%s", said)
	}
	tab := d.browserWith(t, "good").Tab(t)
	tab.Go(strings.TrimSpace(said[at:]))
	tab.WaitFor(`a[data-door="card"]`)
	tab.Click(`a[data-door="card"]`)
	tab.Until("back at the application", `location.href.startsWith("`+back.URL+`/callback?")`)
	code := chromium.Eval[string](tab, `new URL(location.href).searchParams.get("code") + " " + new URL(location.href).searchParams.get("iss")`)
	code, issuer, _ := strings.Cut(code, " ")
	if issuer != d.Main {
		t.Errorf("iss is %s", issuer)
	}
	said = shellIn(t, here, "verifier=$(cat demo/verifier)\n"+
		lines("try-redeem", "https://sso.localhost:8443", d.Main, "http://127.0.0.1:8899", back.URL, "code=CODE", "code="+code))
	_, _, _, idNat := d.card(t, "good")
	var who struct{ SubjectNameID, Name string }
	if err := json.Unmarshal([]byte(said), &who); err != nil || who.SubjectNameID != idNat || who.Name == "" {
		t.Errorf("it is %+v (%v): %s", who, err, said)
	}
}

// TestIntegrateRegisters: the command that registers an application, by secret,
// word for word, and the one for an application by certificate.
func TestIntegrateRegisters(t *testing.T) {
	d := startDemo(t)
	here := t.TempDir()
	certificate, err := os.ReadFile(filepath.Join(d.Folder, "server-root.pem")) // any will do
	if err != nil {
		t.Fatal(err)
	}
	proxies.WriteFile(t, here, "dossier.pem", certificate)
	for _, name := range []string{"register", "register-certificate"} {
		line := proxies.Snippet(t, integratePage, name, "cpsgate client", program+" client", "/var/lib/cpsgate", filepath.Join(d.Folder, "data"))
		shellIn(t, here, line)
		list := shellIn(t, here, program+" client list --data "+filepath.Join(d.Folder, "data"))
		if !strings.Contains(list, "https://dossier.example.fr/oidc/callback") {
			t.Errorf("%s: there is\n%s", name, list)
		}
		shellIn(t, here, program+" client remove --data "+filepath.Join(d.Folder, "data")+" dossier")
	}
	if secret, err := os.ReadFile(filepath.Join(here, "dossier.secret")); err != nil || len(strings.TrimSpace(string(secret))) != 43 {
		t.Errorf("the secret: %d bytes, %v", len(secret), err)
	}
}

// shellIn runs lines as a person would type them, in that folder.
func shellIn(t *testing.T, folder, lines string) string {
	t.Helper()
	command := exec.CommandContext(t.Context(), "sh", "-eu", "-c", lines)
	command.Dir, command.Env = folder, clean()
	var complaints strings.Builder
	command.Stderr = &complaints
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, out, &complaints)
	}
	return string(out)
}
