package pkcs11

import (
	"crypto/x509"
	"time"
)

// The pure parts, for tests.
var (
	Printable        = printable
	ReadUPN          = upn
	DigestInfo       = digestInfo
	Mechanisms       = mechanisms
	DefaultModulesOf = defaultModules
	Allow            = Choice.allow
	Choose           = choose
)

// Candidate is a certificate of the right profile, on its token.
type Candidate = candidate

// NewCandidate makes one.
func NewCandidate(token Token, tokenID string, certificate *x509.Certificate) Candidate {
	return candidate{token, Certificate{Certificate: certificate}, Profile{TokenID: tokenID}}
}

// NotBefore tells candidates apart.
func (c Candidate) NotBefore() time.Time { return c.certificate.Certificate.NotBefore }
