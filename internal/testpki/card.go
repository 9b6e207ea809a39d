package testpki

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"strings"
	"time"

	"cpsgate/identity"
)

// Pair is a certificate and its private key.
type Pair struct {
	Certificate *x509.Certificate // nil when the DER does not parse
	DER         []byte
	Key         crypto.Signer
	Issuer      *Authority
}

// TLS is the pair as a card offers it to a server: the leaf alone.
func (p Pair) TLS() tls.Certificate {
	return tls.Certificate{Certificate: [][]byte{p.DER}, PrivateKey: p.Key, Leaf: p.Certificate}
}

// Revoke revokes the certificate at its issuer.
func (p Pair) Revoke(at time.Time, reason int) {
	p.Issuer.Revoke(p.Certificate.SerialNumber, at, reason)
}

// Card is what a contact card carries.
type Card struct {
	TokenID        string // 8025000001/<10-digit number>
	Type           identity.CardType
	IdNat          string
	FamilyName     string
	GivenName      string
	Title          string
	Authentication Pair
	Signature      Pair
}

// Revoke revokes both certificates, as reporting a card lost does.
func (c *Card) Revoke(at time.Time, reason int) {
	c.Authentication.Revoke(at, reason)
	c.Signature.Revoke(at, reason)
}

// CardSpec describes a card. Its zero value is a CPS of a made-up professional,
// valid from a day ago for three years, each card another person.
type CardSpec struct {
	Type             identity.CardType
	IdNat            string // CN; "" = the next of the test range
	FamilyName       string
	GivenName        string
	Title            string              // "" = the profession's wording
	Profession       identity.Profession // 0 = médecin for CPS and CPF, none for the others; a CPF's is the one studied for
	Specialties      []string            // TRE_R01: SM26
	TokenNumber      string              // ten digits; "" = the next
	StructureID      string              // employees: OU
	Employer         string              // employees: O
	County           string              // employees: ST
	NotBefore        time.Time           // zero = a day before now
	NotAfter         time.Time           // zero = three years after NotBefore
	Issuer           *Authority          // nil = the one that signs such cards
	Key              crypto.Signer       // authentication key; nil = from the pool
	AlterBoth        func(*Template)
	AlterAuth        func(*Template)
	AlterSignature   func(*Template)
	WithoutSignature bool // leaves Card.Signature empty, and saves the time of signing it
}

// The made-up structure in which employees work.
const (
	sampleFINESS    = "0B0099999"
	sampleSIRET     = "99999999900019"
	sampleEmployer  = "HOPITAL EXEMPLE"
	samplePractice  = "CABINET EXEMPLE"
	sampleCounty    = "Paris (75)"
	sampleFamily    = "EXEMPLE"
	tokenPrefix     = "8025000001/"
	employeeTitle   = "Personnel santé ou social"
	serviceTitle    = "Carte de service"
	upnDomain       = "@carte-cps.fr"
	cardYears       = 3
	firstCardNumber = 2600000000
)

// Card makes a card with its two certificates.
func (p *PKI) Card(spec CardSpec) (*Card, error) {
	spec = p.complete(spec)
	card := &Card{
		TokenID: tokenPrefix + spec.TokenNumber, Type: spec.Type, IdNat: spec.IdNat,
		FamilyName: spec.FamilyName, GivenName: spec.GivenName, Title: spec.Title,
	}
	var err error
	if card.Authentication, err = p.issueCard(spec, spec.Key, authenticationUse(spec.IdNat), spec.AlterAuth); err != nil {
		return nil, fmt.Errorf("authentication certificate: %w", err)
	}
	if spec.WithoutSignature {
		return card, nil
	}
	if card.Signature, err = p.issueCard(spec, p.cardKey(), signatureUse(spec), spec.AlterSignature); err != nil {
		return nil, fmt.Errorf("signature certificate: %w", err)
	}
	return card, nil
}

// use is what tells an authentication certificate from a signature one.
type use struct {
	keyUsage byte
	extended pkix.Extension
	name     pkix.Extension // UPN, or the private key's usage period
}

func authenticationUse(commonName string) use {
	return use{UsageDigitalSignature, ExtendedKeyUsage(UsageClientAuth, UsageSmartcardLogon), UPN(commonName + upnDomain)}
}

func signatureUse(spec CardSpec) use {
	return use{UsageNonRepudiation, ExtendedKeyUsage(UsageEmailProtection), privateKeyUsage(spec.NotBefore, spec.NotAfter)}
}

func (p *PKI) issueCard(spec CardSpec, key crypto.Signer, use use, alter func(*Template)) (Pair, error) {
	t := p.leaf(spec.Issuer, key, spec.NotBefore, spec.NotAfter)
	t.Subject = cardSubject(spec)
	t.Extensions = append(p.leafExtensions(spec.Issuer, key, use), p.cardExtensions(spec)...)
	for _, change := range []func(*Template){spec.AlterBoth, alter} {
		if change != nil {
			change(t)
		}
	}
	return spec.Issuer.Issue(t, key)
}

// leaf is a certificate with everything but a subject and extensions.
func (p *PKI) leaf(issuer *Authority, key crypto.Signer, notBefore, notAfter time.Time) *Template {
	return &Template{
		Version: 2, Serial: issuer.nextSerial(), Issuer: issuer.Certificate.RawSubject, NotBefore: notBefore, NotAfter: notAfter,
		PublicKey: key.Public(), Signer: issuer.Key,
	}
}

// leafExtensions are those before the private ones, in the order of the real leaves.
func (p *PKI) leafExtensions(issuer *Authority, key crypto.Signer, use use) []pkix.Extension {
	extensions := []pkix.Extension{
		BasicConstraints(false, -1),
		subjectKeyID(KeyID(key.Public())),
		authorityKeyID(issuer.Certificate.SubjectKeyId),
		KeyUsage(use.keyUsage),
		Policies(p.options.Policy, p.policyStatement()),
		use.extended,
	}
	if use.name.Id != nil {
		extensions = append(extensions, use.name)
	}
	return append(extensions,
		crlPoints(ExtensionCRLPoints, issuer.CRLURL(), issuer.LDAPCRLURL()),
		crlPoints(ExtensionFreshestCRL, issuer.LDAPDeltaURL()),
		authorityInfo(p.ocsp(), issuer.certificateURL()),
	)
}

func (p *PKI) cardExtensions(spec CardSpec) []pkix.Extension {
	extensions := []pkix.Extension{
		Category(p.category(0x00)),
		Integer(ExtensionCardType, int(spec.Type)),
		TokenID(tokenPrefix + spec.TokenNumber),
	}
	if spec.Profession != 0 {
		oid := ExtensionProfession
		if spec.Type == identity.CardCPF {
			oid = ExtensionFutureProfession
		}
		extensions = append(extensions, Integer(oid, int(spec.Profession)))
	}
	if len(spec.Specialties) > 0 {
		extensions = append(extensions, Specialties(spec.Specialties...))
	}
	return extensions
}

// category adds the TEST bit where the PKI is a TEST one.
func (p *PKI) category(value byte) byte {
	if p.options.Test {
		return value | 0x80
	}
	return value
}

func employed(t identity.CardType) bool { return t == identity.CardCPE || t == identity.CardCPA }

func cardSubject(spec CardSpec) Name {
	name := Name{Single(AttributeCountry, "FR")}
	if employed(spec.Type) {
		name = append(name, Single(AttributeState, spec.County), Single(AttributeOrganization, spec.Employer),
			Single(AttributeUnit, spec.StructureID))
	}
	return append(name, Single(AttributeTitle, spec.Title), RDN{
		{Type: AttributeGivenName, Value: spec.GivenName},
		{Type: AttributeSurname, Value: spec.FamilyName},
		{Type: AttributeCommonName, Value: spec.IdNat},
	})
}

// complete fills what the spec leaves open.
func (p *PKI) complete(spec CardSpec) CardSpec {
	n := p.numbers.Add(1)
	if spec.Profession == 0 && !employed(spec.Type) {
		spec.Profession = 10
	}
	orString(&spec.TokenNumber, fmt.Sprint(firstCardNumber+n))
	orString(&spec.IdNat, defaultIdNat(spec.Type, n))
	orString(&spec.Title, defaultTitle(spec))
	orString(&spec.FamilyName, fmt.Sprintf("%s-%04d", sampleFamily, n))
	orString(&spec.GivenName, strings.ToUpper(spec.Title))
	completeEmployer(&spec)
	if spec.NotBefore.IsZero() {
		spec.NotBefore = p.now().Add(-24 * time.Hour).UTC().Truncate(time.Second)
	}
	if spec.NotAfter.IsZero() {
		spec.NotAfter = spec.NotBefore.AddDate(cardYears, 0, 0)
	}
	if spec.Issuer == nil {
		spec.Issuer = p.cardIssuer(spec.Type)
	}
	if spec.Key == nil {
		spec.Key = p.cardKey()
	}
	return spec
}

// cardIssuer: CPS and CPF come from FORT, the others from STANDARD.
func (p *PKI) cardIssuer(t identity.CardType) *Authority {
	if employed(t) {
		return p.Issuer(Standard, Persons)
	}
	return p.Issuer(Fort, Persons)
}

func completeEmployer(spec *CardSpec) {
	switch spec.Type {
	case identity.CardCPE:
		orString(&spec.StructureID, "1"+sampleFINESS)
		orString(&spec.Employer, sampleEmployer)
	case identity.CardCPA:
		orString(&spec.StructureID, "3"+sampleSIRET)
		orString(&spec.Employer, samplePractice)
	}
	orString(&spec.County, sampleCounty)
}

func defaultIdNat(t identity.CardType, n uint64) string {
	switch t {
	case identity.CardCPE:
		return fmt.Sprintf("3%s/CPET%04d", sampleFINESS, n)
	case identity.CardCPA:
		return fmt.Sprintf("5%s/CPAT%04d", sampleSIRET, n)
	}
	return "8" + RPPS(n)
}

func defaultTitle(spec CardSpec) string {
	if spec.Profession == 0 {
		return employeeTitle
	}
	return spec.Profession.String()
}

func orString(field *string, otherwise string) {
	if *field == "" {
		*field = otherwise
	}
}

// RPPS makes the n-th number of ANS's test range, 999…, with its Luhn key.
func RPPS(n uint64) string {
	digits := fmt.Sprintf("999%07d", n%10_000_000)
	sum := 0
	for i := range digits { // the key's place is even, so these count from the right with 2, 1, 2 …
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return fmt.Sprintf("%s%d", digits, (10-sum%10)%10)
}
