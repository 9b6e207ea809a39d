package mtls_test

import (
	"crypto"
	"errors"
	"math/big"
	"slices"
	"testing"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

func TestCardsAreAccepted(t *testing.T) {
	pki := newPKI(t, false)
	v := newVerifier(t, trustOf(t, pki), mtls.Policy{}, freshCRLs(t, pki))
	for name, spec := range map[string]testpki.CardSpec{
		"CPS, independent professional":         {Type: identity.CardCPS, Profession: 60, Specialties: []string{"SM26", "SM53"}},
		"CPF, in training":                      {Type: identity.CardCPF, Profession: 21},
		"CPE, employee of an establishment":     {Type: identity.CardCPE},
		"CPA, employee of another structure":    {Type: identity.CardCPA},
		"CPE of a profession without specialty": {Type: identity.CardCPE, Profession: 35},
	} {
		t.Run(name, func(t *testing.T) {
			card, err := pki.Card(spec)
			if err != nil {
				t.Fatal(err)
			}
			holder, err := v.Verify(mtls.Leaf{DER: card.Authentication.DER}, today())
			if err != nil {
				t.Fatal(err)
			}
			checkHolder(t, holder, card, spec)
		})
	}
}

func checkHolder(t *testing.T, holder identity.Cardholder, card *testpki.Card, spec testpki.CardSpec) {
	t.Helper()
	who := holder.Professional
	if string(who.IdNat) != card.IdNat || who.FamilyName != card.FamilyName || who.GivenName != card.GivenName || who.Title != card.Title {
		t.Errorf("holder %+v, want that of %+v", who, card)
	}
	if who.Profession != spec.Profession || who.Training != (spec.Type == identity.CardCPF) || !slices.Equal(who.Specialties, spec.Specialties) {
		t.Errorf("profession %v, training %v, specialities %v", who.Profession, who.Training, who.Specialties)
	}
	employed := spec.Type == identity.CardCPE || spec.Type == identity.CardCPA
	if (who.Employer != "") != employed || (who.Structure != "") != employed {
		t.Errorf("employer %q, structure %q", who.Employer, who.Structure)
	}
	if holder.Card.TokenID != card.TokenID || holder.Card.Type != spec.Type || holder.Card.Test || holder.Card.Holder != who.IdNat {
		t.Errorf("card %+v", holder.Card)
	}
	cert := card.Authentication.Certificate
	record := holder.Certificate
	if record.Fingerprint != mtls.Fingerprint(cert) || record.IssuerKey != mtls.NameKey(cert.RawIssuer) ||
		record.Serial != mtls.FormatSerial(cert.SerialNumber) || !record.NotAfter.Equal(cert.NotAfter) || record.TokenID != card.TokenID {
		t.Errorf("certificate %+v", record)
	}
}

// Each point of the profile, and what a certificate is told that fails it.
func TestProfileRefusals(t *testing.T) {
	pki := newPKI(t, false)
	v := newVerifier(t, trustOf(t, pki), mtls.Policy{}, freshCRLs(t, pki))
	set := func(e ...func(*testpki.Template)) func(*testpki.Template) {
		return func(t *testpki.Template) {
			for _, change := range e {
				change(t)
			}
		}
	}
	for _, test := range []struct {
		rule  string
		alter func(*testpki.Template)
		want  mtls.Reason
	}{
		{"software, category 03", func(c *testpki.Template) { c.Set(testpki.Category(0x03)) }, mtls.NotACard},
		{"TEST software, category 83", func(c *testpki.Template) { c.Set(testpki.Category(0x83)) }, mtls.NotACard},
		{"module, category 02", func(c *testpki.Template) { c.Set(testpki.Category(0x02)) }, mtls.NotACard},
		{"unknown category 01", func(c *testpki.Template) { c.Set(testpki.Category(0x01)) }, mtls.NotACard},
		{"no category", func(c *testpki.Template) { c.Remove(testpki.ExtensionCategory) }, mtls.NotACard},
		{"TEST card, category 80", func(c *testpki.Template) { c.Set(testpki.Category(0x80)) }, mtls.TestCardInProduction},
		{"no card type", func(c *testpki.Template) { c.Remove(testpki.ExtensionCardType) }, mtls.NotACard},
		{"unknown card type 4", func(c *testpki.Template) { c.Set(testpki.Integer(testpki.ExtensionCardType, 4)) }, mtls.NotACard},
		{"no token id", func(c *testpki.Template) { c.Remove(testpki.ExtensionTokenID) }, mtls.NotACard},
		{"an authority", func(c *testpki.Template) { c.Set(testpki.BasicConstraints(true, 0)) }, mtls.NotACard},

		{"key usage nonRepudiation only", func(c *testpki.Template) { c.Set(testpki.KeyUsage(testpki.UsageNonRepudiation)) }, mtls.SignatureCertificate},
		{"extended key usage emailProtection only", func(c *testpki.Template) { c.Set(testpki.ExtendedKeyUsage(testpki.UsageEmailProtection)) }, mtls.SignatureCertificate},

		{"key usage with keyEncipherment beside", func(c *testpki.Template) {
			c.Set(testpki.KeyUsage(testpki.UsageDigitalSignature | testpki.UsageKeyEncipherment))
		}, mtls.ContactlessTechnical},
		{"key usage with nonRepudiation beside", func(c *testpki.Template) {
			c.Set(testpki.KeyUsage(testpki.UsageDigitalSignature | testpki.UsageNonRepudiation))
		}, mtls.ContactlessTechnical},
		{"no key usage", func(c *testpki.Template) { c.Remove(testpki.ExtensionKeyUsage) }, mtls.ContactlessTechnical},
		{"key usage not critical", func(c *testpki.Template) { c.Extension(testpki.ExtensionKeyUsage).Critical = false }, mtls.ContactlessTechnical},
		{"no smartcardLogon", func(c *testpki.Template) { c.Set(testpki.ExtendedKeyUsage(testpki.UsageClientAuth)) }, mtls.ContactlessTechnical},
		{"no clientAuth", func(c *testpki.Template) { c.Set(testpki.ExtendedKeyUsage(testpki.UsageSmartcardLogon)) }, mtls.ContactlessTechnical},
		{"no extended key usage", func(c *testpki.Template) { c.Remove(testpki.ExtensionExtendedKeyUsage) }, mtls.ContactlessTechnical},
		{"OCSPSigning beside", func(c *testpki.Template) {
			c.Set(testpki.ExtendedKeyUsage(testpki.UsageClientAuth, testpki.UsageSmartcardLogon, testpki.UsageOCSPSigning))
		}, mtls.ContactlessTechnical},
		{"no user principal name", func(c *testpki.Template) { c.Remove(testpki.ExtensionSubjectAltName) }, mtls.ContactlessTechnical},
		{"somebody else's user principal name", func(c *testpki.Template) { c.Set(testpki.UPN("899900000001@carte-cps.fr")) }, mtls.Malformed},
		{"user principal name of another domain", func(c *testpki.Template) {
			c.Set(testpki.UPN(c.Subject.Get(testpki.AttributeCommonName) + "@carte-cps.example"))
		}, mtls.Malformed},

		{"serverAuth beside", func(c *testpki.Template) {
			c.Set(testpki.ExtendedKeyUsage(testpki.UsageClientAuth, testpki.UsageSmartcardLogon, testpki.UsageServerAuth))
		}, mtls.OrganisationCertificate},
		{"an organisation's subject from a persons' authority", set(
			func(c *testpki.Template) {
				c.Subject = testpki.Name{testpki.Single(testpki.AttributeOrganization, "HOPITAL EXEMPLE"), testpki.Single(testpki.AttributeCommonName, "portail.example")}
			},
			func(c *testpki.Template) { c.Remove(testpki.ExtensionCardType) },
			func(c *testpki.Template) { c.Remove(testpki.ExtensionTokenID) },
		), mtls.OrganisationCertificate},

		{"no family name", func(c *testpki.Template) { c.Subject = c.Subject.Without(testpki.AttributeSurname) }, mtls.NonNominative},
		{"no given name", func(c *testpki.Template) { c.Subject = c.Subject.Without(testpki.AttributeGivenName) }, mtls.NonNominative},
		{"title of a service card", func(c *testpki.Template) {
			c.Subject = append(c.Subject.Without(testpki.AttributeTitle), testpki.Single(testpki.AttributeTitle, "Carte de service accueil"))
		}, mtls.NonNominative},

		{"two common names", func(c *testpki.Template) {
			c.Subject = append(c.Subject, testpki.Single(testpki.AttributeCommonName, "899900000001"))
		}, mtls.Malformed},
		{"a control character in the name", func(c *testpki.Template) {
			c.Subject = append(c.Subject.Without(testpki.AttributeTitle), testpki.Single(testpki.AttributeTitle, "Infirmier\nMédecin"))
		}, mtls.Malformed},
		{"category of two bytes", func(c *testpki.Template) { c.Extension(testpki.ExtensionCategory).Value = []byte{4, 2, 0, 0} }, mtls.Malformed},
		{"category with trailing bytes", func(c *testpki.Template) { c.Extension(testpki.ExtensionCategory).Value = []byte{4, 1, 0, 0} }, mtls.Malformed},
		{"card type not minimally encoded", func(c *testpki.Template) { c.Extension(testpki.ExtensionCardType).Value = []byte{2, 2, 0, 0} }, mtls.Malformed},
		{"negative profession", func(c *testpki.Template) { c.Set(testpki.Integer(testpki.ExtensionProfession, -10)) }, mtls.Malformed},
		{"token id of another form", func(c *testpki.Template) { c.Set(testpki.TokenID("8025000001-2600000000")) }, mtls.Malformed},

		{"unknown critical extension", func(c *testpki.Template) { c.Set(testpki.UnknownCritical()) }, mtls.UntrustedIssuer},
		{"signature over SHA-1", func(c *testpki.Template) { c.Digest = crypto.SHA1 }, mtls.UntrustedIssuer},
		{"corrupted signature", func(c *testpki.Template) { c.CorruptSignature = true }, mtls.UntrustedIssuer},
		{"negative serial", func(c *testpki.Template) { c.Serial = big.NewInt(-5) }, mtls.Malformed},
	} {
		t.Run(test.rule, func(t *testing.T) {
			wantRefusal(t, v, altered(t, pki, test.alter), test.want)
		})
	}
}

func TestOtherCertificatesOfTheIGC(t *testing.T) {
	pki := newPKI(t, false)
	v := newVerifier(t, trustOf(t, pki), mtls.Policy{}, freshCRLs(t, pki))
	pair := func(p testpki.Pair, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return p.DER
	}
	card := func(c *testpki.Card, err error) *testpki.Card {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	for rule, test := range map[string]struct {
		der  []byte
		want mtls.Reason
	}{
		"the signature certificate of a good card": {card(pki.Card(testpki.CardSpec{})).Signature.DER, mtls.SignatureCertificate},
		"service card without a name":              {card(pki.ServiceCard(testpki.ServiceNameless, testpki.CardSpec{})).Authentication.DER, mtls.NonNominative},
		"service card under a pseudonym":           {card(pki.ServiceCard(testpki.ServicePseudonym, testpki.CardSpec{})).Authentication.DER, mtls.NonNominative},
		"technical certificate, contactless":       {pair(pki.Technical(testpki.CardSpec{})), mtls.ContactlessTechnical},
		"software certificate of a person":         {pair(pki.Software(testpki.CardSpec{})), mtls.NotACard},
		"organisation, ELEMENTAIRE":                {pair(pki.Organisation(testpki.Elementaire, "portail.example", nil)), mtls.OrganisationCertificate},
		"organisation, FORT":                       {pair(pki.Organisation(testpki.Fort, "portail.example", nil)), mtls.OrganisationCertificate},
		"a card's shape under ELEMENTAIRE PERSONNES": {
			newCard(t, pki, testpki.CardSpec{Issuer: pki.Issuer(testpki.Elementaire, testpki.Persons)}).DER, mtls.UntrustedIssuer},
		"a card's shape under ORGANISATIONS": {
			newCard(t, pki, testpki.CardSpec{Issuer: pki.Issuer(testpki.Fort, testpki.Organisations)}).DER, mtls.OrganisationCertificate},
		"a card's shape by an impostor": {
			newCard(t, pki, testpki.CardSpec{Issuer: pki.Impostor(testpki.Fort, testpki.Persons)}).DER, mtls.UntrustedIssuer},
		"a weak key": {newCard(t, pki, testpki.CardSpec{Key: pki.WeakKey()}).DER, mtls.UntrustedIssuer},
	} {
		t.Run(rule, func(t *testing.T) { wantRefusal(t, v, test.der, test.want) })
	}
}

// Roots as anchors let in no more than the intermediates would: the authority
// that issued the card is looked at too.
func TestRootsAsAnchors(t *testing.T) {
	pki := newPKI(t, false)
	intermediates := pki.CardIssuers()
	for _, r := range testpki.Ranges {
		intermediates = append(intermediates, pki.Issuer(r, testpki.Organisations).Certificate, pki.Issuer(r, testpki.Persons).Certificate)
	}
	trust, err := mtls.NewTrust(pki.Roots(), intermediates)
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, trust, mtls.Policy{}, freshCRLs(t, pki))
	if _, err := v.Verify(mtls.Leaf{DER: newCard(t, pki, testpki.CardSpec{}).DER}, today()); err != nil {
		t.Errorf("a good card: %v", err)
	}
	wantRefusal(t, v, newCard(t, pki, testpki.CardSpec{Issuer: pki.Issuer(testpki.Elementaire, testpki.Persons)}).DER, mtls.UntrustedIssuer)
	wantRefusal(t, v, newCard(t, pki, testpki.CardSpec{Issuer: pki.Root(testpki.Fort)}).DER, mtls.UntrustedIssuer)
}

func TestIdentifiers(t *testing.T) {
	pki := newPKI(t, false)
	evidence := freshCRLs(t, pki)
	strict := newVerifier(t, trustOf(t, pki), mtls.Policy{}, evidence)
	lenient := newVerifier(t, trustOf(t, pki), mtls.Policy{UnknownIdentifiers: mtls.Accept}, evidence)
	for rule, id := range map[string]string{
		"test bench": "ANS20210101000001",
		"PSI":        "2f1b2c1e-2b4c-4b8f-9f57-6e4a0f3c7d11",
	} {
		der := newCard(t, pki, testpki.CardSpec{IdNat: id}).DER
		wantRefusal(t, strict, der, mtls.Malformed)
		holder, err := lenient.Verify(mtls.Leaf{DER: der}, today())
		if err != nil || string(holder.Professional.IdNat) != id {
			t.Errorf("%s where the policy accepts it: %v, %v", rule, holder.Professional.IdNat, err)
		}
	}
	// The authority signed it: the wrong key is flagged, not refused.
	holder, err := strict.Verify(mtls.Leaf{DER: newCard(t, pki, testpki.CardSpec{IdNat: "899900000001"}).DER}, today())
	if err != nil || !errors.Is(holder.Professional.IdNat.Check(), identity.ErrCheckDigit) {
		t.Errorf("RPPS with a wrong key: %v, %v", holder.Professional.IdNat, err)
	}
	wantRefusal(t, lenient, newCard(t, pki, testpki.CardSpec{IdNat: "8999 00000001"}).DER, mtls.Malformed)
}

func TestTestCards(t *testing.T) {
	pki := newPKI(t, true)
	der := newCard(t, pki, testpki.CardSpec{}).DER
	evidence := freshCRLs(t, pki)
	holder, err := newVerifier(t, trustOf(t, pki), mtls.Policy{TestCards: mtls.Accept}, evidence).Verify(mtls.Leaf{DER: der}, today())
	if err != nil || !holder.Card.Test {
		t.Errorf("where the policy accepts them: %+v, %v", holder.Card, err)
	}
	production := newVerifier(t, trustOf(t, pki), mtls.Policy{}, evidence)
	wantRefusal(t, production, der, mtls.TestCardInProduction)
	// A TEST authority is refused even where its card does not say TEST.
	wantRefusal(t, production, altered(t, pki, func(c *testpki.Template) { c.Set(testpki.Category(0x00)) }), mtls.TestCardInProduction)
}
