package mtls

import (
	"bytes"
	"encoding/asn1"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// crlParser walks a CertificateList (RFC 5280 §5.1) once, front to back.
type crlParser struct {
	stream *derStream
	limits CRLLimits
	crl    *CRL

	removes bool // an entry says removeFromCRL
	builder indexBuilder
}

const (
	tagSequence    = 0x30
	tagInteger     = 0x02
	tagBitString   = 0x03
	tagUTCTime     = 0x17
	tagGeneralized = 0x18
	tagExtensions  = 0xa0 // [0] EXPLICIT of tbsCertList
)

func (p *crlParser) parse() error {
	s := p.stream
	tag, _, length, err := s.peekHeader(1 << 62)
	switch {
	case err != nil:
		return err
	case tag != tagSequence:
		return crlFault(CRLMalformed, 0, "certificateList: tag %#02x", tag)
	case length > s.limit:
		return crlFault(CRLTooLarge, 0, "%d octets, at most %d allowed", length, s.limit)
	}
	end, err := s.enter(tagSequence, 1<<62, "certificateList")
	if err != nil {
		return err
	}
	s.startHash()
	algorithm, err := p.tbs(end)
	if err != nil {
		return err
	}
	p.crl.digest = s.stopHash()
	if err := p.signature(end, algorithm); err != nil {
		return err
	}
	if s.offset() != end {
		return crlFault(CRLMalformed, s.offset(), "more than three fields")
	}
	if err := s.finish(); err != nil {
		return err
	}
	p.crl.Size = s.offset()
	return p.finish()
}

// tbs reads tbsCertList (§5.1.2) and returns the DER of its algorithm.
func (p *crlParser) tbs(end int64) (algorithm []byte, err error) {
	s := p.stream
	if end, err = s.enter(tagSequence, end, "tbsCertList"); err != nil {
		return nil, err
	}
	if err := p.version(end); err != nil {
		return nil, err
	}
	if algorithm, err = s.element(tagSequence, end, "signature algorithm"); err != nil {
		return nil, err
	}
	if p.crl.algorithm, err = parseSignatureAlgorithm(algorithm); err != nil {
		return nil, err
	}
	s.useHash(p.crl.algorithm.hash.New())
	if p.crl.Issuer, err = s.element(tagSequence, end, "issuer"); err != nil {
		return nil, err
	}
	if err := checkName(p.crl.Issuer); err != nil {
		return nil, err
	}
	if err := p.updates(end); err != nil {
		return nil, err
	}
	if err := p.revoked(end); err != nil {
		return nil, err
	}
	if err := p.extensions(end); err != nil {
		return nil, err
	}
	if s.offset() != end {
		return nil, crlFault(CRLMalformed, s.offset(), "unexpected field in tbsCertList")
	}
	return algorithm, nil
}

// version wants v2 (§5.1.2.1): v1 has no extensions, so no number and no scope.
func (p *crlParser) version(end int64) error {
	tag, err := p.stream.peekTag(end)
	if err != nil {
		return err
	}
	if tag != tagInteger {
		return crlFault(CRLVersion, p.stream.offset(), "v1")
	}
	version, err := p.stream.element(tagInteger, end, "version")
	if err != nil {
		return err
	}
	if !bytes.Equal(version, []byte{tagInteger, 1, 1}) {
		return crlFault(CRLVersion, p.stream.offset(), "%x", version[2:])
	}
	return nil
}

// updates reads thisUpdate and the optional nextUpdate (§5.1.2.4, §5.1.2.5).
func (p *crlParser) updates(end int64) (err error) {
	if p.crl.ThisUpdate, err = p.time(end, "thisUpdate"); err != nil {
		return err
	}
	p.crl.thisDay = floorDays(p.crl.ThisUpdate)
	tag, err := p.stream.peekTag(end)
	if err != nil {
		return err
	}
	if tag == tagUTCTime || tag == tagGeneralized {
		p.crl.NextUpdate, err = p.time(end, "nextUpdate")
	}
	return err
}

func (p *crlParser) time(end int64, what string) (time.Time, error) {
	tag, err := p.stream.peekTag(end)
	if err != nil {
		return time.Time{}, err
	}
	if tag != tagUTCTime && tag != tagGeneralized {
		return time.Time{}, crlFault(CRLMalformed, p.stream.offset(), "%s: tag %#02x", what, tag)
	}
	at := p.stream.offset()
	element, err := p.stream.element(tag, end, what)
	if err != nil {
		return time.Time{}, err
	}
	t, ok := parseDERTime(element)
	if !ok {
		return time.Time{}, crlFault(CRLMalformed, at, "%s", what)
	}
	return t, nil
}

// extensions reads crlExtensions (§5.2).
func (p *crlParser) extensions(end int64) error {
	tag, err := p.stream.peekTag(end)
	if err != nil || tag == 0 {
		return err
	}
	at := p.stream.offset()
	element, err := p.stream.element(tagExtensions, end, "crlExtensions")
	if err != nil {
		return err
	}
	der := cryptobyte.String(element)
	var list cryptobyte.String
	if !der.ReadASN1(&der, tagExtensions) || !der.ReadASN1(&list, cryptobyte_asn1.SEQUENCE) || !der.Empty() {
		return crlFault(CRLMalformed, at, "crlExtensions")
	}
	if err := eachExtension(list, p.crl.extension); err != nil {
		return atOffset(err, at)
	}
	return nil
}

// signature reads signatureAlgorithm and signatureValue (§5.1.1).
func (p *crlParser) signature(end int64, inner []byte) error {
	outer, err := p.stream.element(tagSequence, end, "signatureAlgorithm")
	if err != nil {
		return err
	}
	if !bytes.Equal(outer, inner) {
		return crlFault(CRLAlgorithmMismatch, p.stream.offset(), "")
	}
	at := p.stream.offset()
	value, err := p.stream.element(tagBitString, end, "signatureValue")
	if err != nil {
		return err
	}
	der := cryptobyte.String(value)
	if !der.ReadASN1BitStringAsBytes(&p.crl.signature) {
		return crlFault(CRLMalformed, at, "signatureValue")
	}
	return nil
}

// finish checks what only the whole CRL can tell, and builds the index.
func (p *crlParser) finish() (err error) {
	c := p.crl
	if p.removes && c.BaseNumber == nil {
		return crlFault(CRLRemoveOutsideDelta, 0, "")
	}
	c.length = p.builder.len()
	c.index, err = p.builder.build(c.CertificateIssuer)
	return err
}

// checkName wants an RDNSequence that can be read, and is not empty: a CRL
// issuer has a name (§5.1.2.3).
func checkName(der []byte) error {
	name := cryptobyte.String(der)
	if !name.ReadASN1(&name, cryptobyte_asn1.SEQUENCE) || name.Empty() {
		return crlFault(CRLMalformed, 0, "issuer: empty")
	}
	for !name.Empty() {
		var set cryptobyte.String
		if !name.ReadASN1(&set, cryptobyte_asn1.SET) || set.Empty() {
			return crlFault(CRLMalformed, 0, "issuer")
		}
		for !set.Empty() {
			if !readAttribute(&set) {
				return crlFault(CRLMalformed, 0, "issuer")
			}
		}
	}
	return nil
}

func readAttribute(set *cryptobyte.String) bool {
	var attribute, value cryptobyte.String
	var tag cryptobyte_asn1.Tag
	var oid asn1.ObjectIdentifier
	return set.ReadASN1(&attribute, cryptobyte_asn1.SEQUENCE) && attribute.ReadASN1ObjectIdentifier(&oid) &&
		attribute.ReadAnyASN1(&value, &tag) && attribute.Empty()
}

// nonNegative reads an INTEGER that must not be below zero.
func nonNegative(value []byte) (*big.Int, bool) {
	der := cryptobyte.String(value)
	n := new(big.Int)
	ok := der.ReadASN1Integer(n) && der.Empty() && n.Sign() >= 0
	return n, ok
}
