package mtls

import (
	"crypto/x509/pkix"
	"slices"
	"strings"
)

// authorityClass is where a CA stands in the IGC-Santé, read off its name:
// OU=IGC-SANTE or IGC-SANTE TEST, CN=[TEST ]AC [RACINE ]IGC-SANTE
// {ELEMENTAIRE|STANDARD|FORT} [PERSONNES|ORGANISATIONS].
type authorityClass struct {
	IGC           bool
	Test          bool // TEST branch; set for any CA that calls itself TEST
	Root          bool
	Organisations bool
	Persons       bool
	Range         string // ELEMENTAIRE, STANDARD, FORT
}

const (
	rangeStandard = "STANDARD"
	rangeFort     = "FORT"
)

func classify(name pkix.Name) authorityClass {
	words := strings.Fields(strings.ToUpper(name.CommonName))
	test := slices.Contains(name.OrganizationalUnit, "IGC-SANTE TEST")
	class := authorityClass{
		IGC:  test || slices.Contains(name.OrganizationalUnit, "IGC-SANTE"),
		Test: test || len(words) > 0 && words[0] == "TEST",
	}
	if !class.IGC {
		return class
	}
	for _, word := range words {
		switch word {
		case "RACINE":
			class.Root = true
		case "ORGANISATIONS":
			class.Organisations = true
		case "PERSONNES":
			class.Persons = true
		case "ELEMENTAIRE", rangeStandard, rangeFort:
			class.Range = word
		}
	}
	return class
}

// issuesCards: only FORT PERSONNES and STANDARD PERSONNES issue cards of
// persons; ELEMENTAIRE PERSONNES issues software certificates.
func (c authorityClass) issuesCards() bool {
	return c.Persons && !c.Root && !c.Organisations && (c.Range == rangeFort || c.Range == rangeStandard)
}
