package mtls

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"cpsgate/identity"
)

// The private extensions of the IGC-Santé's person certificates.
var (
	oidCardType         = asn1.ObjectIdentifier{1, 2, 250, 1, 71, 1, 2, 2}
	oidTokenID          = asn1.ObjectIdentifier{1, 2, 250, 1, 71, 1, 2, 3}
	oidCategory         = asn1.ObjectIdentifier{1, 2, 250, 1, 71, 1, 2, 5}
	oidProfession       = asn1.ObjectIdentifier{1, 2, 250, 1, 71, 1, 2, 7}
	oidFutureProfession = asn1.ObjectIdentifier{1, 2, 250, 1, 71, 1, 2, 8}
	oidSpecialties      = asn1.ObjectIdentifier{1, 2, 250, 1, 71, 4, 2, 5}
)

// Category is the product category, extension 1.2.250.1.71.1.2.5: what the
// key lives in. The high bit marks TEST products.
type Category byte

// The categories.
const (
	CategoryCard     Category = 0x00
	CategoryModule   Category = 0x02
	CategorySoftware Category = 0x03
	categoryTest     Category = 0x80
)

// Test reports a TEST product.
func (c Category) Test() bool { return c&categoryTest != 0 }

// Product is the category without its TEST mark.
func (c Category) Product() Category { return c &^ categoryTest }

func (c Category) String() string {
	test := ""
	if c.Test() {
		test = " (TEST)"
	}
	switch c.Product() {
	case CategoryCard:
		return "card" + test
	case CategoryModule:
		return "module" + test
	case CategorySoftware:
		return "software" + test
	}
	return fmt.Sprintf("unknown category %02x", byte(c))
}

// CardExtensions is what the private extensions say. A nil pointer or an empty
// value: the extension is absent.
type CardExtensions struct {
	Category         *Category
	Type             *identity.CardType
	TokenID          string
	Profession       *identity.Profession // TRE_G15
	FutureProfession *identity.Profession // TRE_G16, cards of people in training
	Specialties      []string             // TRE_R01
}

// Any tells whether any of the private extensions is there.
func (e CardExtensions) Any() bool {
	return e.Category != nil || e.Type != nil || e.TokenID != "" ||
		e.Profession != nil || e.FutureProfession != nil || len(e.Specialties) > 0
}

// ParseCardExtensions reads the private extensions in strict DER: the type
// expected, nothing behind it. What could be read is returned beside the
// first error.
func ParseCardExtensions(extensions []pkix.Extension) (CardExtensions, error) {
	var e CardExtensions
	var first error
	for _, extension := range extensions {
		if err := e.read(extension); err != nil && first == nil {
			first = fmt.Errorf("extension %s: %w", extension.Id, err)
		}
	}
	return e, first
}

func (e *CardExtensions) read(extension pkix.Extension) (err error) {
	switch id := extension.Id; {
	case id.Equal(oidCategory):
		e.Category, err = readCategory(extension.Value)
	case id.Equal(oidCardType):
		var code int
		if code, err = readCode(extension.Value); err == nil {
			kind := identity.CardType(code)
			e.Type = &kind
		}
	case id.Equal(oidTokenID):
		e.TokenID, err = readTokenID(extension.Value)
	case id.Equal(oidProfession):
		e.Profession, err = readProfession(extension.Value)
	case id.Equal(oidFutureProfession):
		e.FutureProfession, err = readProfession(extension.Value)
	case id.Equal(oidSpecialties):
		e.Specialties, err = readSpecialties(extension.Value)
	}
	return err
}

func readCategory(der []byte) (*Category, error) {
	var value cryptobyte.String
	s := cryptobyte.String(der)
	if !s.ReadASN1(&value, cbasn1.OCTET_STRING) || !s.Empty() || len(value) != 1 {
		return nil, fmt.Errorf("not an OCTET STRING of one byte")
	}
	c := Category(value[0])
	return &c, nil
}

// maxCode bounds the nomenclature codes; the known ones have two digits.
const maxCode = 9999

func readCode(der []byte) (int, error) {
	var code int
	s := cryptobyte.String(der)
	if !s.ReadASN1Integer(&code) || !s.Empty() {
		return 0, fmt.Errorf("not an INTEGER")
	}
	if code < 0 || code > maxCode {
		return 0, fmt.Errorf("code %d is out of range", code)
	}
	return code, nil
}

func readProfession(der []byte) (*identity.Profession, error) {
	code, err := readCode(der)
	if err != nil {
		return nil, err
	}
	p := identity.Profession(code)
	return &p, nil
}

// readTokenID accepts <issuer number>/<card number>, ten digits each:
// 8025000001/2600301752.
func readTokenID(der []byte) (string, error) {
	var value cryptobyte.String
	s := cryptobyte.String(der)
	if !s.ReadASN1(&value, cbasn1.PrintableString) || !s.Empty() {
		return "", fmt.Errorf("not a PrintableString")
	}
	const half = 10
	if len(value) != 2*half+1 || value[half] != '/' {
		return "", fmt.Errorf("not of the form 8025000001/<10 digits>")
	}
	for i, c := range value {
		if i != half && (c < '0' || c > '9') {
			return "", fmt.Errorf("not of the form 8025000001/<10 digits>")
		}
	}
	return string(value), nil
}

// Bounds on the specialities: nobody holds dozens, codes have four to six
// characters.
const (
	maxSpecialties     = 32
	maxSpecialtyLength = 32
)

func readSpecialties(der []byte) ([]string, error) {
	var list cryptobyte.String
	s := cryptobyte.String(der)
	if !s.ReadASN1(&list, cbasn1.SEQUENCE) || !s.Empty() {
		return nil, fmt.Errorf("not a SEQUENCE")
	}
	var codes []string
	for !list.Empty() {
		var code cryptobyte.String
		if !list.ReadASN1(&code, cbasn1.UTF8String) || !utf8.Valid(code) {
			return nil, fmt.Errorf("not a SEQUENCE OF UTF8String")
		}
		text, err := plainText(string(code))
		if err != nil || len(text) > maxSpecialtyLength || len(codes) == maxSpecialties {
			return nil, fmt.Errorf("not a short list of codes")
		}
		codes = append(codes, text)
	}
	return codes, nil
}
