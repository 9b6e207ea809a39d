package main

import (
	"fmt"
	"net/netip"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
	"cpsgate/sso"
	"cpsgate/sso/forwardauth"
)

// ForwardAuthConfig is the applications that stand behind a reverse proxy which
// asks cpsgate before it lets a request through: nginx, Traefik, Caddy.
type ForwardAuthConfig struct {
	// Proxies are the addresses or prefixes whose X-Forwarded- fields are
	// believed: 192.0.2.10, 2001:db8::/64. Without any, nobody's are, and no
	// application may be named.
	Proxies []string `yaml:"proxies"`
	// Applications by their origins. A host that is not here is refused.
	Applications []ApplicationConfig `yaml:"applications"`
	// PeopleAge bounds how long a role, a name or a profession that has changed
	// is still told as it was; default 15s.
	PeopleAge time.Duration `yaml:"people_age"`
	// TokenLife is how long the signed token is good; default 5m.
	TokenLife time.Duration `yaml:"token_life"`
}

// ApplicationConfig is one application.
type ApplicationConfig struct {
	Origin string `yaml:"origin"` // https://app.example.fr[:port], as browsers write it
	// Rules of its paths: that of the longest path holds, and a path without
	// one is refused. No rules: whoever is signed in may pass.
	Rules []ForwardRuleConfig `yaml:"rules"`
	// Fields that it is told beside Remote-User, Remote-Name and Remote-Groups;
	// default X-Cpsgate-Method, X-Cpsgate-Acr, X-Cpsgate-Session, X-Cpsgate-Token.
	Fields []string `yaml:"fields"`
}

// ForwardRuleConfig is what a path and all below it asks. What is left out asks
// nothing.
type ForwardRuleConfig struct {
	Path        string        `yaml:"path"`        // "/", or "/admin"
	ACR         string        `yaml:"acr"`         // the least level, of sso.levels; in place of methods and proofs
	Methods     []string      `yaml:"methods"`     // ways of signing in, of which one: cps, fido2
	Proofs      []string      `yaml:"proofs"`      // who vouched for a passkey, of which one: same-card, certificate, desk
	MaximumAge  time.Duration `yaml:"maximum_age"` // since the PIN was last proved
	Roles       []string      `yaml:"roles"`       // of which one: operator, approver, auditor, admin
	Professions []int         `yaml:"professions"` // codes of TRE_G15, of which one
}

func (c *ForwardAuthConfig) check(levels sso.Levels) error {
	if len(c.Applications) > 0 && len(c.Proxies) == 0 {
		return fmt.Errorf("forward_auth.proxies: the proxies of the applications are needed: nobody else is believed")
	}
	if _, err := c.prefixes(); err != nil {
		return err
	}
	if c.PeopleAge < 0 || c.PeopleAge > time.Minute {
		return fmt.Errorf("forward_auth.people_age: a minute at most")
	}
	if c.TokenLife != 0 && (c.TokenLife < 10*time.Second || c.TokenLife > time.Hour) {
		return fmt.Errorf("forward_auth.token_life: between 10s and 1h")
	}
	for i, a := range c.Applications {
		for j, r := range a.Rules {
			if err := r.check(fmt.Sprintf("forward_auth.applications[%d].rules[%d]", i, j), levels); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r ForwardRuleConfig) check(key string, levels sso.Levels) error {
	if r.ACR != "" {
		if _, known := levels.AtLeast(r.ACR); !known {
			return fmt.Errorf("%s.acr: %q is none of sso.levels", key, r.ACR)
		}
		if r.Methods != nil || r.Proofs != nil {
			return fmt.Errorf("%s.acr: stands in place of methods and proofs", key)
		}
	}
	for _, m := range r.Methods {
		if err := oneOf(key+".methods", m, string(identity.MethodCPS), string(identity.MethodFIDO2)); err != nil {
			return err
		}
	}
	for _, p := range r.Proofs {
		if err := oneOf(key+".proofs", p, string(identity.ProofSameCard), string(identity.ProofCertificate), string(identity.ProofDesk)); err != nil {
			return err
		}
	}
	for _, role := range r.Roles {
		if err := oneOf(key+".roles", role, string(identity.RoleOperator), string(identity.RoleApprover), string(identity.RoleAuditor), string(identity.RoleAdmin)); err != nil {
			return err
		}
	}
	if r.MaximumAge < 0 {
		return fmt.Errorf("%s.maximum_age: a duration such as 8h", key)
	}
	return nil
}

// prefixes reads the proxies' addresses.
func (c *ForwardAuthConfig) prefixes() ([]netip.Prefix, error) {
	return addressPrefixes("forward_auth.proxies", c.Proxies)
}

// application is what the configuration says, as the gate takes it.
func (a ApplicationConfig) application(levels sso.Levels) forwardauth.Application {
	application := forwardauth.Application{Origin: a.Origin, Fields: a.Fields}
	for _, r := range a.Rules {
		demand, leveled := levels.AtLeast(r.ACR)
		if !leveled {
			demand = sessions.Demand{Methods: convert[identity.Method](r.Methods), Proofs: convert[identity.ProofKind](r.Proofs)}
		}
		demand.MaxAge = r.MaximumAge
		application.Rules = append(application.Rules, forwardauth.Rule{
			Path:        r.Path,
			Demand:      demand,
			Roles:       convert[identity.Role](r.Roles),
			Professions: professions(r.Professions),
		})
	}
	return application
}

// convert keeps nil, which asks nothing.
func convert[T ~string](from []string) []T {
	var to []T
	for _, s := range from {
		to = append(to, T(s))
	}
	return to
}

func professions(codes []int) []identity.Profession {
	var to []identity.Profession
	for _, c := range codes {
		to = append(to, identity.Profession(c))
	}
	return to
}
