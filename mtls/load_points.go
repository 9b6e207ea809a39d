package mtls

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// oidHidden stands in for cRLDistributionPoints while crypto/x509 parses: of
// the same length in DER, and assigned to nothing.
var oidHidden = asn1.ObjectIdentifier{2, 5, 29, 127}

// parseHidingPoints parses a certificate with its cRLDistributionPoints under
// another identifier, provided they are well-formed by our own reading, and
// then puts everything back: the bytes, over which the signature is, and the
// extension.
func parseHidingPoints(der []byte) (*x509.Certificate, bool) {
	at, found := pointsIdentifier(der)
	if !found {
		return nil, false
	}
	hidden := slices.Clone(der)
	hidden[at] = byte(oidHidden[3])
	c, err := x509.ParseCertificate(hidden)
	if err != nil {
		return nil, false
	}
	tbs := bytes.Index(hidden, c.RawTBSCertificate)
	if tbs < 0 {
		return nil, false
	}
	c.Raw = slices.Clone(der)
	c.RawTBSCertificate = c.Raw[tbs : tbs+len(c.RawTBSCertificate)]
	restored := 0
	for i, extension := range c.Extensions {
		switch {
		case extension.Id.Equal(oidCRLDistributionPoints): // something else was changed
			return nil, false
		case extension.Id.Equal(oidHidden):
			c.Extensions[i].Id = oidCRLDistributionPoints
			restored++
		}
	}
	if restored != 1 {
		return nil, false
	}
	c.UnhandledCriticalExtensions = slices.DeleteFunc(c.UnhandledCriticalExtensions, oidHidden.Equal)
	if _, err := readPoints(c); err != nil {
		return nil, false
	}
	return c, true
}

// pointsIdentifier finds the last byte of the identifier of the
// cRLDistributionPoints extension.
func pointsIdentifier(der []byte) (at int, found bool) {
	extensions, ok := extensionsOf(der)
	for ok && !extensions.Empty() {
		var element, body, id cryptobyte.String
		if !extensions.ReadASN1Element(&element, cbasn1.SEQUENCE) {
			return 0, false
		}
		whole := element
		if !element.ReadASN1(&body, cbasn1.SEQUENCE) || !body.ReadASN1(&id, cbasn1.OBJECT_IDENTIFIER) {
			return 0, false
		}
		if bytes.Equal(id, []byte{0x55, 0x1d, 31}) {
			// Where the same bytes stand earlier in the certificate too, the
			// wrong ones are changed: seen afterwards, and refused.
			behind := len(body) // what follows the identifier
			return bytes.Index(der, whole) + len(whole) - behind - 1, true
		}
	}
	return 0, false
}

// extensionsOf gives the content of a certificate's Extensions (RFC 5280 §4.1).
func extensionsOf(der []byte) (extensions cryptobyte.String, ok bool) {
	var certificate, tbs, wrapped cryptobyte.String
	input := cryptobyte.String(der)
	ok = input.ReadASN1(&certificate, cbasn1.SEQUENCE) && certificate.ReadASN1(&tbs, cbasn1.SEQUENCE) &&
		tbs.SkipOptionalASN1(contextTag(0).Constructed()) && tbs.SkipASN1(cbasn1.INTEGER) &&
		tbs.SkipASN1(cbasn1.SEQUENCE) && // signature
		tbs.SkipASN1(cbasn1.SEQUENCE) && // issuer
		tbs.SkipASN1(cbasn1.SEQUENCE) && // validity
		tbs.SkipASN1(cbasn1.SEQUENCE) && // subject
		tbs.SkipASN1(cbasn1.SEQUENCE) && // subjectPublicKeyInfo
		tbs.SkipOptionalASN1(contextTag(1)) && tbs.SkipOptionalASN1(contextTag(2)) &&
		tbs.ReadASN1(&wrapped, contextTag(3).Constructed()) && tbs.Empty() &&
		wrapped.ReadASN1(&extensions, cbasn1.SEQUENCE) && wrapped.Empty()
	return extensions, ok
}
