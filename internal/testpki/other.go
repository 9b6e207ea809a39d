package testpki

import (
	"crypto/x509/pkix"
	"fmt"

	"cpsgate/identity"
)

// ServiceForm is how a card that names no person is written.
type ServiceForm int

// The forms of a service card.
const (
	ServiceNameless  ServiceForm = iota // neither surname nor given name
	ServicePseudonym                    // a pseudonym in their place
)

// ServiceCard is a "carte de service": the card of a ward or a desk, not of a
// person, with the extensions of a CPE.
func (p *PKI) ServiceCard(form ServiceForm, spec CardSpec) (*Card, error) {
	spec.Type = identity.CardCPE
	orString(&spec.Title, serviceTitle)
	inner := spec.AlterBoth
	spec.AlterBoth = func(t *Template) {
		t.Subject = t.Subject.Without(AttributeGivenName).Without(AttributeSurname)
		if form == ServicePseudonym {
			last := len(t.Subject) - 1
			t.Subject[last] = append(t.Subject[last], Attribute{Type: AttributePseudonym, Value: "ACCUEIL EXEMPLE"})
		}
		if inner != nil {
			inner(t)
		}
	}
	return p.Card(spec)
}

// Technical is a stand-in for the "Certificat Technique CPS" of a contactless
// face, which needs no PIN: a certificate of the card itself, good for TLS, with
// no person and no UPN. The real profile is not publicly known.
func (p *PKI) Technical(spec CardSpec) (Pair, error) {
	inner := spec.AlterAuth
	spec.WithoutSignature = true
	spec.AlterAuth = func(t *Template) {
		t.Subject = Name{
			Single(AttributeCountry, "FR"),
			Single(AttributeOrganization, "ASIP-SANTE"),
			Single(AttributeTitle, "Certificat Technique CPS"),
			Single(AttributeCommonName, p.technicalName(t)),
		}
		t.Set(ExtendedKeyUsage(UsageClientAuth))
		t.Remove(ExtensionSubjectAltName)
		t.Remove(ExtensionProfession)
		if inner != nil {
			inner(t)
		}
	}
	card, err := p.Card(spec)
	if err != nil {
		return Pair{}, fmt.Errorf("technical certificate: %w", err)
	}
	return card.Authentication, nil
}

// technicalName is the token id, read back from its PrintableString.
func (p *PKI) technicalName(t *Template) string {
	return string(t.Extension(ExtensionTokenID).Value[2:])
}

// Software is a software certificate of a person, of ELEMENTAIRE PERSONNES:
// category 03, no card, and TLS client authentication all the same.
func (p *PKI) Software(spec CardSpec) (Pair, error) {
	if spec.Issuer == nil {
		spec.Issuer = p.Issuer(Elementaire, Persons)
	}
	inner := spec.AlterAuth
	spec.WithoutSignature = true
	spec.AlterAuth = func(t *Template) {
		t.Set(ExtendedKeyUsage(UsageClientAuth))
		t.Set(Category(p.category(0x03)))
		t.Remove(ExtensionCardType)
		t.Remove(ExtensionTokenID)
		t.Remove(ExtensionSubjectAltName)
		if inner != nil {
			inner(t)
		}
	}
	card, err := p.Card(spec)
	if err != nil {
		return Pair{}, fmt.Errorf("software certificate: %w", err)
	}
	return card.Authentication, nil
}

// Organisation is the TLS certificate of an establishment's server, which
// carries client authentication too. host becomes its CN.
func (p *PKI) Organisation(r Range, host string, alter func(*Template)) (Pair, error) {
	issuer, key := p.Issuer(r, Organisations), p.cardKey()
	spec := p.complete(CardSpec{Type: identity.CardCPE, Issuer: issuer, Key: key})
	t := p.leaf(issuer, key, spec.NotBefore, spec.NotAfter)
	t.Subject = Name{
		Single(AttributeCountry, "FR"),
		Single(AttributeState, spec.County),
		Single(AttributeOrganization, spec.Employer),
		Single(AttributeUnit, spec.StructureID),
		Single(AttributeCommonName, host),
	}
	t.Extensions = append(p.leafExtensions(issuer, key, use{
		keyUsage: UsageDigitalSignature | UsageKeyEncipherment,
		extended: ExtendedKeyUsage(UsageServerAuth, UsageClientAuth),
		name:     hostNames([]string{host}),
	}), []pkix.Extension{Category(p.category(0x03))}...)
	if alter != nil {
		alter(t)
	}
	return issuer.Issue(t, key)
}
