package main

import (
	"os"
	"path/filepath"
	"testing"

	"cpsgate/cardside"
)

// settingsOf reads settings as a command does.
func settingsOf(t *testing.T, flags serverFlags, module string, env map[string]string) (settings, error) {
	t.Helper()
	a := &act{environment: &environment{getenv: func(name string) string { return env[name] }}, globals: &globals{Module: module}}
	return flags.settings(a)
}

func settingsFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "cardside.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSettings(t *testing.T) {
	file := settingsFile(t, "server: https://file.example\nserver-ca: /file.pem\nworkstation: GUICHET-2\nmodule: /file.so\n")
	for _, tt := range []struct {
		name   string
		flags  serverFlags
		module string
		env    map[string]string
		want   settings
	}{
		{"the file", serverFlags{Config: file}, "", nil, settings{"https://file.example", "/file.pem", "GUICHET-2", "/file.so"}},
		{"the environment names the file", serverFlags{}, "", map[string]string{"CARDSIDE_CONFIG": file}, settings{"https://file.example", "/file.pem", "GUICHET-2", "/file.so"}},
		{"the environment counts before the file", serverFlags{Config: file}, "",
			map[string]string{"CARDSIDE_SERVER": "https://env.example", "CARDSIDE_WORKSTATION": "GUICHET-3"}, settings{"https://env.example", "/file.pem", "GUICHET-3", "/file.so"}},
		{"a flag counts before all", serverFlags{Config: file, Server: "https://flag.example", ServerCA: "/flag.pem"}, "/flag.so",
			map[string]string{"CARDSIDE_SERVER": "https://env.example", "CARDSIDE_MODULE": "/env.so"}, settings{"https://flag.example", "/flag.pem", "GUICHET-2", "/flag.so"}},
		{"an empty file", serverFlags{Config: settingsFile(t, "")}, "", nil, settings{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := settingsOf(t, tt.flags, tt.module, tt.env); err != nil || got != tt.want {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func TestSettingsThatCannotBe(t *testing.T) {
	for name, text := range map[string]string{
		"an unknown key":          "server: https://x.example\npin: 1234\n",
		"a key twice":             "server: https://x.example\nserver: https://y.example\n",
		"a list":                  "- https://x.example\n",
		"a value of another type": "server: [https://x.example]\n",
	} {
		t.Run(name, func(t *testing.T) {
			command(t, "", "enroll", "7K3M-9QXD", "--config", settingsFile(t, text)).ends(cardside.ExitUsage)
		})
	}
	command(t, "", "enroll", "7K3M-9QXD", "--config", filepath.Join(t.TempDir(), "none.yaml"), "--json").ends(cardside.ExitUsage).reason(cardside.ReasonFile)
	command(t, "", "enroll", "7K3M-9QXD", "--config", settingsFile(t, "server-ca: "+settingsFile(t, "no PEM")+"\nserver: https://x.example\n")).
		ends(cardside.ExitUsage).says("no PEM certificate")
}

func TestEnrollAndAssertWhere(t *testing.T) {
	none := settingsFile(t, "")
	command(t, "", "enroll", "7K3M-9QXD", "--config", none).ends(cardside.ExitUsage).says("aucun serveur")
	command(t, "", "enroll", "--server", "https://x.example").ends(cardside.ExitUsage) // no code
	command(t, "", "enroll", "7K3M-9QXD", "--server", "http://x.example", "--config", none, "--json").ends(cardside.ExitServer).reason(cardside.ReasonServer)
	command(t, "", "assert", "--config", none).ends(cardside.ExitUsage).says("--rp ID")
	command(t, "", "assert", "--server", "https://x.example", "--silent", "--config", none).ends(cardside.ExitUsage).says("--rp")
	command(t, "", "assert", "--server", "http://x.example", "--config", none, "--json").ends(cardside.ExitServer).reason(cardside.ReasonServer)
	command(t, "", "enroll", "--help").ends(cardside.ExitDone).says("--card-pin-fd", "--really-erase-this-card")
	command(t, "", "help", "enroll").ends(cardside.ExitDone).says("La carte peut être retirée", "--first-pin-fd", "leftOnCard")
	command(t, "", "help", "enroll", "--lang", "en").ends(cardside.ExitDone).says("enrol a card at the desk", "--first-pin-fd", "leftOnCard")
}

func FuzzSettings(f *testing.F) {
	f.Add([]byte("server: https://x.example\nworkstation: GUICHET-2\n"))
	f.Add([]byte("server: !!binary aGVsbG8=\n"))
	f.Add([]byte("&a [*a]"))
	f.Add([]byte("{"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "cardside.yaml")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		settingsOf(t, serverFlags{Config: path}, "", nil) //nolint:errcheck // that it ends is what is tested
	})
}
