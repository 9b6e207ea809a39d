package mtls

import (
	"math/big"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// parseIssuingDistributionPoint reads RFC 5280 §5.2.5.
func parseIssuingDistributionPoint(value []byte) (*IssuingDistributionPoint, bool) {
	idp := &IssuingDistributionPoint{Raw: slices.Clone(value)}
	var point, reasons cryptobyte.String
	var hasPoint bool
	der, ok := onlySequence(value)
	if !ok || !der.ReadOptionalASN1(&point, &hasPoint, contextTag(0).Constructed()) {
		return nil, false
	}
	if hasPoint && !idp.pointName(point) {
		return nil, false
	}
	ok = readFlag(&der, 1, &idp.OnlyContainsUserCerts) && readFlag(&der, 2, &idp.OnlyContainsCACerts) &&
		der.ReadOptionalASN1(&reasons, &idp.OnlySomeReasons, contextTag(3)) &&
		readFlag(&der, 4, &idp.Indirect) && readFlag(&der, 5, &idp.OnlyContainsAttributeCerts) && der.Empty()
	return idp, ok
}

// pointName reads a DistributionPointName (§4.2.1.13).
func (idp *IssuingDistributionPoint) pointName(der cryptobyte.String) (ok bool) {
	idp.FullName, idp.RelativeName, ok = parsePointName(der)
	return ok
}

func parsePointName(der cryptobyte.String) (full [][]byte, relative []byte, ok bool) {
	var element cryptobyte.String
	var tag cryptobyte_asn1.Tag
	if !der.ReadAnyASN1Element(&element, &tag) || !der.Empty() {
		return nil, nil, false
	}
	switch tag {
	case contextTag(0).Constructed():
		element.ReadASN1(&element, tag)
		full, ok = rawElements(element)
		return full, nil, ok && len(full) > 0
	case contextTag(1).Constructed():
		return nil, slices.Clone(element), true
	}
	return nil, nil, false
}

// parseFreshestCRL reads the URIs of CRLDistributionPoints (§4.2.1.13).
func parseFreshestCRL(value []byte) (uris []string, ok bool) {
	points, ok := onlySequence(value)
	if !ok || points.Empty() {
		return nil, false
	}
	for !points.Empty() {
		var point, name cryptobyte.String
		var named bool
		if !points.ReadASN1(&point, cryptobyte_asn1.SEQUENCE) || !point.ReadOptionalASN1(&name, &named, contextTag(0).Constructed()) {
			return nil, false
		}
		if !named {
			continue
		}
		full, _, ok := parsePointName(name)
		if !ok {
			return nil, false
		}
		uris = append(uris, generalNameURIs(full)...)
	}
	return uris, true
}

// generalNameURIs picks the uniformResourceIdentifiers, [6] of GeneralName.
func generalNameURIs(names [][]byte) (uris []string) {
	for _, name := range names {
		der := cryptobyte.String(name)
		var uri cryptobyte.String
		if der.ReadASN1(&uri, contextTag(6)) {
			uris = append(uris, string(uri))
		}
	}
	return uris
}

func contextTag(n uint8) cryptobyte_asn1.Tag { return cryptobyte_asn1.Tag(n).ContextSpecific() }

// onlySequence returns the content of a SEQUENCE that is all of value.
func onlySequence(value []byte) (content cryptobyte.String, ok bool) {
	der := cryptobyte.String(value)
	ok = der.ReadASN1(&content, cryptobyte_asn1.SEQUENCE) && der.Empty()
	return content, ok
}

// readFlag reads an IMPLICIT BOOLEAN DEFAULT FALSE. An encoded FALSE, which DER
// forbids and some CAs write, means what it says.
func readFlag(der *cryptobyte.String, n uint8, flag *bool) bool {
	var content cryptobyte.String
	var present bool
	if !der.ReadOptionalASN1(&content, &present, contextTag(n)) {
		return false
	}
	if !present {
		return true
	}
	*flag = len(content) == 1 && content[0] == 0xff
	return *flag || len(content) == 1 && content[0] == 0
}

// rawElements splits concatenated elements.
func rawElements(der cryptobyte.String) (elements [][]byte, ok bool) {
	for !der.Empty() {
		var element cryptobyte.String
		var tag cryptobyte_asn1.Tag
		if !der.ReadAnyASN1Element(&element, &tag) {
			return nil, false
		}
		elements = append(elements, slices.Clone(element))
	}
	return elements, true
}

// integerContent reads the content of an IMPLICIT INTEGER.
func integerContent(content []byte) (*big.Int, bool) {
	var b cryptobyte.Builder
	b.AddASN1(cryptobyte_asn1.INTEGER, func(b *cryptobyte.Builder) { b.AddBytes(content) })
	der, err := b.Bytes()
	if err != nil {
		return nil, false
	}
	n := new(big.Int)
	in := cryptobyte.String(der)
	return n, in.ReadASN1Integer(n)
}
