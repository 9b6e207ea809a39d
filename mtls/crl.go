package mtls

import (
	"crypto"
	"encoding/asn1"
	"io"
	"iter"
	"math/big"
	"time"
)

// CRL is a certificate revocation list (RFC 5280 §5) read by ReadCRL: its
// fields, and its entries as a compact index. It is immutable and safe for
// concurrent use.
//
// Reading a CRL proves nothing about it. The caller owes CheckSignature with a
// certificate it trusts for that, then scope, freshness and the extensions it
// does not know (RFC 5280 §6.3.3).
type CRL struct {
	Issuer     []byte    // DER of the issuer name
	ThisUpdate time.Time // UTC
	NextUpdate time.Time // UTC; zero when absent
	Number     *big.Int  // §5.2.3; nil when absent
	BaseNumber *big.Int  // §5.2.4, deltaCRLIndicator; nil for a complete CRL

	// AuthorityKeyID is the keyIdentifier of §5.2.1, nil when absent.
	AuthorityKeyID []byte
	// AuthorityNames and AuthoritySerial are the other half of that extension:
	// each GeneralName in DER, and the serial number; nil when absent.
	AuthorityNames  [][]byte
	AuthoritySerial *big.Int

	// IssuingDistributionPoint is the scope (§5.2.5), nil when absent: the CRL
	// is then for all certificates of its issuer.
	IssuingDistributionPoint *IssuingDistributionPoint
	// FreshestCRL holds where deltas are announced (§5.2.6), as URIs.
	FreshestCRL []string

	// UnknownCritical are critical CRL extensions this package cannot process:
	// the CRL must not be used (§5.2). UnknownCriticalEntry are critical entry
	// extensions, each once, with the same consequence (§5.3).
	UnknownCritical      []asn1.ObjectIdentifier
	UnknownCriticalEntry []asn1.ObjectIdentifier
	// CertificateIssuer reports that an entry names another issuer (§5.3.3), as
	// indirect CRLs do. The index does not hold whose serial it is.
	CertificateIssuer bool

	// Size is the length of the DER in octets.
	Size int64

	algorithm signatureAlgorithm
	digest    []byte // of the DER tbsCertList, by algorithm.hash
	signature []byte
	index     serialIndex
	thisDay   int64 // of thisUpdate, in days since 1970
	length    int
}

// IssuingDistributionPoint is the extension of RFC 5280 §5.2.5.
type IssuingDistributionPoint struct {
	Raw []byte // DER of the extension's value, to compare scopes (§5.2.4 (c))
	// FullName holds each GeneralName of the distribution point in DER;
	// RelativeName the DER of nameRelativeToCRLIssuer. At most one is set.
	FullName     [][]byte
	RelativeName []byte

	OnlyContainsUserCerts      bool
	OnlyContainsCACerts        bool
	OnlyContainsAttributeCerts bool
	OnlySomeReasons            bool // split by reason
	Indirect                   bool
}

// Revocation reasons of RFC 5280 §5.3.1. An entry without a reason is
// ReasonUnspecified, one with a code outside the standard ReasonOther.
const (
	ReasonUnspecified          RevocationReason = 0
	ReasonKeyCompromise        RevocationReason = 1
	ReasonCACompromise         RevocationReason = 2
	ReasonAffiliationChanged   RevocationReason = 3
	ReasonSuperseded           RevocationReason = 4
	ReasonCessationOfOperation RevocationReason = 5
	ReasonCertificateHold      RevocationReason = 6
	ReasonRemoveFromCRL        RevocationReason = 8
	ReasonPrivilegeWithdrawn   RevocationReason = 9
	ReasonAACompromise         RevocationReason = 10
	ReasonOther                RevocationReason = 15
)

// RevocationReason is why a certificate was revoked.
type RevocationReason uint8

// String is the name RFC 5280 §5.3.1 gives the reason.
func (r RevocationReason) String() string {
	switch r {
	case ReasonUnspecified:
		return "unspecified"
	case ReasonKeyCompromise:
		return "keyCompromise"
	case ReasonCACompromise:
		return "cACompromise"
	case ReasonAffiliationChanged:
		return "affiliationChanged"
	case ReasonSuperseded:
		return "superseded"
	case ReasonCessationOfOperation:
		return "cessationOfOperation"
	case ReasonCertificateHold:
		return "certificateHold"
	case ReasonRemoveFromCRL:
		return "removeFromCRL"
	case ReasonPrivilegeWithdrawn:
		return "privilegeWithdrawn"
	case ReasonAACompromise:
		return "aACompromise"
	}
	return "other"
}

// RevokedEntry is what a CRL says of one certificate.
type RevokedEntry struct {
	Reason RevocationReason
	// Date is the day of revocation, midnight UTC: the index keeps no hours. It
	// is zero when it lies more than eleven years before thisUpdate, and the
	// day of thisUpdate when it lies after it.
	Date time.Time
}

// CRLLimits bounds what ReadCRL accepts. The zero value is the strict default.
type CRLLimits struct {
	MaxBytes   int64 // of DER; default 512 MiB
	MaxEntries int   // default 10 million

	// AllowNegativeSerials admits entries with a negative serial number, which
	// RFC 5280 §4.1.2.2 forbids and no certificate Go can parse carries.
	AllowNegativeSerials bool
}

// Defaults of CRLLimits.
const (
	DefaultCRLBytes   = 512 << 20
	DefaultCRLEntries = 10_000_000
)

func (l CRLLimits) withDefaults() CRLLimits {
	if l.MaxBytes <= 0 {
		l.MaxBytes = DefaultCRLBytes
	}
	if l.MaxEntries <= 0 {
		l.MaxEntries = DefaultCRLEntries
	}
	return l
}

// ReadCRL reads one CRL in DER or PEM from r, to its end, and never holds more
// of it than a buffer: each octet goes once through the signature's hash, each
// entry into the index. Every refusal is a *CRLError.
//
// Memory in use afterwards is 16 to 17 octets an entry for serials of 16
// octets, 8 to 9 where they share all but their low eight octets.
func ReadCRL(r io.Reader, limits CRLLimits) (*CRL, error) {
	limits = limits.withDefaults()
	source, err := derSource(r)
	if err != nil {
		return nil, err
	}
	p := &crlParser{stream: newDERStream(source, limits.MaxBytes), limits: limits, crl: &CRL{}}
	if err := p.parse(); err != nil {
		return nil, err
	}
	return p.crl, nil
}

// IsDelta reports whether this is a delta CRL, usable only with its base.
func (c *CRL) IsDelta() bool { return c.BaseNumber != nil }

// Len is the number of entries.
func (c *CRL) Len() int { return c.length }

// Hash is the hash under the signature.
func (c *CRL) Hash() crypto.Hash { return c.algorithm.hash }

// Find looks a serial number up, and allocates nothing. An entry of a delta CRL
// may say ReasonRemoveFromCRL: the certificate is not revoked any more (§5.3.1).
func (c *CRL) Find(serial *big.Int) (RevokedEntry, bool) {
	key, ok := keyOfSerial(serial)
	if !ok {
		return RevokedEntry{}, false
	}
	meta, found := c.index.find(key)
	if !found {
		return RevokedEntry{}, false
	}
	return meta.entry(c.thisDay), true
}

// Entries yields the entries, in no useful order.
func (c *CRL) Entries() iter.Seq2[*big.Int, RevokedEntry] {
	return func(yield func(*big.Int, RevokedEntry) bool) {
		for key, meta := range c.index.all() {
			if !yield(key.serial(), meta.entry(c.thisDay)) {
				return
			}
		}
	}
}

// Added yields the entries of c that revoke what older does not: what a refresh
// brought. With a nil older, all of them.
func (c *CRL) Added(older *CRL) iter.Seq2[*big.Int, RevokedEntry] {
	return func(yield func(*big.Int, RevokedEntry) bool) {
		for key, meta := range c.index.all() {
			if meta.reason() == ReasonRemoveFromCRL || older != nil && older.revokes(key) {
				continue
			}
			if !yield(key.serial(), meta.entry(c.thisDay)) {
				return
			}
		}
	}
}

func (c *CRL) revokes(key serialKey) bool {
	meta, found := c.index.find(key)
	return found && meta.reason() != ReasonRemoveFromCRL
}
