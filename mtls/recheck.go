package mtls

import (
	"crypto/x509"
	"fmt"
	"math/big"
	"time"

	"cpsgate/identity"
)

// Recheck judges a certificate that was verified once and is remembered by
// issuer and serial: is it still within its validity, its issuer still
// trusted, neither of them revoked? The error is a *Refusal.
func (v *Verifier) Recheck(stored identity.Certificate, now time.Time) error {
	j := v.begin(now, nil)
	r := j.stored(stored)
	if r == nil {
		return nil
	}
	r.NotBefore, r.NotAfter = stored.NotBefore, stored.NotAfter
	r.Claimed = &identity.Cardholder{Certificate: stored}
	return r
}

func (j *judgement) stored(c identity.Certificate) *Refusal {
	serial, ok := ParseSerial(c.Serial)
	switch {
	case !ok:
		return refuse(Malformed, "", fmt.Sprintf("serial %q of the stored certificate", c.Serial))
	case j.now.Before(c.NotBefore):
		return refuse(NotYetValid, "RFC 5280 §6.1.3 (a)(2)", "valid from "+c.NotBefore.UTC().Format(time.RFC3339))
	case j.now.After(c.NotAfter):
		return refuse(Expired, "RFC 5280 §6.1.3 (a)(2)", "expired on "+c.NotAfter.UTC().Format(time.RFC3339))
	}
	worst := refuse(UntrustedIssuer, "RFC 5280 §6.1", "its issuer "+c.Issuer+" is not held any more")
	for _, issuer := range j.trust.issuersByKey(c.IssuerKey) {
		r := j.storedUnder(issuer, serial)
		if r == nil || r.Reason == Revoked {
			return r
		}
		worst = r
	}
	return worst
}

// storedUnder judges a remembered serial under one of the certificates that
// its issuer's name has here.
func (j *judgement) storedUnder(issuer *x509.Certificate, serial *big.Int) *Refusal {
	if j.policy.Profile == ProfileCPS {
		if r := checkIssuer(issuer, j.policy); r != nil {
			return r
		}
	}
	above, err := j.authorityPaths(issuer)
	if err != nil {
		return untrusted(err)
	}
	var worst *Refusal
	for _, p := range above {
		r := j.status(question{serial: serial, issuer: issuer, path: p})
		if r == nil {
			r = j.authorities(p)
		}
		if r == nil || r.Reason == Revoked {
			return r
		}
		worst = r
	}
	return worst
}

// authorityPaths is the paths from an authority to an anchor, the authority
// first; an anchor is its own path.
func (j *judgement) authorityPaths(authority *x509.Certificate) ([]path, error) {
	if j.trust.isAnchor(authority) {
		if err := validAt(authority, j.now); err != nil {
			return nil, err
		}
		return []path{{authority}}, nil
	}
	return j.trust.paths(authority, j.now, j.policy, x509.ExtKeyUsageAny)
}

func validAt(c *x509.Certificate, now time.Time) error {
	if now.Before(c.NotBefore) || now.After(c.NotAfter) {
		return pathFault("RFC 5280 §6.1.3 (a)(2)", "%s is not within its validity", nameOf(c))
	}
	return nil
}
