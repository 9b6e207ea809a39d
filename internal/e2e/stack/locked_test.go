//go:build compose

package stack_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// container is what the engine says of one.
type container struct {
	Name   string
	Config struct {
		User       string
		Env        []string
		Entrypoint []string
		Cmd        []string
		Labels     map[string]string
	}
	HostConfig struct {
		ReadonlyRootfs, Privileged bool
		CapDrop, CapAdd            []string
		SecurityOpt                []string
		Memory, NanoCpus           int64
		PidsLimit                  *int64
		PortBindings               map[string][]struct{ HostIP, HostPort string }
	}
}

func containers(t *testing.T) []container {
	t.Helper()
	ids, err := compose(t.Context(), "ps", "--all", "--quiet").Output()
	if err != nil {
		t.Fatal(err)
	}
	raw, err := exec.CommandContext(t.Context(), "docker", append([]string{"inspect"}, strings.Fields(string(ids))...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []container
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) < 10 {
		t.Fatalf("%d containers only", len(all))
	}
	return all
}

// TestEachContainerIsLocked: no account of power, no capability, nothing that
// can be written to but volumes, bounded means, and only loopback on the host.
func TestEachContainerIsLocked(t *testing.T) {
	for _, c := range containers(t) {
		h := c.HostConfig
		for fault, is := range map[string]bool{
			"runs as root":                  c.Config.User != "65532:65532",
			"is privileged":                 h.Privileged,
			"can write to its own files":    !h.ReadonlyRootfs,
			"keeps capabilities":            strings.Join(h.CapDrop, " ") != "ALL" || len(h.CapAdd) > 0,
			"may gain privileges":           !strings.Contains(strings.Join(h.SecurityOpt, " "), "no-new-privileges"),
			"has memory without bounds":     h.Memory <= 0 || h.Memory > 256<<20,
			"has processors without bounds": h.NanoCpus <= 0,
			"has processes without bounds":  h.PidsLimit == nil || *h.PidsLimit <= 0,
		} {
			if is {
				t.Errorf("%s %s", c.Name, fault)
			}
		}
		for port, bound := range h.PortBindings {
			for _, b := range bound {
				if b.HostIP != "127.0.0.1" {
					t.Errorf("%s: port %s is reached at %q", c.Name, port, b.HostIP)
				}
			}
		}
	}
}

// TestSecretsAreFiles: what was made at the first start stands in no
// environment, no argument and no log.
func TestSecretsAreFiles(t *testing.T) {
	inside, err := json.Marshal(containers(t))
	if err != nil {
		t.Fatal(err)
	}
	logs, err := compose(t.Context(), "logs", "--no-color").CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	for volume, file := range map[string]string{"for-server": "redis-password", "for-client": "client-secret"} {
		out, err := exec.CommandContext(t.Context(), "docker", "run", "--rm", "--network", "none", "--volume", project+"_"+volume+":/made:ro",
			"cpsgate-demo-redis", "cat", "/made/"+file).Output()
		secret := strings.TrimSpace(string(out))
		if err != nil || len(secret) < 20 {
			t.Fatalf("%s: %v", file, err)
		}
		if strings.Contains(string(inside), secret) || strings.Contains(string(logs), secret) {
			t.Errorf("%s is to be seen from outside", file)
		}
	}
}

// TestServerImageHasNothingElse: no shell to get into.
func TestServerImageHasNothingElse(t *testing.T) {
	for _, shell := range []string{"/bin/sh", "/bin/bash", "/busybox/sh"} {
		if out, err := exec.CommandContext(t.Context(), "docker", "run", "--rm", "--network", "none", "--entrypoint", shell, "cpsgate", "-c", "true").CombinedOutput(); err == nil || !strings.Contains(string(out), "no such file") {
			t.Errorf("%s: %v %s", shell, err, out)
		}
	}
}
