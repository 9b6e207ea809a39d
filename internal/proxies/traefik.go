package proxies

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// traefikStatic is the part of Traefik's configuration that is its own and none
// of its routers'.
const traefikStatic = `
global: { checkNewVersion: false, sendAnonymousUsage: false }
log: { level: ERROR }
entryPoints: { websecure: { address: "%s" } }
providers: { file: { filename: "%s", watch: false } }
`

// Traefik runs Traefik, built from the module in folder source, with the dynamic
// configuration, on the entry point websecure at the address, until the test
// ends. Environment holds NAME=value pairs besides the test's own. The build takes
// many minutes.
func Traefik(t testing.TB, source, address, dynamic string, environment ...string) {
	t.Helper()
	folder := t.TempDir()
	program := filepath.Join(folder, "traefik-server")
	build := exec.Command("go", "build", "-o", program, "github.com/traefik/traefik/v3/cmd/traefik")
	build.Dir = source
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building Traefik: %v\n%s", err, said)
	}
	routers := WriteFile(t, folder, "dynamic.yaml", []byte(dynamic))
	static := WriteFile(t, folder, "traefik.yaml", fmt.Appendf(nil, traefikStatic, address, routers))
	command := exec.Command(program, "--configFile="+static)
	command.Env = append(os.Environ(), environment...)
	run(t, address, command)
}
