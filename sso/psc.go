package sso

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cpsgate/identity"
)

// Nomenclatures behind codes: SubjectRole's "10^1.2.250.1.213.1.1.5.5" and
// Secteur_Activite's "SA07^1.2.250.1.71.4.2.4".
const (
	roleNomenclature   = "1.2.250.1.213.1.1.5.5"
	sectorNomenclature = "1.2.250.1.71.4.2.4"
)

// PSC is what an establishment says in Pro Santé Connect's shape where neither
// card nor people store knows it. By default nothing: its codes are not known
// here, and none is made up.
type PSC struct {
	// Palier is Palier_Authentification by way in, sent as it is written. A way
	// that is not here has none.
	Palier map[Way]string
	// Sectors are the codes of activity ("SA07") of structures: Secteur_Activite
	// and codeSecteurDactivite of who comes in one of them.
	Sectors map[identity.StructureID]string
	// Fixed are claims that are the same for everybody, of those in fixedClaims.
	Fixed map[string]string
}

// fixedClaims are those of which nothing is known but that Pro Santé Connect
// sends them.
func fixedClaims() []string {
	return []string{"PSI_Locale", "Mode_Acces_Raison", "Acces_Regulation_Medicale"}
}

// longestCode is the most bytes of a value that an establishment writes.
const longestCode = 100

// Check refuses what no client would understand.
func (o PSC) Check() error {
	for way, value := range o.Palier {
		if !slices.Contains(ways(), way) {
			return fmt.Errorf("palier: %q is none of %v", way, ways())
		}
		if !codeLike(value) {
			return fmt.Errorf("palier: %s: %q is no value: 1 to %d printable characters", way, value, longestCode)
		}
	}
	for structure, code := range o.Sectors {
		if _, err := identity.ParseStructureID(string(structure)); err != nil {
			return fmt.Errorf("sectors: %q: %w", structure, err)
		}
		if !codeLike(code) || strings.Contains(code, "^") {
			return fmt.Errorf("sectors: %s: %q is no code such as SA07; its nomenclature is added", structure, code)
		}
	}
	for name, value := range o.Fixed {
		if !slices.Contains(fixedClaims(), name) {
			return fmt.Errorf("fixed: %q is none of %v", name, fixedClaims())
		}
		if !codeLike(value) {
			return fmt.Errorf("fixed: %s: %q is no value: 1 to %d printable characters", name, value, longestCode)
		}
	}
	return nil
}

// codeLike: printable ASCII without blanks.
func codeLike(value string) bool {
	return value != "" && len(value) <= longestCode && !strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r >= 0x7f })
}

// claimed names the claims that it fills, for the discovery document.
func (o PSC) claimed() (names []string) {
	if len(o.Palier) > 0 {
		names = append(names, "Palier_Authentification")
	}
	if len(o.Sectors) > 0 {
		names = append(names, "Secteur_Activite")
	}
	return append(names, slices.Sorted(maps.Keys(o.Fixed))...)
}

// psc adds the claims of Pro Santé Connect that the card, the people store and
// the establishment fill.
func (c claims) psc(said PSC, person identity.Professional, a Activity, way Way) {
	c["SubjectNameID"], c["preferred_username"] = string(person.IdNat), string(person.IdNat)
	c["UITVersion"] = "1.0" // of the shape
	for name, value := range said.Fixed {
		c.set(name, value)
	}
	c.set("Palier_Authentification", said.Palier[way])
	if sector := said.Sectors[a.Structure]; sector != "" {
		c["Secteur_Activite"] = sector + "^" + sectorNomenclature
	}
	c.set("family_name", person.FamilyName)
	c.set("given_name", person.GivenName)
	c.set("SubjectOrganization", a.Employer)
	c.set("SubjectOrganizationID", string(a.Structure))
	if _, ok := person.IdNat.RPPS(); ok {
		c["otherIds"] = []any{map[string]any{"identifiant": string(person.IdNat), "origine": "RPPS", "qualite": 1}}
	}
	if a.Profession == 0 {
		return
	}
	code := strconv.Itoa(int(a.Profession))
	if !a.Training { // a student's future profession is no role yet
		c["SubjectRole"] = []string{code + "^" + roleNomenclature}
	}
	c["SubjectRefPro"] = map[string]any{"exercices": []any{practice(person, a, code, said.Sectors[a.Structure])}}
}

// practice is one exercice of SubjectRefPro.
func practice(person identity.Professional, a Activity, code, sector string) claims {
	e := claims{"codeProfession": code}
	e.set("nomDexercice", person.FamilyName)
	e.set("prenomDexercice", person.GivenName)
	if len(person.Specialties) > 0 {
		e["codeSavoirFaire"] = person.Specialties[0]
		if strings.HasPrefix(person.Specialties[0], "SM") { // specialities of physicians, as Pro Santé Connect types them
			e["codeTypeSavoirFaire"] = "S"
		}
	}
	activity := claims{}
	activity.set("raisonSocialeSite", a.Employer)
	activity.set(siteNumber(a.Structure))
	activity.set("codeSecteurDactivite", sector)
	if len(activity) > 0 {
		e["activities"] = []any{activity}
	}
	return e
}

// siteNumber is the name and value that tell a structure.
func siteNumber(id identity.StructureID) (name, number string) {
	switch id.Kind() {
	case identity.StructureFINESS:
		return "numeroFinessSite", string(id[1:])
	case identity.StructureSIREN:
		return "numeroSirenSite", string(id[1:])
	case identity.StructureSIRET:
		return "numeroSiretSite", string(id[1:])
	}
	return "identifiantTechniqueDeLaStructure", string(id)
}
