package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cpsgate/internal/proxies"
	"cpsgate/internal/redislab"
)

const composePage = "../../docs/compose.md"

// TestComposeRedisUser: the lines that make Redis's user and its password make
// ones that fit.
func TestComposeRedisUser(t *testing.T) {
	redislab.Need(t, "redis-cli")
	here := t.TempDir()
	proxies.WriteFile(t, here, "nginx.conf", nil)
	shellIn(t, here, proxies.Snippet(t, composePage, "users", "cd /srv/cpsgate", "cd "+here, "chown -R 65532:65532", fmt.Sprintf("chown -R %d:%d", os.Getuid(), os.Getgid())))
	password, err := os.ReadFile(filepath.Join(here, "server", "redis-password"))
	if err != nil {
		t.Fatal(err)
	}
	server := redislab.Start(t, "aclfile "+filepath.Join(here, "redis", "users.acl"))
	for _, tt := range []struct {
		password, key string
		good          bool
	}{{strings.TrimSpace(string(password)), "cpsgate:x", true}, {"another", "cpsgate:x", false}, {strings.TrimSpace(string(password)), "x", false}} {
		set := exec.CommandContext(t.Context(), "redis-cli", "-p", strconv.Itoa(server.Port), "--no-auth-warning", "--user", "cpsgate", "--pass", tt.password, "set", tt.key, "1")
		if out, err := set.CombinedOutput(); err != nil && tt.good || (string(out) == "OK\n") != tt.good {
			t.Errorf("%s, %t wanted: %v %s", tt.key, tt.good, err, out)
		}
	}
}
