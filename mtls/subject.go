package mtls

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"cpsgate/identity"
)

// Subject is what a card certificate's subject says. Independent professionals:
// C, title, {GN + SN + CN}. Employees: C, ST, O, OU = structure, title,
// {GN + CN + SN}.
type Subject struct {
	Country      string
	State        string
	Organization string
	Units        []string
	Title        string
	CommonName   string
	FamilyName   string
	GivenName    string
	Pseudonym    string
}

// maxAttribute bounds one attribute's value in bytes. X.520 allows 64
// characters for most of them; establishments write longer names.
const maxAttribute = 512

// ParseSubject reads the attributes from the flat list, because pkix.Name has
// no fields for SN, GN and title, and because GN, SN and CN share one
// multi-valued RDN. Attributes of other types are left aside. An attribute
// that says who or where somebody is must be plain text and stand once.
//
// What could be read is returned beside the error.
func ParseSubject(name pkix.Name) (Subject, error) {
	var s Subject
	var first error
	keep := func(field *string, label string, value any) {
		text, err := plainText(value)
		if err == nil && *field != "" {
			err = fmt.Errorf("stands twice")
		}
		if err != nil {
			if first == nil {
				first = fmt.Errorf("subject attribute %s: %w", label, err)
			}
			return
		}
		*field = text
	}
	for _, attribute := range name.Names {
		if attribute.Type.Equal(oidUnit) {
			var unit string
			if keep(&unit, "OU", attribute.Value); unit != "" {
				s.Units = append(s.Units, unit)
			}
			continue
		}
		if field := s.field(attribute.Type); field != nil {
			keep(field, AttributeLabel(attribute.Type), attribute.Value)
		}
	}
	return s, first
}

func (s *Subject) field(oid asn1.ObjectIdentifier) *string {
	switch {
	case oid.Equal(oidCountry):
		return &s.Country
	case oid.Equal(oidState):
		return &s.State
	case oid.Equal(oidOrganization):
		return &s.Organization
	case oid.Equal(oidTitle):
		return &s.Title
	case oid.Equal(oidCommonName):
		return &s.CommonName
	case oid.Equal(oidSurname):
		return &s.FamilyName
	case oid.Equal(oidGivenName):
		return &s.GivenName
	case oid.Equal(oidPseudonym):
		return &s.Pseudonym
	}
	return nil
}

// plainText refuses what could mislead a reader or break a line: control and
// formatting characters (bidirectional overrides among them), and nothing.
func plainText(value any) (string, error) {
	text, ok := value.(string)
	switch {
	case !ok:
		return "", fmt.Errorf("not a character string")
	case strings.TrimSpace(text) == "":
		return "", fmt.Errorf("empty")
	case len(text) > maxAttribute:
		return "", fmt.Errorf("%d bytes, at most %d are read", len(text), maxAttribute)
	case !utf8.ValidString(text):
		return "", fmt.Errorf("not UTF-8")
	}
	for _, r := range text {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || r == utf8.RuneError {
			return "", fmt.Errorf("holds the character %U", r)
		}
	}
	return text, nil
}

// Structure is the structure identifier among the units: the first of a known
// form, else the first that could be an identifier at all.
func (s Subject) Structure() identity.StructureID {
	var found identity.StructureID
	for _, unit := range s.Units {
		id, err := identity.ParseStructureID(unit)
		if err != nil {
			continue
		}
		if id.Kind() != identity.StructureUnknown {
			return id
		}
		if found == "" {
			found = id
		}
	}
	return found
}

// serviceTitle begins the title of a card that is in nobody's name.
const serviceTitle = "carte de service"

// Nominative tells whether the subject names a person: a family and a given
// name, no pseudonym, and not the title of a service card.
func (s Subject) Nominative() bool {
	return s.FamilyName != "" && s.GivenName != "" && s.Pseudonym == "" && !s.service()
}

func (s Subject) service() bool {
	return strings.HasPrefix(strings.ToLower(s.Title), serviceTitle)
}
