package testpki

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"net/http"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ExtensionOCSPNonce ties an answer to its request (RFC 8954).
var ExtensionOCSPNonce = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 2}

var oidOCSPBasic = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 1}

// OCSPResponseStatus is the outer status of an answer (RFC 6960 §4.2.1).
type OCSPResponseStatus int

// The outer statuses.
const (
	OCSPSuccessful       OCSPResponseStatus = 0
	OCSPMalformedRequest OCSPResponseStatus = 1
	OCSPInternalError    OCSPResponseStatus = 2
	OCSPTryLater         OCSPResponseStatus = 3
	OCSPSigRequired      OCSPResponseStatus = 5
	OCSPUnauthorized     OCSPResponseStatus = 6
)

// CertStatus is what a responder says of a certificate.
type CertStatus int

// The certificate statuses; FromRecords is what Revoke and Release say.
const (
	FromRecords CertStatus = iota
	Good
	Revoked
	Unknown
)

// OCSPSpec bends a responder. Its zero value answers truly, signed by the
// authority itself, repeats the nonce, for a day.
type OCSPSpec struct {
	Outer            OCSPResponseStatus
	Status           CertStatus
	ThisUpdate       time.Time     // zero = now
	NextUpdate       time.Time     // zero = a day later
	WithoutNext      bool          // no nextUpdate
	ProducedAt       time.Time     // zero = now
	Delegate         *Pair         // signs in the authority's place, its certificate included
	WithoutDelegate  bool          // leaves the delegate's certificate out
	Signer           crypto.Signer // a key that has no right to sign
	Digest           crypto.Hash   // 0 = SHA-256
	WithoutNonce     bool
	Nonce            []byte // in place of the one asked
	Serial           *big.Int
	ByKey            bool             // responderID by key, not by name
	Extensions       []pkix.Extension // of the response
	SingleExtensions []pkix.Extension
	CorruptSignature bool
}

// Delegate issues a delegated responder's certificate (RFC 6960 §4.2.2.2):
// id-kp-OCSPSigning and id-pkix-ocsp-nocheck.
func (a *Authority) Delegate(alter func(*Template)) (Pair, error) {
	key := a.pki.keys.nth("responders", a.pki.dealt.Add(1))
	now := a.pki.now().UTC().Truncate(time.Second)
	t := a.pki.leaf(a, key, now.Add(-24*time.Hour), now.AddDate(1, 0, 0))
	t.Subject = Name{
		Single(AttributeCountry, "FR"), Single(AttributeOrganization, "ASIP-SANTE"),
		Single(AttributeUnit, "0002 187512751"), Single(AttributeCommonName, "OCSP "+a.Name.Get(AttributeCommonName)),
	}
	t.Extensions = []pkix.Extension{
		BasicConstraints(false, -1),
		subjectKeyID(KeyID(key.Public())),
		authorityKeyID(a.Certificate.SubjectKeyId),
		KeyUsage(UsageDigitalSignature),
		ExtendedKeyUsage(UsageOCSPSigning),
		{Id: ExtensionOCSPNoCheck, Value: []byte{5, 0}},
	}
	if alter != nil {
		alter(t)
	}
	return a.Issue(t, key)
}

// OCSP answers for one authority, by GET and POST.
func (p *PKI) OCSP(a *Authority) http.Handler { return a.OCSP(OCSPSpec{}) }

// OCSP answers as the spec says.
func (a *Authority) OCSP(spec OCSPSpec) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := readOCSPRequest(r)
		if err != nil {
			writeOCSP(w, outerOCSP(OCSPMalformedRequest, nil))
			return
		}
		answer, err := a.OCSPResponse(spec, request)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		writeOCSP(w, answer)
	})
}

// ocspOfAll finds the authority that a request is about.
func (p *PKI) ocspOfAll() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := readOCSPRequest(r)
		if err != nil {
			writeOCSP(w, outerOCSP(OCSPMalformedRequest, nil))
			return
		}
		for _, authority := range p.Authorities() {
			if request.about(authority.Certificate) {
				answer, err := authority.OCSPResponse(OCSPSpec{}, request)
				if err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
					return
				}
				writeOCSP(w, answer)
				return
			}
		}
		writeOCSP(w, outerOCSP(OCSPUnauthorized, nil))
	})
}

func writeOCSP(w http.ResponseWriter, der []byte) {
	w.Header().Set("Content-Type", "application/ocsp-response")
	_, _ = w.Write(der) // a client that has gone needs no answer
}

// OCSPResponse makes the DER answer to a request.
func (a *Authority) OCSPResponse(spec OCSPSpec, request OCSPRequest) ([]byte, error) {
	if spec.Outer != OCSPSuccessful {
		return outerOCSP(spec.Outer, nil), nil
	}
	signer := a.Key
	responder := a.Certificate
	switch {
	case spec.Signer != nil:
		signer = spec.Signer
	case spec.Delegate != nil:
		signer, responder = spec.Delegate.Key, spec.Delegate.Certificate
	}
	algorithm, err := signatureAlgorithm(signer, spec.Digest)
	if err != nil {
		return nil, fmt.Errorf("OCSP of %s: %w", a.Short, err)
	}
	tbs := a.ocspData(spec, request, responder)
	basic, err := signed(tbs, algorithm, signer, spec.Digest, spec.CorruptSignature)
	if err != nil {
		return nil, fmt.Errorf("OCSP of %s: %w", a.Short, err)
	}
	if spec.Delegate != nil && !spec.WithoutDelegate {
		basic = withCertificate(basic, spec.Delegate.DER)
	}
	return outerOCSP(OCSPSuccessful, basic), nil
}

// withCertificate adds certs [0] to a BasicOCSPResponse.
func withCertificate(basic, certificate []byte) []byte {
	input := cryptobyte.String(basic)
	var inner cryptobyte.String
	input.ReadASN1(&inner, cbasn1.SEQUENCE)
	return sequence(func(b *cryptobyte.Builder) {
		b.AddBytes(inner)
		b.AddASN1(tagged(0).Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddBytes(certificate) })
		})
	})
}

func outerOCSP(status OCSPResponseStatus, basic []byte) []byte {
	return sequence(func(b *cryptobyte.Builder) {
		b.AddASN1Enum(int64(status))
		if basic == nil {
			return
		}
		b.AddASN1(tagged(0).Constructed(), func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(oidOCSPBasic)
				b.AddASN1OctetString(basic)
			})
		})
	})
}

// ocspData is ResponseData (RFC 6960 §4.2.1).
func (a *Authority) ocspData(spec OCSPSpec, request OCSPRequest, responder *x509.Certificate) []byte {
	extensions := spec.Extensions
	if nonce := spec.nonce(request); nonce != nil {
		extensions = append([]pkix.Extension{{Id: ExtensionOCSPNonce, Value: nonce}}, extensions...)
	}
	return sequence(func(b *cryptobyte.Builder) {
		if spec.ByKey {
			b.AddASN1(tagged(2).Constructed(), func(b *cryptobyte.Builder) { b.AddASN1OctetString(KeyID(responder.PublicKey)) })
		} else {
			b.AddASN1(tagged(1).Constructed(), func(b *cryptobyte.Builder) { b.AddBytes(responder.RawSubject) })
		}
		b.AddASN1GeneralizedTime(orTime(spec.ProducedAt, a.pki.now()).UTC())
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { a.addSingle(b, spec, request) })
		addExtensions(b, 1, extensions)
	})
}

func (s OCSPSpec) nonce(request OCSPRequest) []byte {
	switch {
	case s.WithoutNonce:
		return nil
	case s.Nonce != nil:
		return built(func(b *cryptobyte.Builder) { b.AddASN1OctetString(s.Nonce) })
	}
	return request.Nonce
}

func (a *Authority) addSingle(b *cryptobyte.Builder, spec OCSPSpec, request OCSPRequest) {
	thisUpdate := orTime(spec.ThisUpdate, a.pki.now()).UTC()
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(certIDFor(request, spec.Serial))
		a.addStatus(b, spec.Status, request.Serial)
		b.AddASN1GeneralizedTime(thisUpdate)
		if !spec.WithoutNext {
			b.AddASN1(tagged(0).Constructed(), func(b *cryptobyte.Builder) {
				b.AddASN1GeneralizedTime(orTime(spec.NextUpdate, thisUpdate.Add(24*time.Hour)).UTC())
			})
		}
		addExtensions(b, 1, spec.SingleExtensions)
	})
}

// certIDFor repeats the request's CertID, or one for another serial.
func certIDFor(request OCSPRequest, serial *big.Int) []byte {
	if serial == nil {
		return request.CertID
	}
	input := cryptobyte.String(request.CertID)
	var fields, algorithm, nameHash, keyHash cryptobyte.String
	input.ReadASN1(&fields, cbasn1.SEQUENCE)
	fields.ReadASN1Element(&algorithm, cbasn1.SEQUENCE)
	fields.ReadASN1Element(&nameHash, cbasn1.OCTET_STRING)
	fields.ReadASN1Element(&keyHash, cbasn1.OCTET_STRING)
	return sequence(func(b *cryptobyte.Builder) {
		b.AddBytes(algorithm)
		b.AddBytes(nameHash)
		b.AddBytes(keyHash)
		b.AddASN1BigInt(serial)
	})
}

func (a *Authority) addStatus(b *cryptobyte.Builder, status CertStatus, serial *big.Int) {
	entry, revoked := a.status(serial)
	switch status {
	case Revoked:
		if !revoked {
			entry = Entry{At: a.pki.now().Add(-time.Hour)}
		}
		revoked = true
	case Good:
		revoked = false
	case Unknown:
		b.AddASN1(tagged(2), func(*cryptobyte.Builder) {})
		return
	}
	if !revoked {
		b.AddASN1(tagged(0), func(*cryptobyte.Builder) {})
		return
	}
	b.AddASN1(tagged(1).Constructed(), func(b *cryptobyte.Builder) {
		b.AddASN1GeneralizedTime(entry.At.UTC())
		if entry.Reason != ReasonUnspecified {
			b.AddASN1(tagged(0).Constructed(), func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(entry.Reason)) })
		}
	})
}
