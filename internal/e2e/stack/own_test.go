//go:build compose

package stack_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"cpsgate/internal/proxies"
)

// TestComposeOfOnesOwn: what docs/compose.md puts in the place of the
// demonstration's services is accepted as it stands, and names nothing of it.
func TestComposeOfOnesOwn(t *testing.T) {
	file := proxies.WriteFile(t, t.TempDir(), "compose.yaml", []byte(proxies.Snippet(t, "../../../docs/compose.md", "yours")))
	var complaint bytes.Buffer
	command := composeOf(t.Context(), file, "config", "--services")
	command.Stderr = &complaint
	said, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, complaint.String())
	}
	services := strings.Fields(string(said))
	slices.Sort(services)
	if !slices.Equal(services, []string{"cpsgate", "edge", "redis"}) {
		t.Errorf("services: %q", services)
	}
}
