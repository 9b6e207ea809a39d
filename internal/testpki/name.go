package testpki

import (
	"bytes"
	"encoding/asn1"
	"slices"
	"strings"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The attribute types of the IGC-Santé's names (RFC 5280 appendix A.1, X.520).
var (
	AttributeCommonName   = asn1.ObjectIdentifier{2, 5, 4, 3}
	AttributeSurname      = asn1.ObjectIdentifier{2, 5, 4, 4}
	AttributeCountry      = asn1.ObjectIdentifier{2, 5, 4, 6}
	AttributeState        = asn1.ObjectIdentifier{2, 5, 4, 8}
	AttributeOrganization = asn1.ObjectIdentifier{2, 5, 4, 10}
	AttributeUnit         = asn1.ObjectIdentifier{2, 5, 4, 11}
	AttributeTitle        = asn1.ObjectIdentifier{2, 5, 4, 12}
	AttributeGivenName    = asn1.ObjectIdentifier{2, 5, 4, 42}
	AttributePseudonym    = asn1.ObjectIdentifier{2, 5, 4, 65}
)

// Attribute is one type and value of a name.
type Attribute struct {
	Type  asn1.ObjectIdentifier
	Value string
	// Tag is the string type; 0 means the IGC-Santé's habit: PrintableString
	// for the country, UTF8String for everything else.
	Tag int
}

// RDN is a relative distinguished name: one attribute, or several in one SET.
type RDN []Attribute

// Name is a distinguished name, in the order of its encoding.
type Name []RDN

// Single makes an RDN of one attribute.
func Single(oid asn1.ObjectIdentifier, value string) RDN {
	return RDN{{Type: oid, Value: value}}
}

// Get returns the first value of the attribute type, or "".
func (n Name) Get(oid asn1.ObjectIdentifier) string {
	for _, rdn := range n {
		for _, attribute := range rdn {
			if attribute.Type.Equal(oid) {
				return attribute.Value
			}
		}
	}
	return ""
}

// Without returns the name less every attribute of that type; an RDN left
// empty goes with it.
func (n Name) Without(oid asn1.ObjectIdentifier) Name {
	var kept Name
	for _, rdn := range n {
		rest := slices.DeleteFunc(slices.Clone(rdn), func(a Attribute) bool { return a.Type.Equal(oid) })
		if len(rest) > 0 {
			kept = append(kept, rest)
		}
	}
	return kept
}

// DER encodes the name. The members of a multi-valued RDN are put in the order
// that DER asks of a SET OF (X.690 §11.6), whatever their order here.
func (n Name) DER() []byte {
	return sequence(func(b *cryptobyte.Builder) {
		for _, rdn := range n {
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { rdn.add(b) })
		}
	})
}

func (r RDN) add(b *cryptobyte.Builder) {
	members := make([][]byte, len(r))
	for i, attribute := range r {
		members[i] = attribute.der()
	}
	slices.SortFunc(members, bytes.Compare)
	for _, member := range members {
		b.AddBytes(member)
	}
}

func (a Attribute) der() []byte {
	tag := cbasn1.Tag(a.Tag)
	switch {
	case tag != 0:
	case a.Type.Equal(AttributeCountry):
		tag = cbasn1.PrintableString
	default:
		tag = cbasn1.UTF8String
	}
	return sequence(func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(a.Type)
		b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes([]byte(a.Value)) })
	})
}

// sequence encodes a SEQUENCE. What it is given is made by this package, so a
// value that cannot be encoded is a fault of the program.
func sequence(content cryptobyte.BuilderContinuation) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, content)
	return b.BytesOrPanic()
}

// authorityName is the name of an authority of the IGC-Santé.
func authorityName(test bool, commonName string) Name {
	unit := "IGC-SANTE"
	if test {
		unit, commonName = "IGC-SANTE TEST", "TEST "+commonName
	}
	return Name{
		Single(AttributeCountry, "FR"),
		Single(AttributeOrganization, "ASIP-SANTE"),
		Single(AttributeUnit, "0002 187512751"),
		Single(AttributeUnit, unit),
		Single(AttributeCommonName, commonName),
	}
}

// directoryPath writes an authority's entry in the LDAP directory the way the
// real certificates do, most specific first, each value escaped for a URL.
func directoryPath(lower bool, values ...string) string {
	types := []string{"CN", "OU", "OU", "O", "C"}
	if len(values) == 6 {
		types = []string{"CN", "OU", "OU", "OU", "O", "C"}
	}
	parts := make([]string, len(values))
	for i, value := range values {
		kind := types[i]
		if lower {
			kind = strings.ToLower(kind)
		}
		parts[i] = kind + "=" + strings.ReplaceAll(value, " ", "%20")
	}
	return strings.Join(parts, ",")
}
