package main

import (
	"strings"
	"testing"

	"cpsgate/sso"
)

// TestPSCConfig: what the establishment writes comes to the provider as it is
// written; nothing written is nothing said; what no client could read stops
// the start by the key's name.
func TestPSCConfig(t *testing.T) {
	c, err := loadConfig(writeConfig(t, goodConfig+`sso:
  psc:
    palier: { certificate: "APPPRIP3^1.2.250.1.213.1.5.1.1.1", passkey-desk: GUICHET }
    sectors: { 1750000001: SA01 }
    fixed: { PSI_Locale: 1.2.250.1.213.1.3.1.1 }
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	said := c.SSO.PSC.said()
	if said.Palier[sso.WayCertificate] != "APPPRIP3^1.2.250.1.213.1.5.1.1.1" || said.Palier[sso.WayPasskeyDesk] != "GUICHET" ||
		said.Sectors["1750000001"] != "SA01" || said.Fixed["PSI_Locale"] != "1.2.250.1.213.1.3.1.1" {
		t.Errorf("%+v", said)
	}
	if c, err = loadConfig(writeConfig(t, goodConfig), nil); err != nil {
		t.Fatal(err)
	}
	if said := c.SSO.PSC.said(); len(said.Palier)+len(said.Sectors)+len(said.Fixed) != 0 {
		t.Errorf("by default: %+v", said)
	}
	for name, tc := range map[string]struct{ psc, says string }{
		"an unknown way":              {`palier: { card: X }`, "sso.psc.palier"},
		"a sector and its list":       {`sectors: { "1750000001": SA01^1 }`, "sso.psc.sectors"},
		"a claim that is told anyway": {`fixed: { sub: x }`, "sso.psc.fixed"},
		"an unknown key":              {`palliers: {}`, "palliers"},
		"a way twice":                 {`palier: { certificate: A, certificate: B }`, "certificate"},
	} {
		if _, err := loadConfig(writeConfig(t, goodConfig+"sso:\n  psc:\n    "+tc.psc+"\n"), nil); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
