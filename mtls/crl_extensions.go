package mtls

import (
	"encoding/asn1"
	"errors"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var (
	oidIssuerAltName     = asn1.ObjectIdentifier{2, 5, 29, 18}
	oidCRLNumber         = asn1.ObjectIdentifier{2, 5, 29, 20}
	oidReasonCode        = asn1.ObjectIdentifier{2, 5, 29, 21}
	oidInvalidityDate    = asn1.ObjectIdentifier{2, 5, 29, 24}
	oidDeltaCRLIndicator = asn1.ObjectIdentifier{2, 5, 29, 27}
	oidIssuingDistPoint  = asn1.ObjectIdentifier{2, 5, 29, 28}
	oidCertificateIssuer = asn1.ObjectIdentifier{2, 5, 29, 29}
	oidAuthorityKeyID    = asn1.ObjectIdentifier{2, 5, 29, 35}
	oidFreshestCRL       = asn1.ObjectIdentifier{2, 5, 29, 46}
	oidAuthorityInfo     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 1, 1}
)

// maxUnknownExtensions bounds the lists of unknown critical extensions: one is
// enough to refuse a CRL, a few are enough to explain it.
const maxUnknownExtensions = 16

// maxExtensions of one list: each is compared with those before it, in octets
// that nobody has been found to have signed yet. RFC 5280 §5.2 and §5.3 know ten.
const maxExtensions = 32

type crlExtension struct {
	oid      asn1.ObjectIdentifier
	critical bool
	value    []byte // inside the OCTET STRING
}

// eachExtension walks the content of an Extensions SEQUENCE, each OID once
// (RFC 5280 §4.2).
func eachExtension(list cryptobyte.String, handle func(crlExtension) error) error {
	var seen []asn1.ObjectIdentifier
	for !list.Empty() {
		var der, value cryptobyte.String
		var e crlExtension
		if !list.ReadASN1(&der, cryptobyte_asn1.SEQUENCE) || !der.ReadASN1ObjectIdentifier(&e.oid) {
			return crlFault(CRLMalformed, 0, "extension")
		}
		if der.PeekASN1Tag(cryptobyte_asn1.BOOLEAN) && !der.ReadASN1Boolean(&e.critical) {
			return crlFault(CRLMalformed, 0, "extension %s: critical", e.oid)
		}
		if !der.ReadASN1(&value, cryptobyte_asn1.OCTET_STRING) || !der.Empty() {
			return crlFault(CRLMalformed, 0, "extension %s", e.oid)
		}
		if len(seen) == maxExtensions {
			return crlFault(CRLTooManyExtensions, 0, "over %d in one list", maxExtensions)
		}
		if slices.ContainsFunc(seen, e.oid.Equal) {
			return crlFault(CRLDuplicateExtension, 0, "%s", e.oid)
		}
		seen = append(seen, e.oid)
		e.value = value
		if err := handle(e); err != nil {
			return err
		}
	}
	return nil
}

// atOffset adds the place to a CRLError that has none.
func atOffset(err error, offset int64) error {
	var e *CRLError
	if errors.As(err, &e) && e.Offset == 0 {
		e.Offset = offset
	}
	return err
}

// extension takes one of crlExtensions into the CRL's fields (§5.2).
func (c *CRL) extension(e crlExtension) error {
	ok := true
	switch {
	case e.oid.Equal(oidCRLNumber):
		c.Number, ok = nonNegative(e.value)
	case e.oid.Equal(oidDeltaCRLIndicator):
		c.BaseNumber, ok = nonNegative(e.value)
	case e.oid.Equal(oidAuthorityKeyID):
		ok = c.authorityKeyID(e.value)
	case e.oid.Equal(oidIssuingDistPoint):
		c.IssuingDistributionPoint, ok = parseIssuingDistributionPoint(e.value)
	case e.oid.Equal(oidFreshestCRL):
		c.FreshestCRL, ok = parseFreshestCRL(e.value)
	case e.oid.Equal(oidIssuerAltName), e.oid.Equal(oidAuthorityInfo): // nothing here depends on them
	case e.critical && len(c.UnknownCritical) < maxUnknownExtensions:
		c.UnknownCritical = append(c.UnknownCritical, e.oid)
	}
	if !ok {
		return crlFault(CRLMalformed, 0, "extension %s", e.oid)
	}
	return nil
}

// authorityKeyID reads §5.2.1 (syntax of §4.2.1.1).
func (c *CRL) authorityKeyID(value []byte) bool {
	var key, names, serial cryptobyte.String
	var hasKey, hasNames, hasSerial bool
	der, ok := onlySequence(value)
	if !ok || !der.ReadOptionalASN1(&key, &hasKey, contextTag(0)) ||
		!der.ReadOptionalASN1(&names, &hasNames, contextTag(1).Constructed()) ||
		!der.ReadOptionalASN1(&serial, &hasSerial, contextTag(2)) || !der.Empty() {
		return false
	}
	if hasKey {
		c.AuthorityKeyID = slices.Clone(key)
	}
	if hasNames {
		if c.AuthorityNames, ok = rawElements(names); !ok {
			return false
		}
	}
	if hasSerial {
		if c.AuthoritySerial, ok = integerContent(serial); !ok {
			return false
		}
	}
	return hasNames == hasSerial // §4.2.1.1: both or neither
}
