package authenticator_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"cpsgate/internal/cardlab"
	"cpsgate/internal/virtualcard/authenticator"
)

// libfido2's tools verify what the authenticator signs: another reading of the
// formats, by people who make such keys.
func TestLibfido2Verifies(t *testing.T) {
	cardlab.NeedPrograms(t, "fido2-cred:fido2-tools", "fido2-assert:fido2-tools")
	for _, test := range []struct {
		name  string
		fault authenticator.AttestationFault
		sound bool
	}{
		{"packed attestation", authenticator.FaultNone, true},
		{"self attestation", authenticator.FaultSelf, true},
		{"a bad signature", authenticator.FaultBadSignature, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			attestation, _ := testAttestation(t)
			p := withPIN(t, authenticator.Options{Attestation: attestation, Fault: test.fault})
			made := p.make(m{6: map[string]any{"credProtect": 2}})
			lines := []string{
				b64(clientDataHash[:]), testRP, made.format, b64(encode(t, made.data.raw)), b64(made.data.id),
				b64(field[[]byte](t, made.statement, "sig")),
			}
			if _, attested := made.statement["x5c"]; attested {
				lines = append(lines, b64(field[[][]byte](t, made.statement, "x5c")[0]))
			}
			output, err := pipe(t, lines, "fido2-cred", "-V", "-v", "-c", "2", "es256")
			if (err == nil) != test.sound {
				t.Fatalf("fido2-cred: %v\n%s", err, output)
			}
			if !test.sound {
				return
			}
			id, key, _ := strings.Cut(output, "\n")
			if id != b64(made.data.id) {
				t.Errorf("credential %s", id)
			}
			file := filepath.Join(t.TempDir(), "key.pem")
			if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
				t.Fatal(err)
			}
			status, a := p.assert(nil)
			p.want(ok, status)
			_, d, signature, _ := p.asserted(a)
			lines = []string{b64(clientDataHash[:]), testRP, b64(encode(t, d.raw)), b64(signature)}
			if output, err := pipe(t, lines, "fido2-assert", "-V", "-v", "-p", file, "es256"); err != nil {
				t.Errorf("fido2-assert: %v\n%s", err, output)
			}
			lines[1] = "other.test"
			if _, err := pipe(t, lines, "fido2-assert", "-V", file, "es256"); err == nil {
				t.Error("fido2-assert took it for another RP's")
			}
		})
	}
}

func b64(data []byte) string { return base64.StdEncoding.EncodeToString(data) }

// pipe gives lines to a program.
func pipe(t *testing.T, lines []string, program string, arguments ...string) (string, error) {
	t.Helper()
	command := exec.CommandContext(t.Context(), program, arguments...)
	command.Stdin = bytes.NewBufferString(strings.Join(lines, "\n") + "\n")
	output, err := command.CombinedOutput()
	return string(output), err
}
