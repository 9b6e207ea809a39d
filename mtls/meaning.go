package mtls

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"cpsgate/identity"
)

// Unverified puts the claims into the shape of a cardholder, for showing them.
// It is not an identity: Verifier.Verify gives those.
func (c Claims) Unverified() identity.Cardholder { return c.cardholder(time.Time{}) }

// DescribeKey names a public key's algorithm and size.
func DescribeKey(public any) string {
	switch key := public.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA %d", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA " + key.Curve.Params().Name
	case ed25519.PublicKey:
		return "Ed25519"
	}
	return fmt.Sprintf("%T", public)
}

// Meaning names an extension and tells in words what its value says; no words
// for those that are not known here.
func (c Claims) Meaning(extension pkix.Extension) (name string, words []string) {
	cert := c.Certificate
	usage, extended := c.KeyUsages()
	switch extension.Id.String() {
	case "2.5.29.14":
		return "subject key identifier", []string{hex.EncodeToString(cert.SubjectKeyId)}
	case "2.5.29.15":
		return "key usage", usage
	case "2.5.29.16":
		return "private key usage period", nonEmpty(usagePeriod(extension.Value))
	case "2.5.29.17":
		return "subject alternative name", c.alternativeNames()
	case "2.5.29.19":
		return "basic constraints", []string{c.constraints()}
	case "2.5.29.30":
		return "name constraints", nil
	case "2.5.29.31":
		return "CRL distribution points", cert.CRLDistributionPoints
	case "2.5.29.32":
		return "certificate policies", c.policies()
	case "2.5.29.35":
		return "authority key identifier", []string{hex.EncodeToString(cert.AuthorityKeyId)}
	case "2.5.29.37":
		return "extended key usage", extended
	case "2.5.29.46":
		return "freshest CRL", generalURIs(extension.Value)
	case "1.3.6.1.5.5.7.1.1":
		return "authority information access", c.information()
	}
	return c.privateMeaning(extension)
}

func (c Claims) privateMeaning(extension pkix.Extension) (name string, words []string) {
	switch id := extension.Id; {
	case id.Equal(oidCategory):
		if c.Card.Category != nil {
			words = []string{fmt.Sprintf("%02x: %s", byte(*c.Card.Category), *c.Card.Category)}
		}
		return "IGC-Santé product category", words
	case id.Equal(oidCardType):
		if c.Card.Type != nil {
			words = []string{fmt.Sprintf("%d: %s", int(*c.Card.Type), *c.Card.Type)}
		}
		return "IGC-Santé card type", words
	case id.Equal(oidTokenID):
		return "IGC-Santé token id", nonEmpty(c.Card.TokenID)
	case id.Equal(oidProfession):
		return "IGC-Santé profession (TRE_G15)", professionWords(c.Card.Profession)
	case id.Equal(oidFutureProfession):
		return "IGC-Santé future profession (TRE_G16)", professionWords(c.Card.FutureProfession)
	case id.Equal(oidSpecialties):
		return "IGC-Santé specialities (TRE_R01)", nonEmpty(strings.Join(c.Card.Specialties, ", "))
	}
	return "unknown extension", nil
}

// usagePeriod reads PrivateKeyUsagePeriod (RFC 3280 §4.2.1.4).
func usagePeriod(der []byte) string {
	var body, from, to cryptobyte.String
	s := cryptobyte.String(der)
	if !s.ReadASN1(&body, cbasn1.SEQUENCE) || !s.Empty() ||
		!body.ReadOptionalASN1(&from, nil, contextTag(0)) || !body.ReadOptionalASN1(&to, nil, contextTag(1)) || !body.Empty() {
		return ""
	}
	const generalized = "20060102150405Z"
	var words []string
	for word, value := range map[string]cryptobyte.String{"from": from, "to": to} {
		if at, err := time.Parse(generalized, string(value)); err == nil {
			words = append(words, word+" "+at.Format(time.RFC3339))
		}
	}
	slices.Sort(words)
	return strings.Join(words, " ")
}

func professionWords(p *identity.Profession) []string {
	switch {
	case p == nil:
		return nil
	case !p.Known():
		return []string{fmt.Sprintf("%d", int(*p))}
	}
	return []string{fmt.Sprintf("%d: %s", int(*p), *p)}
}

func nonEmpty(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func (c Claims) constraints() string {
	switch {
	case !c.Certificate.IsCA:
		return "not an authority"
	case c.Certificate.MaxPathLen >= 0 && (c.Certificate.MaxPathLen > 0 || c.Certificate.MaxPathLenZero):
		return fmt.Sprintf("authority, with at most %d authorities below it", c.Certificate.MaxPathLen)
	}
	return "authority"
}

func (c Claims) policies() []string {
	var words []string
	for _, oid := range c.Certificate.Policies {
		words = append(words, oid.String())
	}
	return words
}

func (c Claims) alternativeNames() []string {
	var words []string
	if c.UPN != "" {
		words = append(words, "user principal name "+c.UPN)
	}
	add := func(kind string, names []string) {
		for _, name := range names {
			words = append(words, kind+" "+AttributeText(name))
		}
	}
	add("DNS", c.Certificate.DNSNames)
	add("mail", c.Certificate.EmailAddresses)
	for _, ip := range c.Certificate.IPAddresses {
		words = append(words, "IP "+ip.String())
	}
	for _, uri := range c.Certificate.URIs {
		words = append(words, "URI "+uri.String())
	}
	return words
}

func (c Claims) information() []string {
	var words []string
	for _, uri := range c.Certificate.OCSPServer {
		words = append(words, "OCSP "+uri)
	}
	for _, uri := range c.Certificate.IssuingCertificateURL {
		words = append(words, "issuer "+uri)
	}
	return words
}

// generalURIs are the URIs of distribution points.
func generalURIs(der []byte) []string {
	points, err := parsePoints(der, []byte{byte(cbasn1.SEQUENCE), 0})
	if err != nil {
		return nil
	}
	var uris []string
	for _, point := range points {
		for _, name := range point.names {
			var text cryptobyte.String
			element := cryptobyte.String(name)
			if !element.ReadASN1(&text, contextTag(6)) {
				continue
			}
			if uri, err := url.Parse(string(text)); err == nil {
				uris = append(uris, uri.String())
			}
		}
	}
	return uris
}
