package main

import (
	"strings"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/sso"
)

const forwardConfig = goodConfig + `
forward_auth:
  proxies: [192.0.2.10, "2001:db8::/64"]
  applications:
    - origin: https://dossier.exemple.test
      rules:
        - path: /
        - path: /admin
          methods: [cps]
          proofs: [same-card]
          maximum_age: 15m
          roles: [admin]
          professions: [10, 60]
        - path: /ordonnances
          acr: urn:cpsgate:acr:registered
    - origin: https://stock.exemple.test:8443
`

func TestForwardAuthConfiguration(t *testing.T) {
	c, err := loadConfig(writeConfig(t, forwardConfig), nil)
	if err != nil {
		t.Fatal(err)
	}
	prefixes, err := c.ForwardAuth.prefixes()
	if err != nil || len(prefixes) != 2 || prefixes[0].String() != "192.0.2.10/32" {
		t.Errorf("proxies %v, %v", prefixes, err)
	}
	rules := c.ForwardAuth.Applications[0].application(sso.DefaultLevels()).Rules
	if rules[0].Roles != nil || rules[0].Professions != nil || rules[0].Demand.Methods != nil || rules[0].Demand.Proofs != nil {
		t.Errorf("a rule that asks nothing asks %+v", rules[0])
	}
	if d := rules[2].Demand; len(d.Methods) != 2 || len(d.Proofs) != 2 || d.MaxAge != 0 {
		t.Errorf("a level asks %+v", d)
	}
	r := rules[1]
	if r.Path != "/admin" || r.Demand.MaxAge != 15*time.Minute || r.Demand.Methods[0] != identity.MethodCPS || r.Demand.Proofs[0] != identity.ProofSameCard ||
		r.Roles[0] != identity.RoleAdmin || r.Professions[1] != 60 {
		t.Errorf("%+v", r)
	}
}

func TestForwardAuthConfigurationRefuses(t *testing.T) {
	for _, tt := range []struct{ name, edit, with, says string }{
		{"no proxies", `[192.0.2.10, "2001:db8::/64"]`, "[]", "forward_auth.proxies"},
		{"proxies that are anybody", "192.0.2.10,", "0.0.0.0/0,", "forward_auth.proxies"},
		{"a proxy by its name", "192.0.2.10,", "edge,", "forward_auth.proxies"},
		{"a proxy of a zone", "192.0.2.10,", `"fe80::1%eth0",`, "forward_auth.proxies"},
		{"an unknown method", "[cps]", "[password]", "rules[1].methods"},
		{"an unknown proof", "[same-card]", "[friend]", "rules[1].proofs"},
		{"an unknown level", "urn:cpsgate:acr:registered", "urn:cpsgate:acr:none", "rules[2].acr"},
		{"a level beside methods", "acr: urn:cpsgate:acr:registered", "acr: urn:cpsgate:acr:card\n          methods: [cps]", "rules[2].acr"},
		{"an unknown role", "[admin]", "[king]", "rules[1].roles"},
		{"a negative age", "15m", "-15m", "rules[1].maximum_age"},
		{"an unknown key", "path: /\n", "path: /\n          verbs: [GET]\n", "verbs"},
		{"an old role told for long", "forward_auth:\n", "forward_auth:\n  people_age: 2m\n", "people_age"},
		{"a token that lives for days", "forward_auth:\n", "forward_auth:\n  token_life: 48h\n", "token_life"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if !strings.Contains(forwardConfig, tt.edit) {
				t.Fatalf("nothing to edit: %q", tt.edit)
			}
			_, err := loadConfig(writeConfig(t, strings.Replace(forwardConfig, tt.edit, tt.with, 1)), nil)
			if err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("error %v, want one that names %s", err, tt.says)
			}
		})
	}
}
