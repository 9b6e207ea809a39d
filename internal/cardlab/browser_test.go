package cardlab_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cpsgate/internal/cardlab"
	"cpsgate/internal/testpki"
)

// TestTokenInABrowser: the token that cardside reads by PKCS#11 goes into a
// browser's certificate store by modutil, as a Cryptolib does: NSS lists its
// certificates without a PIN, and its keys with it.
func TestTokenInABrowser(t *testing.T) {
	cardlab.NeedTokens(t)
	cardlab.NeedPrograms(t, "modutil:libnss3-tools", "certutil:libnss3-tools")
	pki, err := testpki.New(testpki.Options{Test: true})
	if err != nil {
		t.Fatal(err)
	}
	card, err := pki.Card(testpki.CardSpec{})
	if err != nil {
		t.Fatal(err)
	}
	token := cardlab.NewToken(t, card, cardlab.TokenOptions{})
	database := "sql:" + t.TempDir()
	pin := filepath.Join(t.TempDir(), "pin")
	if err := os.WriteFile(pin, []byte(token.PIN), 0o600); err != nil {
		t.Fatal(err)
	}
	nss := func(program string, arguments ...string) string {
		t.Helper()
		command := exec.Command(program, arguments...)
		command.Env = append(os.Environ(), token.Env()...)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", program, err, out)
		}
		return string(out)
	}
	nss("certutil", "-N", "--empty-password", "-d", database)
	nss("modutil", "-force", "-dbdir", database, "-add", "Cryptolib CPS", "-libfile", token.Module, "-mechanisms", "FRIENDLY")
	if listed := nss("certutil", "-L", "-d", database, "-h", token.Label, "-f", pin); !strings.Contains(listed, "Certificat d'Authentification CPS") || !strings.Contains(listed, "Certificat de Signature CPS") {
		t.Errorf("certificates: %s", listed)
	}
	if keys := nss("certutil", "-K", "-d", database, "-h", token.Label, "-f", pin); strings.Count(keys, "rsa") < 2 {
		t.Errorf("keys: %s", keys)
	}
}
