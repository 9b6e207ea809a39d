package mtls

import (
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

var oidCRLDistributionPoints = asn1.ObjectIdentifier{2, 5, 29, 31}

// distributionPoint is one of a certificate's cRLDistributionPoints (RFC 5280
// §4.2.1.13), as far as the scope of CRLs turns on it.
type distributionPoint struct {
	names   [][]byte // its names, each a GeneralName in DER
	partial bool     // it has reasons: for some of them only
	issuers [][]byte // cRLIssuer, each a GeneralName in DER: an indirect CRL
}

// maxPoints bounds the points and names read from one certificate.
const maxPoints = 32

// readPoints reads the distribution points; crypto/x509 keeps only the URIs
// among their names.
func readPoints(c *x509.Certificate) ([]distributionPoint, error) {
	for _, extension := range c.Extensions {
		if extension.Id.Equal(oidCRLDistributionPoints) {
			points, err := parsePoints(extension.Value, c.RawIssuer)
			if err != nil {
				return nil, fmt.Errorf("CRL distribution points: %w", err)
			}
			return points, nil
		}
	}
	return nil, nil
}

func parsePoints(der, issuer []byte) ([]distributionPoint, error) {
	var list cryptobyte.String
	outer := cryptobyte.String(der)
	if !outer.ReadASN1(&list, cbasn1.SEQUENCE) || !outer.Empty() {
		return nil, fmt.Errorf("not a SEQUENCE")
	}
	var points []distributionPoint
	for !list.Empty() {
		var body, name, reasons, issuers cryptobyte.String
		var hasName, hasReasons, hasIssuers bool
		if !list.ReadASN1(&body, cbasn1.SEQUENCE) ||
			!body.ReadOptionalASN1(&name, &hasName, contextTag(0).Constructed()) ||
			!body.ReadOptionalASN1(&reasons, &hasReasons, contextTag(1)) ||
			!body.ReadOptionalASN1(&issuers, &hasIssuers, contextTag(2).Constructed()) || !body.Empty() {
			return nil, fmt.Errorf("not a DistributionPoint")
		}
		if len(points) == maxPoints {
			return nil, fmt.Errorf("more than %d of them", maxPoints)
		}
		point := distributionPoint{partial: hasReasons}
		var err error
		if hasName {
			if point.names, err = readPointName(name, issuer); err != nil {
				return nil, err
			}
		}
		if hasIssuers {
			if point.issuers, err = splitElements(issuers); err != nil {
				return nil, err
			}
		}
		points = append(points, point)
	}
	return points, nil
}

// readPointName reads DistributionPointName: full names, or a name relative
// to the CRL issuer, which becomes the full one.
func readPointName(der cryptobyte.String, issuer []byte) ([][]byte, error) {
	var body cryptobyte.String
	var tag cbasn1.Tag
	if !der.ReadAnyASN1(&body, &tag) || !der.Empty() {
		return nil, fmt.Errorf("not a DistributionPointName")
	}
	switch tag {
	case contextTag(0).Constructed():
		return splitElements(body)
	case contextTag(1).Constructed():
		full, err := relativeName(body, issuer)
		if err != nil {
			return nil, err
		}
		return [][]byte{full}, nil
	}
	return nil, fmt.Errorf("not a DistributionPointName")
}

// relativeName appends an RDN to the issuer's name and gives the result as a
// GeneralName.
func relativeName(rdn, issuer []byte) ([]byte, error) {
	var names cryptobyte.String
	whole := cryptobyte.String(issuer)
	if !whole.ReadASN1(&names, cbasn1.SEQUENCE) || !whole.Empty() {
		return nil, fmt.Errorf("the issuer's name is not a SEQUENCE")
	}
	var b cryptobyte.Builder
	b.AddASN1(contextTag(4).Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddBytes(names)
			b.AddASN1(cbasn1.SET, func(b *cryptobyte.Builder) { b.AddBytes(rdn) })
		})
	})
	return b.Bytes()
}

// directoryName is a name as a GeneralName.
func directoryName(name []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(contextTag(4).Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(name) })
	der, err := b.Bytes()
	if err != nil {
		return nil
	}
	return der
}

func splitElements(der cryptobyte.String) ([][]byte, error) {
	var elements [][]byte
	for !der.Empty() {
		var element cryptobyte.String
		var tag cbasn1.Tag
		if !der.ReadAnyASN1Element(&element, &tag) {
			return nil, fmt.Errorf("truncated name")
		}
		if len(elements) == maxPoints {
			return nil, fmt.Errorf("more than %d names", maxPoints)
		}
		elements = append(elements, element)
	}
	return elements, nil
}

// inScope decides whether the CRL speaks of such a certificate (RFC 5280
// §6.3.3 (b)), and says why not. Whether one does that is for a distribution
// point cannot be told of a certificate whose own points are not known: unsure.
func (q question) inScope(c *CRL) (ok, unsure bool, why string) {
	if ok, why := q.ofKind(c); !ok {
		return false, false, why
	}
	if ok, why := q.atPoint(c); !ok {
		return q.remembered, q.remembered, why
	}
	return true, false, ""
}

// ofKind: the CRL is of a kind that is understood, and for such certificates.
func (q question) ofKind(c *CRL) (bool, string) {
	idp := c.IssuingDistributionPoint
	switch {
	case idp == nil:
		return true, ""
	case idp.Indirect || c.CertificateIssuer:
		return false, "indirect CRLs are not supported"
	case idp.OnlySomeReasons:
		return false, "CRLs split by reason are not supported"
	case idp.OnlyContainsAttributeCerts:
		return false, "it is for attribute certificates"
	case idp.OnlyContainsUserCerts && q.ca:
		return false, "it is for end entities, and this is an authority"
	case idp.OnlyContainsCACerts && !q.ca:
		return false, "it is for authorities, and this is none"
	}
	return true, ""
}

// atPoint: the CRL is for all distribution points, or for one of the
// certificate's.
func (q question) atPoint(c *CRL) (bool, string) {
	idp := c.IssuingDistributionPoint
	if idp == nil {
		return true, ""
	}
	names := idp.FullName
	if len(idp.RelativeName) > 0 {
		full, err := idpRelativeName(idp.RelativeName, c.Issuer)
		if err != nil {
			return false, "its distribution point cannot be read"
		}
		names = [][]byte{full}
	}
	if len(names) == 0 || q.hasPoint(names) {
		return true, ""
	}
	return false, "it is for another distribution point"
}

// idpRelativeName takes nameRelativeToCRLIssuer with its tag.
func idpRelativeName(element, issuer []byte) ([]byte, error) {
	var rdn cryptobyte.String
	der := cryptobyte.String(element)
	if !der.ReadASN1(&rdn, contextTag(1).Constructed()) || !der.Empty() {
		return nil, fmt.Errorf("not a relative name")
	}
	return relativeName(rdn, issuer)
}

// hasPoint: one of the CRL's names is one of the certificate's. A point for
// some reasons only, or of an indirect CRL, is none of ours; a CRL under its
// issuer's own name is always the issuer's (§6.3.3, last paragraph).
func (q question) hasPoint(names [][]byte) bool {
	own := [][]byte{directoryName(q.issuer.RawSubject)}
	for _, point := range q.points {
		if !point.partial && len(point.issuers) == 0 {
			own = append(own, point.names...)
		}
	}
	return slices.ContainsFunc(names, func(name []byte) bool {
		return slices.ContainsFunc(own, func(o []byte) bool { return string(o) == string(name) })
	})
}
