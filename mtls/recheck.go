package mtls

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"math/big"
	"slices"
	"time"

	"cpsgate/identity"
)

// Recheck judges a certificate that was verified once and is remembered by
// issuer, its key and serial: is it still within its validity, its issuer still
// trusted, neither of them revoked? The error is a *Refusal.
func (v *Verifier) Recheck(stored identity.Certificate, now time.Time) error {
	if r := v.JudgeStored(stored, now).Refusal; r != nil {
		return r
	}
	return nil
}

// JudgeStored is Recheck for those who log which leniencies were used. The
// holder of its verdict is the certificate and no more.
func (v *Verifier) JudgeStored(stored identity.Certificate, now time.Time) Verdict {
	j := v.begin(now, nil)
	holder := identity.Cardholder{Certificate: stored}
	if r := j.stored(stored); r != nil {
		r.NotBefore, r.NotAfter = stored.NotBefore, stored.NotAfter
		r.Claimed = &holder
		return Verdict{Refusal: r}
	}
	return Verdict{Holder: holder, Allowed: j.allowed}
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
	issuers := j.trust.issuersByKey(c.IssuerKey)
	if len(issuers) == 0 {
		return refuse(UntrustedIssuer, "RFC 5280 §6.1", "its issuer "+c.Issuer+" is not held any more")
	}
	if c.SignerKey == "" {
		return j.storedUnderName(issuers, serial)
	}
	signers := slices.DeleteFunc(slices.Clone(issuers), func(i *x509.Certificate) bool { return keyHash(i) != c.SignerKey })
	if len(signers) == 0 {
		return refuse(UntrustedIssuer, "RFC 5280 §6.1", "the key of "+c.Issuer+" that signed it is not held any more")
	}
	return j.storedUnderKey(signers, serial)
}

// storedUnderName judges a remembered serial under all authorities of its
// issuer's name, of whose keys it is not known which signed it: a list of any
// of them that holds the serial revokes it, for a name gives a serial once (RFC
// 5280 §4.1.2.2), also when the key has no path any more; and it is good only if
// all is well under each key that has a path to an anchor. Whether an authority's own revocation reaches it is then
// for nobody to say unless it befell them all.
func (j *judgement) storedUnderName(issuers []*x509.Certificate, serial *big.Int) *Refusal {
	var pathless, revoked, doubt *Refusal
	vouched := false
	for _, same := range byPublicKey(issuers) {
		r := j.storedUnderKey(same, serial)
		if r != nil && r.Reason == UntrustedIssuer {
			if listed := j.listedBy(same[0], serial); listed != nil {
				return listed
			}
		}
		switch {
		case r == nil:
			vouched = true
		case r.leafRevoked():
			return r
		case r.Reason == Revoked:
			revoked = r
		case r.Reason == UntrustedIssuer:
			pathless = r
		default:
			doubt = r
		}
	}
	switch {
	case doubt != nil:
		return doubt
	case revoked != nil && vouched:
		return refuse(RevocationUnavailable, clauseRevocation, "which of the keys of "+nameOf(issuers[0])+" signed it is not known, and "+revoked.Detail)
	case revoked != nil:
		return revoked
	case vouched:
		return nil
	}
	return pathless
}

// listedBy looks for the serial in the lists that a key signed which has no path
// to an anchor. They revoke, and vouch for nobody.
func (j *judgement) listedBy(issuer *x509.Certificate, serial *big.Int) *Refusal {
	if j.policy.RevocationFor(issuer.RawSubject).Mode == RevocationOff {
		return nil
	}
	q := question{serial: serial, issuer: issuer, path: path{issuer}, remembered: true}
	lists, _ := j.lists(q)
	for _, list := range lists {
		if entry, found := list.find(serial); found && q.own(list) {
			return revokedBy(q, entry, list)
		}
	}
	return nil
}

// byPublicKey puts the certificates of one key together, in order.
func byPublicKey(certificates []*x509.Certificate) [][]*x509.Certificate {
	var groups [][]*x509.Certificate
	for _, c := range certificates {
		i := slices.IndexFunc(groups, func(g []*x509.Certificate) bool {
			return bytes.Equal(g[0].RawSubjectPublicKeyInfo, c.RawSubjectPublicKeyInfo)
		})
		if i < 0 {
			groups = append(groups, nil)
			i = len(groups) - 1
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}

// storedUnderKey judges it under the certificates of one key, of which one must
// do, as when the certificate itself is shown: an authority renewed with its key
// outlives its superseded certificate. A listed serial is that of the key, and
// revoked whichever certificate does.
func (j *judgement) storedUnderKey(issuers []*x509.Certificate, serial *big.Int) *Refusal {
	var worst *Refusal
	good := false
	for _, issuer := range issuers {
		before := len(j.allowed)
		r := j.storedUnder(issuer, serial)
		switch {
		case r == nil:
			good = true
			continue
		case r.leafRevoked():
			return r
		}
		j.allowed = j.allowed[:before]
		worst = graver(worst, r)
	}
	if good {
		return nil
	}
	return worst
}

// graver is which of two refusals says more: revoked, then anything that a path
// was found for.
func graver(a, b *Refusal) *Refusal {
	if a == nil || a.Reason == UntrustedIssuer || b.Reason == Revoked && a.Reason != Revoked {
		return b
	}
	return a
}

// leafRevoked: the certificate itself is, and not an authority of its path.
func (r *Refusal) leafRevoked() bool { return r.Reason == Revoked && r.authority == nil }

// storedUnder judges it under one certificate, by the best of its paths.
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
	before := len(j.allowed)
	for _, p := range above {
		j.allowed = j.allowed[:before]
		r := j.status(question{serial: serial, issuer: issuer, path: p, remembered: true})
		if r == nil {
			r = j.authorities(p)
		}
		if r == nil || r.leafRevoked() {
			return r
		}
		worst = graver(worst, r)
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
