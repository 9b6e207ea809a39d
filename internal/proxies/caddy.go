package proxies

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Caddy runs Caddy, built from the module in folder source, with the
// Caddyfile, which listens on the address, until the test ends.
func Caddy(t testing.TB, source, address, caddyfile string) {
	t.Helper()
	folder := t.TempDir()
	program := filepath.Join(folder, "caddy-server")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = source
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	if said, err := build.CombinedOutput(); err != nil {
		if os.Getenv(needAll) != "" {
			t.Fatalf("building Caddy: %v\n%s", err, said)
		}
		t.Skipf("needs the modules of %s: %v\n%s", source, err, said)
	}
	config := WriteFile(t, folder, "Caddyfile", []byte(caddyfile))
	command := exec.Command(program, "run", "--adapter", "caddyfile", "--config", config)
	command.Env = append(os.Environ(), "HOME="+folder, "XDG_DATA_HOME="+folder, "XDG_CONFIG_HOME="+folder)
	run(t, address, command)
}
