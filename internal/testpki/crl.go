package testpki

import (
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Extensions of CRLs and of their entries.
var (
	ExtensionCRLNumber                = asn1.ObjectIdentifier{2, 5, 29, 20}
	ExtensionReasonCode               = asn1.ObjectIdentifier{2, 5, 29, 21}
	ExtensionInvalidityDate           = asn1.ObjectIdentifier{2, 5, 29, 24}
	ExtensionDeltaCRL                 = asn1.ObjectIdentifier{2, 5, 29, 27}
	ExtensionIssuingDistributionPoint = asn1.ObjectIdentifier{2, 5, 29, 28}
	ExtensionCertificateIssuer        = asn1.ObjectIdentifier{2, 5, 29, 29}
)

// The CRLs of the real PKI: intermediates daily for six days, roots for 45.
const (
	issuerCRLDays = 6
	rootCRLDays   = 45
)

// CRLSpec gives full control of a CRL. Its zero value is what the real PKI
// issues: version 2, the next number, authority key identifier, six days.
type CRLSpec struct {
	Number                *big.Int  // nil = one more than the last
	ThisUpdate            time.Time // zero = now
	NextUpdate            time.Time // zero = six days (roots: 45) after ThisUpdate
	Base                  *big.Int  // deltas: number of the CRL built upon; nil = the last full one
	Entries               []Entry   // nil = what is revoked (deltas: what changed); empty = none
	IssuingPoint          *IssuingPoint
	Extensions            []pkix.Extension // appended to the CRL's own
	WithoutNumber         bool
	WithoutAuthorityKeyID bool
	WithoutNextUpdate     bool
	Version1              bool          // no version, no extensions at all
	Issuer                []byte        // DER name in place of the authority's
	AuthorityKeyID        []byte        // in place of the authority's
	Signer                crypto.Signer // in place of the authority's key
	Digest                crypto.Hash   // 0 = SHA-256
	CorruptSignature      bool
}

// IssuingPoint is an issuingDistributionPoint (RFC 5280 §5.2.5).
type IssuingPoint struct {
	URIs               []string
	OnlyUserCerts      bool
	OnlyCACerts        bool
	OnlySomeReasons    byte // bits as in ReasonFlags' first byte; 0 = absent
	Indirect           bool
	OnlyAttributeCerts bool
	NotCritical        bool // against the RFC, to see what a reader does
	RelativeName       bool // a distribution point of nameRelativeToCRLIssuer
}

// CRL makes and signs a full CRL.
func (a *Authority) CRL(spec CRLSpec) ([]byte, error) {
	a.mu.Lock()
	entries := spec.Entries
	if entries == nil {
		entries = standing(a.changes)
	}
	number := a.number(spec)
	if number.IsInt64() {
		a.baseline = number.Int64()
	}
	a.delta.stale = true // its base is no longer the last one
	a.mu.Unlock()
	return a.signCRL(spec, entries, number, nil)
}

// DeltaCRL makes and signs a delta CRL (RFC 5280 §5.2.4).
func (a *Authority) DeltaCRL(spec CRLSpec) ([]byte, error) {
	a.mu.Lock()
	base := spec.Base
	if base == nil {
		base = big.NewInt(a.baseline)
	}
	entries := spec.Entries
	if entries == nil {
		entries = a.changed(base.Int64())
	}
	number := a.number(spec)
	a.mu.Unlock()
	return a.signCRL(spec, entries, number, base)
}

// number takes the next CRL number, or notes the one asked for. Full and delta
// CRLs share one sequence (RFC 5280 §5.2.3). The caller holds mu.
func (a *Authority) number(spec CRLSpec) *big.Int {
	if spec.Number != nil {
		if spec.Number.IsInt64() {
			a.crlNumber = max(a.crlNumber, spec.Number.Int64())
		}
		return spec.Number
	}
	a.crlNumber++
	return big.NewInt(a.crlNumber)
}

func (a *Authority) signCRL(spec CRLSpec, entries []Entry, number, base *big.Int) ([]byte, error) {
	signer := spec.Signer
	if signer == nil {
		signer = a.Key
	}
	algorithm, err := signatureAlgorithm(signer, spec.Digest)
	if err != nil {
		return nil, fmt.Errorf("CRL of %s: %w", a.Short, err)
	}
	tbs, err := a.crlBody(spec, algorithm, entries, a.crlExtensions(spec, number, base))
	if err != nil {
		return nil, fmt.Errorf("CRL of %s: %w", a.Short, err)
	}
	return signed(tbs, algorithm, signer, spec.Digest, spec.CorruptSignature)
}

func (a *Authority) crlBody(spec CRLSpec, algorithm []byte, entries []Entry, extensions []pkix.Extension) ([]byte, error) {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		a.addCRLHead(b, spec, algorithm)
		if len(entries) > 0 { // absent when empty: RFC 5280 §5.1.2.6
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for _, entry := range entries {
					entry.add(b)
				}
			})
		}
		addExtensions(b, 0, extensions)
	})
	return b.Bytes()
}

// addCRLHead adds what stands before the entries.
func (a *Authority) addCRLHead(b *cryptobyte.Builder, spec CRLSpec, algorithm []byte) {
	if !spec.Version1 {
		b.AddASN1Int64(1)
	}
	b.AddBytes(algorithm)
	if spec.Issuer != nil {
		b.AddBytes(spec.Issuer)
	} else {
		b.AddBytes(a.Certificate.RawSubject)
	}
	thisUpdate, nextUpdate := a.updates(spec)
	addTime(b, thisUpdate)
	if !spec.WithoutNextUpdate {
		addTime(b, nextUpdate)
	}
}

func (a *Authority) updates(spec CRLSpec) (thisUpdate, nextUpdate time.Time) {
	days := issuerCRLDays
	if a.Parent == nil {
		days = rootCRLDays
	}
	thisUpdate = orTime(spec.ThisUpdate, a.pki.now())
	return thisUpdate, orTime(spec.NextUpdate, thisUpdate.AddDate(0, 0, days))
}

func (e Entry) add(b *cryptobyte.Builder) {
	extensions := slices.Clone(e.Extensions)
	if e.Reason != ReasonUnspecified {
		code := pkix.Extension{Id: ExtensionReasonCode, Value: built(func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(e.Reason)) })}
		extensions = append([]pkix.Extension{code}, extensions...)
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(e.Serial)
		addTime(b, e.At)
		if len(extensions) > 0 {
			addExtensionList(b, extensions)
		}
	})
}

func (a *Authority) crlExtensions(spec CRLSpec, number, base *big.Int) []pkix.Extension {
	if spec.Version1 {
		return nil
	}
	var extensions []pkix.Extension
	if !spec.WithoutAuthorityKeyID {
		id := spec.AuthorityKeyID
		if id == nil {
			id = a.Certificate.SubjectKeyId
		}
		extensions = append(extensions, authorityKeyID(id))
	}
	if !spec.WithoutNumber {
		extensions = append(extensions, bigInteger(ExtensionCRLNumber, number, false))
	}
	if base != nil {
		extensions = append(extensions, bigInteger(ExtensionDeltaCRL, base, true))
	}
	if spec.IssuingPoint != nil {
		extensions = append(extensions, spec.IssuingPoint.extension())
	}
	return append(extensions, spec.Extensions...)
}

func bigInteger(oid asn1.ObjectIdentifier, value *big.Int, critical bool) pkix.Extension {
	return pkix.Extension{Id: oid, Critical: critical, Value: built(func(b *cryptobyte.Builder) { b.AddASN1BigInt(value) })}
}

func (i *IssuingPoint) extension() pkix.Extension {
	value := sequence(func(b *cryptobyte.Builder) {
		if len(i.URIs) > 0 {
			addPointName(b, i.URIs...)
		}
		if i.RelativeName {
			b.AddASN1(tagged(0).Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1(tagged(1).Constructed(), func(b *cryptobyte.Builder) {
					b.AddBytes(Attribute{Type: AttributeCommonName, Value: "CRL1"}.der())
				})
			})
		}
		addFlag(b, 1, i.OnlyUserCerts)
		addFlag(b, 2, i.OnlyCACerts)
		if i.OnlySomeReasons != 0 {
			b.AddASN1(tagged(3), func(b *cryptobyte.Builder) { b.AddBytes(namedBits(i.OnlySomeReasons)) })
		}
		addFlag(b, 4, i.Indirect)
		addFlag(b, 5, i.OnlyAttributeCerts)
	})
	return pkix.Extension{Id: ExtensionIssuingDistributionPoint, Critical: !i.NotCritical, Value: value}
}

// addFlag adds an implicitly tagged BOOLEAN, false being the default left out.
func addFlag(b *cryptobyte.Builder, tag uint8, set bool) {
	if set {
		b.AddASN1(tagged(tag), func(b *cryptobyte.Builder) { b.AddBytes([]byte{0xff}) })
	}
}

func tagged(tag uint8) cbasn1.Tag { return cbasn1.Tag(tag).ContextSpecific() }
