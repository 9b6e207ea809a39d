package mtls

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
)

// Attribute types of the subjects that the IGC-Santé issues (X.520).
var (
	oidCommonName   = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidSurname      = asn1.ObjectIdentifier{2, 5, 4, 4}
	oidCountry      = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidState        = asn1.ObjectIdentifier{2, 5, 4, 8}
	oidOrganization = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidUnit         = asn1.ObjectIdentifier{2, 5, 4, 11}
	oidTitle        = asn1.ObjectIdentifier{2, 5, 4, 12}
	oidGivenName    = asn1.ObjectIdentifier{2, 5, 4, 42}
	oidPseudonym    = asn1.ObjectIdentifier{2, 5, 4, 65}
	oidEmailAddress = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}
)

// AttributeLabel is how an attribute type is written for people: the short
// names of RFC 4514 §3 where it has one, X.520's where it has none.
func AttributeLabel(oid asn1.ObjectIdentifier) string {
	switch oid.String() {
	case "2.5.4.3":
		return "CN"
	case "2.5.4.4":
		return "SN"
	case "2.5.4.5":
		return "serialNumber"
	case "2.5.4.6":
		return "C"
	case "2.5.4.7":
		return "L"
	case "2.5.4.8":
		return "ST"
	case "2.5.4.9":
		return "STREET"
	case "2.5.4.10":
		return "O"
	case "2.5.4.11":
		return "OU"
	case "2.5.4.12":
		return "title"
	case "2.5.4.42":
		return "GN"
	case "2.5.4.65":
		return "pseudonym"
	case "2.5.4.97":
		return "organizationIdentifier"
	case "0.9.2342.19200300.100.1.1":
		return "UID"
	case "0.9.2342.19200300.100.1.25":
		return "DC"
	case "1.2.840.113549.1.9.1":
		return "emailAddress"
	}
	return oid.String()
}

// maxRDNs bounds the relative distinguished names read from one name.
const maxRDNs = 64

// ReadName reads a DER name into its relative distinguished names, in their
// order, each of them possibly of several attributes: the IGC-Santé puts GN,
// SN and CN into one. What it returns is for people; names are compared by
// their bytes (RFC 5280 §7.1 allows more, crypto/x509 does not).
func ReadName(der []byte) (pkix.RDNSequence, error) {
	var name pkix.RDNSequence
	rest, err := asn1.Unmarshal(der, &name)
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading name: %w", err)
	case len(rest) > 0:
		return nil, fmt.Errorf("reading name: %d bytes after its end", len(rest))
	case len(name) > maxRDNs:
		return nil, fmt.Errorf("reading name: %d parts, at most %d are read", len(name), maxRDNs)
	}
	return name, nil
}

// FormatName writes a DER name in the form of RFC 4514: the most specific part
// first, attributes of one part joined by a plus sign. A name that cannot be
// read is written in hexadecimal.
func FormatName(der []byte) string {
	name, err := ReadName(der)
	if err != nil {
		return "#" + hex.EncodeToString(der)
	}
	var b strings.Builder
	for i := len(name) - 1; i >= 0; i-- {
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		for j, attribute := range name[i] {
			if j > 0 {
				b.WriteByte('+')
			}
			b.WriteString(AttributeLabel(attribute.Type))
			b.WriteByte('=')
			b.WriteString(AttributeText(attribute.Value))
		}
	}
	return b.String()
}

// AttributeText writes an attribute value for people: it follows RFC 4514 §2.4, and writes control characters in
// hexadecimal so that a name never breaks a line.
func AttributeText(value any) string {
	s, ok := value.(string)
	if !ok {
		return fmt.Sprintf("%v", value)
	}
	var b strings.Builder
	for i, r := range s {
		last := i+len(string(r)) == len(s)
		switch {
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&b, "\\%02X", r)
		case strings.ContainsRune(`"+,;<>\`, r), i == 0 && (r == ' ' || r == '#'), last && r == ' ':
			b.WriteByte('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// NameKey is how an issuer is looked up: the lower-case hexadecimal SHA-256 of
// its DER name, as in identity.Certificate.IssuerKey.
func NameKey(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// Fingerprint is the lower-case hexadecimal SHA-256 of the DER certificate.
func Fingerprint(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.Raw)
	return hex.EncodeToString(sum[:])
}

// keyHash is the lower-case hexadecimal SHA-256 of a certificate's
// SubjectPublicKeyInfo, as in identity.Certificate.SignerKey.
func keyHash(certificate *x509.Certificate) string {
	sum := sha256.Sum256(certificate.RawSubjectPublicKeyInfo)
	return hex.EncodeToString(sum[:])
}

// FormatSerial is the upper-case hexadecimal of the serial's magnitude without
// leading zeros, as in identity.Certificate.Serial. A negative serial, which
// RFC 5280 §4.1.2.2 forbids, keeps its sign.
func FormatSerial(serial *big.Int) string {
	if serial == nil {
		return ""
	}
	return strings.ToUpper(serial.Text(16))
}

// ParseSerial reads what FormatSerial wrote.
func ParseSerial(s string) (*big.Int, bool) {
	if s == "" || len(s) > 2*maxSerialBytes || strings.ContainsAny(s, "+-_") {
		return nil, false
	}
	return new(big.Int).SetString(s, 16)
}

// maxSerialBytes bounds a serial read from a record; RFC 5280 §4.1.2.2 lets
// certificate users meet 20 bytes.
const maxSerialBytes = 64

// selfIssued: subject and issuer are the same name (RFC 5280 §6.1).
func selfIssued(c *x509.Certificate) bool { return bytes.Equal(c.RawSubject, c.RawIssuer) }
