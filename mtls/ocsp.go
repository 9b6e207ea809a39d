package mtls

import (
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // names and keys in a CertID, where collisions gain nothing (RFC 6960 §4.3)
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// OCSPQuestion asks a responder about one certificate (RFC 6960 §4.1).
type OCSPQuestion struct {
	Serial *big.Int
	Issuer *x509.Certificate
	// Nonce ties the answer to this question (RFC 9654); nil asks for none, as
	// when an answer comes from a file.
	Nonce []byte
	// Responders are the addresses that the certificate names (RFC 5280
	// §4.2.2.1).
	Responders []string
	// Remembered is a certificate that is not at hand, so that what addresses
	// it names is not known.
	Remembered bool
}

// nonceOctets is what RFC 9654 §2.1 recommends to clients.
const nonceOctets = 32

// AskOCSP makes a question with a fresh nonce.
func AskOCSP(serial *big.Int, issuer *x509.Certificate) OCSPQuestion {
	nonce := make([]byte, nonceOctets)
	_, _ = rand.Read(nonce) // never fails, says crypto/rand
	return OCSPQuestion{Serial: serial, Issuer: issuer, Nonce: nonce}
}

var oidOCSPNonce = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}

// DER is the OCSPRequest. Its CertID uses SHA-1, the one hash that every
// responder must know (RFC 5019 §2.1.1).
func (q OCSPQuestion) DER() ([]byte, error) {
	id, err := q.certID()
	if err != nil {
		return nil, err
	}
	sequence := func(b *cryptobyte.Builder, content func(*cryptobyte.Builder)) { b.AddASN1(cbasn1.SEQUENCE, content) }
	var b cryptobyte.Builder
	sequence(&b, func(b *cryptobyte.Builder) { // OCSPRequest
		sequence(b, func(b *cryptobyte.Builder) { // TBSRequest
			sequence(b, func(b *cryptobyte.Builder) { // requestList
				sequence(b, func(b *cryptobyte.Builder) { id.add(b) })
			})
			if q.Nonce != nil {
				b.AddASN1(contextTag(2).Constructed(), func(b *cryptobyte.Builder) {
					sequence(b, func(b *cryptobyte.Builder) { sequence(b, q.addNonce) })
				})
			}
		})
	})
	return b.Bytes()
}

func (q OCSPQuestion) addNonce(b *cryptobyte.Builder) {
	b.AddASN1ObjectIdentifier(oidOCSPNonce)
	b.AddASN1(cbasn1.OCTET_STRING, func(b *cryptobyte.Builder) { b.AddASN1OctetString(q.Nonce) })
}

// certID is CertID of RFC 6960 §4.1.1, under SHA-1.
type certID struct {
	nameHash, keyHash [sha1.Size]byte
	serial            *big.Int
}

func (q OCSPQuestion) certID() (certID, error) {
	key, err := publicKeyBits(q.Issuer)
	if err != nil {
		return certID{}, err
	}
	return certID{sha1.Sum(q.Issuer.RawSubject), sha1.Sum(key), q.Serial}, nil //nolint:gosec // as above
}

// publicKeyBits is the BIT STRING of a SubjectPublicKeyInfo.
func publicKeyBits(c *x509.Certificate) ([]byte, error) {
	info := cryptobyte.String(c.RawSubjectPublicKeyInfo)
	var key []byte
	if !info.ReadASN1(&info, cbasn1.SEQUENCE) || !info.SkipASN1(cbasn1.SEQUENCE) || !info.ReadASN1BitStringAsBytes(&key) {
		return nil, fmt.Errorf("public key of %s cannot be read", nameOf(c))
	}
	return key, nil
}

func (id certID) add(b *cryptobyte.Builder) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1ObjectIdentifier(oidSHA1)
			b.AddASN1NULL()
		})
		b.AddASN1OctetString(id.nameHash[:])
		b.AddASN1OctetString(id.keyHash[:])
		b.AddASN1BigInt(id.serial)
	})
}

// NonceMode says what an answer without the question's nonce is worth. An
// answer with another nonce is never taken.
type NonceMode string

// The modes; the zero value is NonceRequired.
const (
	NonceRequired  NonceMode = "required"
	NonceIfPresent NonceMode = "if-present" // for responders that sign in advance: age alone tells a replay
)

// OCSPPolicy says what an answer must be. The zero value is strict.
type OCSPPolicy struct {
	// MaxAge of thisUpdate; default one day.
	MaxAge time.Duration
	// ClockSkew between the responder and us; default 5 minutes.
	ClockSkew time.Duration
	Nonce     NonceMode
	// UncheckedResponders accepts delegated responders whose certificate does
	// not say id-pkix-ocsp-nocheck (RFC 6960 §4.2.2.2.1): whether they are
	// revoked themselves is not looked into.
	UncheckedResponders Leniency
	// Strength of the responder's key; the zero value is the current one.
	Strength Strength
}

// Defaults of OCSPPolicy.
const (
	DefaultOCSPAge  = 24 * time.Hour
	DefaultOCSPSkew = 5 * time.Minute
)

// OCSPStatus is what a responder says of a certificate.
type OCSPStatus string

// The statuses of RFC 6960 §2.2. Good means no more than "not revoked".
const (
	OCSPGood    OCSPStatus = "good"
	OCSPRevoked OCSPStatus = "revoked"
	OCSPUnknown OCSPStatus = "unknown" // to this responder
)

// OCSPAnswer is a verified answer.
type OCSPAnswer struct {
	Status     OCSPStatus
	RevokedAt  time.Time
	Reason     RevocationReason
	ProducedAt time.Time
	ThisUpdate time.Time
	NextUpdate time.Time // zero: the responder always has newer
	Responder  *x509.Certificate
}

// OCSPFault names why an answer was not taken. Compare with errors.Is.
type OCSPFault string

// The faults of OCSP answers.
const (
	OCSPMalformed         OCSPFault = "malformed"          // not the DER of RFC 6960 §4.2.1
	OCSPResponderError    OCSPFault = "responder-error"    // §4.2.1: tryLater, unauthorized …
	OCSPOtherCertificate  OCSPFault = "other-certificate"  // about another serial or issuer
	OCSPNonce             OCSPFault = "nonce"              // missing, or of another question: a replay
	OCSPStale             OCSPFault = "stale"              // past nextUpdate or MaxAge
	OCSPNotYet            OCSPFault = "not-yet-valid"      // thisUpdate in the future
	OCSPSignature         OCSPFault = "bad-signature"      // or none
	OCSPResponder         OCSPFault = "responder"          // the signer may not answer for this issuer, §4.2.2.2
	OCSPWeak              OCSPFault = "weak"               // key or signature below Strength
	OCSPCriticalExtension OCSPFault = "critical-extension" // one that is not understood
)

func (f OCSPFault) Error() string { return "OCSP: " + string(f) }

// OCSPError is an answer that was not taken, and why.
type OCSPError struct {
	Fault  OCSPFault
	Detail string
	Err    error
}

func (e *OCSPError) Error() string {
	s := e.Fault.Error()
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the fault, and the error behind it.
func (e *OCSPError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Fault}
	}
	return []error{e.Fault, e.Err}
}

func ocspFault(fault OCSPFault, format string, args ...any) error {
	return &OCSPError{Fault: fault, Detail: fmt.Sprintf(format, args...)}
}
