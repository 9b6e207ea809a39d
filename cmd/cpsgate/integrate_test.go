package main

import (
	"testing"

	"cpsgate/internal/proxies"
)

// TestIntegrateConfiguration: what docs/integrate.md says to write into the
// configuration is read.
func TestIntegrateConfiguration(t *testing.T) {
	for _, name := range []string{"clients", "psc"} {
		c, err := loadConfig(writeConfig(t, goodConfig+proxies.Snippet(t, "../../docs/integrate.md", name)+"\n"), nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if len(c.SSO.Clients)+len(c.SSO.PSC.Palier) == 0 {
			t.Errorf("%s: nothing of it is in the configuration", name)
		}
	}
}
