package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cpsgate/cardside"
)

// TestTerminalObeysNobodyElse: a card's names are shown, never obeyed, and
// programs get them as they are.
func TestTerminalObeysNobodyElse(t *testing.T) {
	recorded, err := os.ReadFile(filepath.Join("..", "..", "cardside", "testdata", "recordings", "virtual-blank-t1.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	// The first version in getInfo; the one before is SELECT's answer.
	version, orders := strings.ToUpper(hex.EncodeToString([]byte("FIDO_2_0"))), strings.ToUpper(hex.EncodeToString([]byte("\x1b]0;own\a")))
	parts := strings.SplitN(string(recorded), version, 3)
	if len(parts) != 3 {
		t.Fatal("the recording names no versions")
	}
	file := filepath.Join(t.TempDir(), "card.jsonl")
	if err := os.WriteFile(file, []byte(parts[0]+version+parts[1]+orders+parts[2]), 0o600); err != nil {
		t.Fatal(err)
	}
	said := command(t, "", "info", "--replay", file).ends(cardside.ExitDone)
	if !strings.Contains(said.out, "\uFFFD]0;own\uFFFD") || strings.ContainsAny(said.out, "\x1b\a") {
		t.Errorf("a terminal would see:\n%q", said.out)
	}
	if said := command(t, "", "info", "--json", "--replay", file).ends(cardside.ExitDone); !strings.Contains(said.out, `"\u001b]0;own\u0007"`) {
		t.Errorf("a program would read:\n%s", said.out)
	}
	if said := command(t, "", "info", "--re\x1b[2Jplay").ends(cardside.ExitUsage); strings.Contains(said.errors, "\x1b") {
		t.Errorf("misused: %q", said.errors)
	}
}

func TestHarmless(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"words stay", "Carte insérée\n\tcode : 4 chiffres — « prêt »", "Carte insérée\n\tcode : 4 chiffres — « prêt »"},
		{"escape sequences", "\x1b[31mred", "\uFFFD[31mred"},
		{"their 8-bit form", "\u009b31mred", "\uFFFD31mred"},
		{"a line written over", "good\rbad", "good\uFFFDbad"},
		{"text turned round", "\u202Egnp.exe", "\uFFFDgnp.exe"},
		{"bytes of no character", "\xff", "\uFFFD"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			if n, err := (harmless{&out}).Write([]byte(test.text)); n != len(test.text) || err != nil || out.String() != test.want {
				t.Errorf("%q, %d bytes, %v", out.String(), n, err)
			}
		})
	}
	r, w := io.Pipe()
	r.Close()
	if n, err := (harmless{w}).Write([]byte("x")); n != 0 || err == nil {
		t.Errorf("a reader that has gone: %d, %v", n, err)
	}
}

// TestJSONIsHarmlessToo: a terminal obeys nothing in it, and programs read the
// names as they are.
func TestJSONIsHarmlessToo(t *testing.T) {
	for _, test := range []struct{ name, text string }{
		{"words", "Hôpital — « prêt » <b>&\n\t"},
		{"escape sequences", "\x1b[31mred\x7f"},
		{"their 8-bit form", "\u009b31mred\u0085"},
		{"text turned round", "\u202Egnp.exe\u2066"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := jsonLines(harmless{&out}).Encode(map[string]string{"name": test.text}); err != nil {
				t.Fatal(err)
			}
			if strings.ContainsFunc(strings.TrimSuffix(out.String(), "\n"), func(r rune) bool { return shown(r) != r }) {
				t.Errorf("a terminal would see %q", out.String())
			}
			var read struct{ Name string }
			if err := json.Unmarshal(out.Bytes(), &read); err != nil || read.Name != test.text {
				t.Errorf("a program reads %q, %v", read.Name, err)
			}
		})
	}
}
