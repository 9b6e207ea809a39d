package mtls

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"

	"cpsgate/identity"
)

// Claims is what a certificate says of itself. It is read before anything is
// verified and becomes an identity only through Verifier.Verify.
type Claims struct {
	Certificate *x509.Certificate
	Subject     Subject
	Card        CardExtensions
	UPN         string
	// Err joins what could not be read; the rest was read all the same.
	Err error

	issuer string // the issuer's name as FormatName writes it; "": not written yet
}

// ReadClaims reads the claims of a parsed certificate.
func ReadClaims(unverifiedCert *x509.Certificate) Claims {
	c := Claims{Certificate: unverifiedCert}
	var errs [3]error
	c.Subject, errs[0] = ParseSubject(unverifiedCert.Subject)
	c.Card, errs[1] = ParseCardExtensions(unverifiedCert.Extensions)
	c.UPN, errs[2] = ParseUPN(unverifiedCert.Extensions)
	c.Err = errors.Join(errs[:]...)
	return c
}

var (
	oidKeyUsage       = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidSmartcardLogon = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 2}
)

// fromIGC tells whether the certificate presents itself as one of the
// IGC-Santé: by its issuer's name or by a private extension.
func (c Claims) fromIGC() bool {
	return c.Card.Any() || classify(c.Certificate.Issuer).IGC
}

// keyUsageCritical: RFC 5280 §4.2.1.3 asks conforming CAs to mark it so.
func (c Claims) keyUsageCritical() bool {
	for _, extension := range c.Certificate.Extensions {
		if extension.Id.Equal(oidKeyUsage) {
			return extension.Critical
		}
	}
	return false
}

func (c Claims) extKeyUsage(usage x509.ExtKeyUsage) bool {
	return slices.Contains(c.Certificate.ExtKeyUsage, usage)
}

func (c Claims) smartcardLogon() bool {
	return slices.ContainsFunc(c.Certificate.UnknownExtKeyUsage, oidSmartcardLogon.Equal)
}

// usages is the extended key usages in words, for details and cert show.
func (c Claims) usages() []string {
	names := map[x509.ExtKeyUsage]string{
		x509.ExtKeyUsageAny: "any", x509.ExtKeyUsageClientAuth: "clientAuth", x509.ExtKeyUsageServerAuth: "serverAuth",
		x509.ExtKeyUsageEmailProtection: "emailProtection", x509.ExtKeyUsageCodeSigning: "codeSigning",
		x509.ExtKeyUsageTimeStamping: "timeStamping", x509.ExtKeyUsageOCSPSigning: "OCSPSigning",
	}
	var words []string
	for _, usage := range c.Certificate.ExtKeyUsage {
		word, known := names[usage]
		if !known {
			word = fmt.Sprintf("usage %d", usage)
		}
		words = append(words, word)
	}
	for _, oid := range c.Certificate.UnknownExtKeyUsage {
		if oid.Equal(oidSmartcardLogon) {
			words = append(words, "smartcardLogon")
			continue
		}
		words = append(words, oid.String())
	}
	return words
}

// KeyUsages is the key usage and the extended key usages in words.
func (c Claims) KeyUsages() (usage, extended []string) {
	for bit, word := range []string{
		"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement",
		"keyCertSign", "cRLSign", "encipherOnly", "decipherOnly",
	} {
		if c.Certificate.KeyUsage&(1<<bit) != 0 {
			usage = append(usage, word)
		}
	}
	return usage, c.usages()
}

// cardholder puts the claims into the shape of an identity. Who calls it says
// whether they are verified.
func (c Claims) cardholder(now time.Time) identity.Cardholder {
	id, err := identity.ParsePSIdNat(c.Subject.CommonName)
	if err != nil {
		id = ""
	}
	who := identity.Professional{
		IdNat:       id,
		FamilyName:  c.Subject.FamilyName,
		GivenName:   c.Subject.GivenName,
		Title:       c.Subject.Title,
		Specialties: slices.Clone(c.Card.Specialties),
		Structure:   c.Subject.Structure(),
		Employer:    c.Subject.Organization,
	}
	card := identity.Card{TokenID: c.Card.TokenID, Holder: id, State: identity.CardActive, FirstSeen: now, LastSeen: now}
	if c.Card.Type != nil {
		card.Type = *c.Card.Type
		who.Training = card.Type == identity.CardCPF
	}
	if c.Card.Category != nil {
		card.Test = c.Card.Category.Test()
	}
	switch {
	case who.Training && c.Card.FutureProfession != nil:
		who.Profession = *c.Card.FutureProfession
	case c.Card.Profession != nil:
		who.Profession = *c.Card.Profession
	}
	return identity.Cardholder{Professional: who, Card: card, Certificate: c.record(now, id)}
}

func (c Claims) record(now time.Time, holder identity.PSIdNat) identity.Certificate {
	issuer := c.issuer
	if issuer == "" {
		issuer = FormatName(c.Certificate.RawIssuer)
	}
	return identity.Certificate{
		Issuer:      issuer,
		IssuerKey:   NameKey(c.Certificate.RawIssuer),
		Serial:      FormatSerial(c.Certificate.SerialNumber),
		Fingerprint: Fingerprint(c.Certificate),
		TokenID:     c.Card.TokenID,
		Holder:      holder,
		NotBefore:   c.Certificate.NotBefore,
		NotAfter:    c.Certificate.NotAfter,
		SeenAt:      now,
	}
}
