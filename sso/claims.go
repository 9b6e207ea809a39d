package sso

import (
	"context"
	"strconv"
	"strings"

	"cpsgate/identity"
)

// typeIDToken is the typ of ID tokens; logout tokens have their own, so that
// neither passes for the other (RFC 8725 §3.11).
const (
	typeIDToken     = "JWT"
	typeLogoutToken = "logout+jwt" // OpenID Connect Back-Channel Logout §2.4
)

// claims are what a client is told of a person (OpenID Connect Core §5.1). What
// is not known is left out.
type claims map[string]any

func (c claims) set(name, value string) {
	if value != "" {
		c[name] = value
	}
}

// tell is what a client is told of who holds a grant: in its ID token the
// standard claims, and at the userinfo endpoint all of its shape.
func (p *Provider) claims(ctx context.Context, client *Client, g grant) (claims, error) {
	person, err := p.Person(ctx, g.Holder)
	if err != nil {
		return nil, err
	}
	c := claims{"sub": p.subject(ctx, client, g.Holder)}
	if has(g.Scopes, ScopeProfile) || has(g.Scopes, ScopePSC) {
		c.set("family_name", person.FamilyName)
		c.set("given_name", person.GivenName)
		c.set("name", strings.TrimSpace(person.GivenName+" "+person.FamilyName))
	}
	if has(g.Scopes, ScopeGroups) {
		c["groups"] = Groups(person.Professional)
	}
	return c, nil
}

// userinfo is all that a client is told.
func (p *Provider) userinfo(ctx context.Context, client *Client, g grant) (claims, error) {
	c, err := p.claims(ctx, client, g)
	if err != nil || client.Claims != ShapePSC {
		return c, err
	}
	person, err := p.Person(ctx, g.Holder)
	if err != nil {
		return nil, err
	}
	c.psc(person.Professional, activityOf(person, g.Activity))
	return c, nil
}

// activityOf is the activity in which somebody came: that of a card, or what
// is known of the person.
func activityOf(person Person, card string) Activity {
	for _, a := range person.Activities {
		if a.Card == card && card != "" {
			return a
		}
	}
	return Activity{Profession: person.Profession, Training: person.Training, Structure: person.Structure, Employer: person.Employer}
}

// roleNomenclature is that of SubjectRole: "10^1.2.250.1.213.1.1.5.5".
const roleNomenclature = "1.2.250.1.213.1.1.5.5"

// psc adds the claims of Pro Santé Connect that the card and the people store
// fill. Palier_Authentification is not among them: its codes name Pro Santé
// Connect's own means.
func (c claims) psc(person identity.Professional, a Activity) {
	c["SubjectNameID"], c["preferred_username"] = string(person.IdNat), string(person.IdNat)
	c["UITVersion"] = "1.0" // of the shape
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
	c["SubjectRefPro"] = map[string]any{"exercices": []any{practice(person, a, code)}}
}

// practice is one exercice of SubjectRefPro.
func practice(person identity.Professional, a Activity, code string) claims {
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
