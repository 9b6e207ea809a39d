package mtls

import (
	"crypto/x509"
	"time"

	"cpsgate/identity"
)

// Reason is why a certificate was refused: what a person is told turns on it.
type Reason string

// The reasons. Their texts are stable: pages, audit and command line use them.
const (
	NoCertificate           Reason = "no-certificate"
	UntrustedIssuer         Reason = "untrusted-issuer"
	Expired                 Reason = "expired"
	NotYetValid             Reason = "not-yet-valid"
	SignatureCertificate    Reason = "signature-certificate"
	NotACard                Reason = "not-a-card"
	TestCardInProduction    Reason = "test-card-in-production"
	OrganisationCertificate Reason = "organisation-certificate"
	NonNominative           Reason = "non-nominative"
	ContactlessTechnical    Reason = "contactless-technical"
	Revoked                 Reason = "revoked"
	RevocationUnavailable   Reason = "revocation-unavailable"
	Malformed               Reason = "malformed"
)

// Reasons lists every reason, for those who must have words for each.
func Reasons() []Reason {
	return []Reason{
		NoCertificate, UntrustedIssuer, Expired, NotYetValid, SignatureCertificate, NotACard,
		TestCardInProduction, OrganisationCertificate, NonNominative, ContactlessTechnical,
		Revoked, RevocationUnavailable, Malformed,
	}
}

// Refusal is the verdict on a certificate that does not open the door.
type Refusal struct {
	Reason Reason
	// Detail is one line for operators, in English.
	Detail string
	// Clause names what demands the check that failed: "RFC 5280 §6.3.3".
	Clause string
	// NotBefore and NotAfter are the certificate's own validity, as it claims
	// it; zero when it could not be read.
	NotBefore, NotAfter time.Time
	// Claimed is what the refused certificate says of itself, kept for the
	// audit. Nobody vouches for it: it is never an identity. Nil when the
	// certificate could not be read.
	Claimed *identity.Cardholder
	// ClaimedSubject is the whole subject in the form of RFC 4514, as unverified.
	ClaimedSubject string
	// Err is what lies behind, if anything does.
	Err error

	authority *x509.Certificate // Revoked: the one of the path that is; nil: the certificate itself
}

func (r *Refusal) Error() string {
	if r.Detail == "" {
		return string(r.Reason)
	}
	return string(r.Reason) + ": " + r.Detail
}

func (r *Refusal) Unwrap() error { return r.Err }

// refuse makes a refusal; Verify adds the validity and what is claimed.
func refuse(reason Reason, clause, detail string) *Refusal {
	return &Refusal{Reason: reason, Clause: clause, Detail: detail}
}
