package mtls

import (
	"crypto/x509"
	"fmt"
	"strings"

	"cpsgate/identity"
)

// profileClause stands for ANS's description of the certificates of the
// IGC-Santé; the words after it name the point.
const profileClause = "IGC-Santé profile, "

// profileCheck is one point of the profile. Their order is the order of what
// helps a person most: "you chose the signature certificate" comes before
// "this is a TEST card".
type profileCheck struct {
	rule   string // what must hold, in words
	clause string
	refuse func(Claims, Policy) *Refusal // nil: holds
}

func cpsProfile() []profileCheck {
	return []profileCheck{
		{"issued to a person, not to an organisation", profileClause + "organisations", checkOrganisation},
		{"not a signature certificate", profileClause + "keyUsage", checkSignature},
		{"every part can be read", profileClause + "encoding", checkReadable},
		{"the key lives in a card", profileClause + "1.2.250.1.71.1.2.5", checkCategory},
		{"not a service card", profileClause + "title", checkService},
		{"authentication profile in full", profileClause + "authentication", checkAuthentication},
		{"in a person's name", profileClause + "subject", checkNominative},
		{"TEST cards only where policy allows", profileClause + "1.2.250.1.71.1.2.5", checkTest},
		{"card type and token id are there", profileClause + "1.2.250.1.71.1.2.2 and .3", checkCard},
		{"identifier of a known form", profileClause + "CN", checkIdentifier},
	}
}

// organisation certificates carry clientAuth too, so their shape is told
// apart: by issuer, by what only servers have, or by a subject without any
// trace of a person or card.
func checkOrganisation(c Claims, _ Policy) *Refusal {
	cert := c.Certificate
	personless := c.Subject.FamilyName == "" && c.Subject.GivenName == "" && c.Subject.Title == "" && c.Subject.Pseudonym == ""
	cardless := c.Card.Type == nil && c.Card.TokenID == ""
	detail := ""
	switch {
	case classify(cert.Issuer).Organisations:
		detail = "issued by " + FormatName(cert.RawIssuer)
	case c.extKeyUsage(x509.ExtKeyUsageServerAuth):
		detail = "extended key usage serverAuth"
	case len(cert.DNSNames) > 0:
		detail = "names the host " + strings.Join(cert.DNSNames, ", ")
	case personless && cardless && c.Subject.Organization != "":
		detail = "its subject names an organisation and no person"
	default:
		return nil
	}
	return refuse(OrganisationCertificate, "", detail)
}

// checkSignature: keyUsage nonRepudiation only, EKU emailProtection.
func checkSignature(c Claims, _ Policy) *Refusal {
	usage := c.Certificate.KeyUsage
	signs := usage&x509.KeyUsageContentCommitment != 0 && usage&x509.KeyUsageDigitalSignature == 0
	mails := c.extKeyUsage(x509.ExtKeyUsageEmailProtection) && !c.extKeyUsage(x509.ExtKeyUsageClientAuth)
	if signs || mails {
		return refuse(SignatureCertificate, "", "its key is for signing documents: "+c.describeUsage())
	}
	return nil
}

func (c Claims) describeUsage() string {
	usage, extended := c.KeyUsages()
	return fmt.Sprintf("key usage %s, extended %s", orNone(usage), orNone(extended))
}

func orNone(words []string) string {
	if len(words) == 0 {
		return "none"
	}
	return strings.Join(words, " and ")
}

func checkReadable(c Claims, _ Policy) *Refusal {
	if c.Err == nil {
		return nil
	}
	r := refuse(Malformed, "", c.Err.Error())
	r.Err = c.Err
	return r
}

// checkCategory: 00 card, 02 module, 03 software, 80 to 83 the same in TEST.
func checkCategory(c Claims, _ Policy) *Refusal {
	switch {
	case c.Card.Category == nil:
		return refuse(NotACard, "", "it has no product category")
	case c.Card.Category.Product() != CategoryCard:
		return refuse(NotACard, "", fmt.Sprintf("its product category is %s", *c.Card.Category))
	case c.Certificate.IsCA:
		return refuse(NotACard, "RFC 5280 §4.2.1.9", "it is the certificate of a CA")
	}
	return nil
}

func checkService(c Claims, _ Policy) *Refusal {
	switch {
	case c.Subject.service():
		return refuse(NonNominative, "", fmt.Sprintf("its title is %q", c.Subject.Title))
	case c.Subject.Pseudonym != "":
		return refuse(NonNominative, "RFC 3739 §3.1.2", "its subject is a pseudonym")
	}
	return nil
}

// checkAuthentication compares with the authentication profile, in full:
// keyUsage digitalSignature alone and critical, EKU clientAuth and
// smartcardLogon, UPN <CN>@carte-cps.fr. The technical certificate of the
// contactless face has a key that no PIN guards; its profile is not
// published, so whatever falls short here is taken for it.
func checkAuthentication(c Claims, _ Policy) *Refusal {
	cert := c.Certificate
	var short string
	switch {
	case cert.KeyUsage != x509.KeyUsageDigitalSignature:
		short = "key usage is not digitalSignature alone"
	case !c.keyUsageCritical():
		short = "key usage is not critical"
	case !c.extKeyUsage(x509.ExtKeyUsageClientAuth) || !c.smartcardLogon():
		short = "extended key usage is not clientAuth and smartcardLogon"
	case len(cert.ExtKeyUsage)+len(cert.UnknownExtKeyUsage) != 2:
		short = "extended key usage holds more than clientAuth and smartcardLogon"
	case c.UPN == "":
		short = "it has no user principal name"
	case c.UPN != c.Subject.CommonName+upnDomain:
		return refuse(Malformed, "", fmt.Sprintf("its user principal name is %q, not its common name and %s", c.UPN, upnDomain))
	default:
		return nil
	}
	return refuse(ContactlessTechnical, "", short+" ("+c.describeUsage()+")")
}

func checkNominative(c Claims, _ Policy) *Refusal {
	if c.Subject.Nominative() {
		return nil
	}
	return refuse(NonNominative, "", "its subject has no family name or no given name")
}

func checkTest(c Claims, p Policy) *Refusal {
	if c.Card.Category.Test() && p.TestCards != Accept {
		return refuse(TestCardInProduction, "", fmt.Sprintf("its product category is %s", *c.Card.Category))
	}
	return nil
}

func checkCard(c Claims, _ Policy) *Refusal {
	switch {
	case c.Card.Type == nil:
		return refuse(NotACard, "", "it has no card type")
	case *c.Card.Type > identity.CardCPA:
		return refuse(NotACard, "", fmt.Sprintf("its card type %d is not a known one", int(*c.Card.Type)))
	case c.Card.TokenID == "":
		return refuse(NotACard, "", "it has no token id")
	}
	return nil
}

func checkIdentifier(c Claims, p Policy) *Refusal {
	id, err := identity.ParsePSIdNat(c.Subject.CommonName)
	if err == nil && p.UnknownIdentifiers != Accept && id.Kind() == identity.IdNatUnknown {
		err = identity.ErrUnknownForm
	}
	if err == nil {
		return nil
	}
	r := refuse(Malformed, "", fmt.Sprintf("identifier %q: %v", c.Subject.CommonName, err))
	r.Err = err
	return r
}

// checkIssuer looks at the authority that, by the verified path, issued the
// card. Authorities outside the IGC-Santé are the configuration's business.
func checkIssuer(issuer *x509.Certificate, p Policy) *Refusal {
	class := classify(issuer.Subject)
	switch {
	case class.Test && p.TestCards != Accept:
		return refuse(TestCardInProduction, profileClause+"TEST branch", "issued by "+nameOf(issuer))
	case !class.IGC || class.issuesCards():
		return nil
	case class.Organisations:
		return refuse(OrganisationCertificate, profileClause+"authorities", "issued by "+nameOf(issuer))
	}
	return refuse(UntrustedIssuer, profileClause+"authorities", nameOf(issuer)+" issues no cards of persons")
}
