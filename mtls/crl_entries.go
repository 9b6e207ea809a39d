package mtls

import (
	"time"

	"golang.org/x/crypto/cryptobyte"
	cryptobyte_asn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// entryMeta is what the index keeps of an entry beside its serial: the reason
// in the high four bits, the age in the low twelve, in days before thisUpdate.
type entryMeta uint16

const (
	metaAgeBits = 12
	metaTooOld  = 1<<metaAgeBits - 1 // this old or older, or not known
)

func (m entryMeta) reason() RevocationReason { return RevocationReason(m >> metaAgeBits) }

// entry counts the age back from thisDay, in days since 1970.
func (m entryMeta) entry(thisDay int64) RevokedEntry {
	e := RevokedEntry{Reason: m.reason()}
	if age := int64(m & metaTooOld); age != metaTooOld {
		e.Date = time.Unix((thisDay-age)*86400, 0).UTC()
	}
	return e
}

func (p *crlParser) meta(reason RevocationReason, day int64) entryMeta {
	age := min(max(p.crl.thisDay-day, 0), metaTooOld)
	p.removes = p.removes || reason == ReasonRemoveFromCRL
	return entryMeta(reason)<<metaAgeBits | entryMeta(age)
}

// revoked reads revokedCertificates (§5.1.2.6) into the index.
func (p *crlParser) revoked(end int64) error {
	s := p.stream
	tag, err := s.peekTag(end)
	if err != nil || tag != tagSequence {
		return err
	}
	if end, err = s.enter(tagSequence, end, "revokedCertificates"); err != nil {
		return err
	}
	p.builder.expect(end - s.offset())
	for s.offset() < end {
		w, err := s.window(int(min(end-s.offset(), maxPlainEntry)))
		if err != nil {
			return err
		}
		if rest := end - s.offset(); int64(len(w)) > rest {
			w = w[:rest]
		}
		n, err := p.plainEntries(w)
		s.pos += n
		if err != nil {
			return atOffset(err, s.offset())
		}
		if n == 0 {
			if err := p.anyEntry(end); err != nil {
				return err
			}
		}
	}
	return nil
}

// maxPlainEntry is the longest entry plainEntries takes: header, serial of 21
// octets, UTCTime, reason.
const maxPlainEntry = 2 + 2 + 21 + 15 + 14

// reasonExtension is crlEntryExtensions with a reasonCode alone, up to its value.
var reasonExtension = [13]byte{0x30, 0x0c, 0x30, 0x0a, 0x06, 0x03, 0x55, 0x1d, 0x15, 0x04, 0x03, 0x0a, 0x01}

// plainEntries reads entries of the usual shape (positive serial, UTCTime, at
// most a reason) from w and returns how many octets it took. It stops before
// the first entry that is anything else, or not whole.
func (p *crlParser) plainEntries(w []byte) (taken int, err error) {
	for len(w) > 4 {
		size := 2 + int(w[1])
		octets := int(w[3])
		if w[0] != tagSequence || size > len(w) || size > maxPlainEntry || w[2] != tagInteger {
			return taken, nil
		}
		entry := w[:size]
		at := 4 + octets // of the UTCTime
		if octets == 0 || octets > 21 || len(entry) < at+15 {
			return taken, nil
		}
		reason := ReasonUnspecified
		if rest := entry[at+15:]; len(rest) > 0 {
			if len(rest) != 14 || [13]byte(rest) != reasonExtension {
				return taken, nil
			}
			reason = reasonOfCode(int64(rest[13]))
		}
		day, ok := utcDay((*[15]byte)(entry[at:]))
		if !ok || entry[4]&0x80 != 0 || octets > 1 && entry[4] == 0 && entry[5]&0x80 == 0 {
			return taken, nil
		}
		key, ok := keyOfMagnitude(entry[4:at])
		if !ok {
			return taken, nil
		}
		if err := p.add(key, p.meta(reason, day)); err != nil {
			return taken, err
		}
		taken += size
		w = w[size:]
	}
	return taken, nil
}

func (p *crlParser) add(key serialKey, meta entryMeta) error {
	if p.builder.len() >= p.limits.MaxEntries {
		return crlFault(CRLTooManyEntries, 0, "more than %d", p.limits.MaxEntries)
	}
	p.builder.add(key, meta)
	return nil
}

// reasonOfCode maps a CRLReason (§5.3.1). What the standard does not define is
// a reason all the same: the certificate is revoked.
func reasonOfCode(code int64) RevocationReason {
	if code < 0 || code > 10 || code == 7 {
		return ReasonOther
	}
	return RevocationReason(code)
}

// anyEntry reads one entry of whatever shape.
func (p *crlParser) anyEntry(end int64) error {
	at := p.stream.offset()
	element, err := p.stream.element(tagSequence, end, "revoked certificate")
	if err != nil {
		return err
	}
	return atOffset(p.entry(element), at)
}

func (p *crlParser) entry(element []byte) error {
	der, _ := onlySequence(element)
	var serial cryptobyte.String
	if !readIntegerContent(&der, &serial) {
		return crlFault(CRLMalformed, 0, "serial number")
	}
	key, err := p.serial(serial)
	if err != nil {
		return err
	}
	var date cryptobyte.String
	var tag cryptobyte_asn1.Tag
	if !der.ReadAnyASN1Element(&date, &tag) {
		return crlFault(CRLMalformed, 0, "revocation date")
	}
	revokedAt, ok := parseDERTime(date)
	if !ok {
		return crlFault(CRLMalformed, 0, "revocation date")
	}
	reason, err := p.entryExtensions(der)
	if err != nil {
		return err
	}
	return p.add(key, p.meta(reason, floorDays(revokedAt)))
}

// readIntegerContent reads the content of an INTEGER in its shortest form.
func readIntegerContent(der, content *cryptobyte.String) bool {
	if !der.ReadASN1(content, cryptobyte_asn1.INTEGER) || len(*content) == 0 {
		return false
	}
	c := *content
	return len(c) == 1 || !(c[0] == 0 && c[1]&0x80 == 0 || c[0] == 0xff && c[1]&0x80 != 0)
}

func (p *crlParser) serial(content []byte) (serialKey, error) {
	negative := content[0]&0x80 != 0
	if negative && !p.limits.AllowNegativeSerials {
		return serialKey{}, crlFault(CRLNegativeSerial, 0, "")
	}
	if len(content) > maxSerial+1 {
		return serialKey{}, crlFault(CRLSerialTooLong, 0, "%d octets", len(content))
	}
	magnitude := content
	if negative {
		magnitude = negate(content)
	}
	key, ok := keyOfMagnitude(magnitude)
	if !ok {
		return serialKey{}, crlFault(CRLSerialTooLong, 0, "%d octets", len(content))
	}
	key.negative = negative
	return key, nil
}

// negate is the magnitude of a negative two's complement number.
func negate(content []byte) []byte {
	magnitude := make([]byte, len(content))
	carry := byte(1)
	for i := len(content) - 1; i >= 0; i-- {
		magnitude[i] = ^content[i] + carry
		if magnitude[i] != 0 {
			carry = 0
		}
	}
	return magnitude
}

// entryExtensions reads crlEntryExtensions (§5.3) for the reason.
func (p *crlParser) entryExtensions(der cryptobyte.String) (RevocationReason, error) {
	reason := ReasonUnspecified
	if der.Empty() {
		return reason, nil
	}
	list, ok := onlySequence(der)
	if !ok {
		return 0, crlFault(CRLMalformed, 0, "crlEntryExtensions")
	}
	err := eachExtension(list, func(e crlExtension) error {
		switch {
		case e.oid.Equal(oidReasonCode):
			code, ok := enumerated(e.value)
			if !ok {
				return crlFault(CRLMalformed, 0, "reasonCode")
			}
			reason = reasonOfCode(code)
		case e.oid.Equal(oidCertificateIssuer):
			p.crl.CertificateIssuer = true
		case e.oid.Equal(oidInvalidityDate): // when the key was lost changes no verdict at a login
		case e.critical:
			p.unknownEntryExtension(e)
		}
		return nil
	})
	return reason, err
}

func enumerated(value []byte) (int64, bool) {
	der := cryptobyte.String(value)
	var code int
	ok := der.ReadASN1Enum(&code) && der.Empty()
	return int64(code), ok
}

func (p *crlParser) unknownEntryExtension(e crlExtension) {
	for _, known := range p.crl.UnknownCriticalEntry {
		if known.Equal(e.oid) {
			return
		}
	}
	if len(p.crl.UnknownCriticalEntry) < maxUnknownExtensions {
		p.crl.UnknownCriticalEntry = append(p.crl.UnknownCriticalEntry, e.oid)
	}
}
