package identity_test

import (
	"testing"

	"cpsgate/identity"
)

// TestCardLifeCycle has every pair of states, the unknown ones too: what is not
// listed as allowed is refused.
func TestCardLifeCycle(t *testing.T) {
	type change struct{ from, to identity.CardState }
	allowed := map[change]bool{
		{identity.CardActive, identity.CardSuspended}:  true,
		{identity.CardActive, identity.CardRevoked}:    true,
		{identity.CardSuspended, identity.CardActive}:  true,
		{identity.CardSuspended, identity.CardRevoked}: true,
	}
	states := []identity.CardState{identity.CardActive, identity.CardSuspended, identity.CardRevoked, "", "lost", "ACTIVE"}
	for _, from := range states {
		for _, to := range states {
			t.Run(string(from)+" to "+string(to), func(t *testing.T) {
				if got, want := from.CanBecome(to), allowed[change{from, to}]; got != want {
					t.Errorf("%v, want %v", got, want)
				}
			})
		}
	}
}

func TestCardTypeString(t *testing.T) {
	for _, test := range []struct {
		card identity.CardType
		want string
	}{
		{identity.CardCPS, "CPS"},
		{identity.CardCPF, "CPF"},
		{identity.CardCPE, "CPE"},
		{identity.CardCPA, "CPA"},
		{4, "unknown"},
		{-1, "unknown"},
	} {
		if got := test.card.String(); got != test.want {
			t.Errorf("type %d is %q, want %q", test.card, got, test.want)
		}
	}
}

func TestHasRole(t *testing.T) {
	professional := identity.Professional{Roles: []identity.Role{identity.RoleOperator, identity.RoleAuditor}}
	for _, test := range []struct {
		role identity.Role
		want bool
	}{
		{identity.RoleOperator, true},
		{identity.RoleAuditor, true},
		{identity.RoleApprover, false},
		{identity.RoleAdmin, false},
		{"", false},
	} {
		if got := professional.HasRole(test.role); got != test.want {
			t.Errorf("role %q: %v, want %v", test.role, got, test.want)
		}
	}
	if (identity.Professional{}).HasRole(identity.RoleAdmin) {
		t.Error("a professional with no roles is an administrator")
	}
}

// TestProfessions holds the nomenclature TRE_G15 code by code.
func TestProfessions(t *testing.T) {
	want := map[identity.Profession]string{
		10: "Médecin", 21: "Pharmacien", 26: "Audioprothésiste", 28: "Opticien-lunetier", 31: "Assistant dentaire",
		32: "Physicien médical", 35: "Aide-soignant", 36: "Ambulancier", 37: "Auxiliaire de puériculture",
		38: "Préparateur en pharmacie hospitalière", 39: "Préparateur en pharmacie (officine)", 40: "Chirurgien-dentiste",
		50: "Sage-femme", 60: "Infirmier", 70: "Masseur-kinésithérapeute", 80: "Pédicure-podologue", 81: "Orthoprothésiste",
		82: "Podo-orthésiste", 83: "Orthopédiste-orthésiste", 84: "Oculariste", 85: "Épithésiste",
		86: "Technicien de laboratoire médical", 91: "Orthophoniste", 92: "Orthoptiste", 94: "Ergothérapeute", 95: "Diététicien",
		96: "Psychomotricien", 98: "Manipulateur ERM",
	}
	for code := identity.Profession(-1); code <= 300; code++ {
		text, known := want[code]
		if got := code.Known(); got != known {
			t.Errorf("code %d known: %v, want %v", code, got, known)
		}
		if known && code.String() != text {
			t.Errorf("code %d is %q, want %q", code, code, text)
		}
	}
	if got := identity.Profession(0).String(); got != "" {
		t.Errorf("no profession is %q, want nothing", got)
	}
	if got := identity.Profession(99).String(); got != "99" {
		t.Errorf("an unknown code is %q, want the bare code", got)
	}
}
