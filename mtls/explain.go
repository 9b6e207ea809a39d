package mtls

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// explainPath tells the steps of RFC 5280 §6.1 that a found path has passed.
// crypto/x509 took them; each is told with what it was taken on.
func (j *judgement) explainPath(p path) {
	if j.steps == nil {
		return
	}
	for i, c := range p {
		if i == len(p)-1 {
			j.holds("the path ends at an anchor", "RFC 5280 §6.1.1 (d)", "%s, SHA-256 %s", named{c}, Fingerprint(c))
			continue
		}
		above := p[i+1]
		j.holds("signed by the next of the path", "RFC 5280 §6.1.3 (a)(1), (4)", "%s, %s by the %s key of %s",
			named{c}, c.SignatureAlgorithm, DescribeKey(above.PublicKey), named{above})
		j.holds("within its validity", "RFC 5280 §6.1.3 (a)(2)", "%s: %s to %s", named{c}, c.NotBefore.UTC().Format(time.RFC3339), c.NotAfter.UTC().Format(time.RFC3339))
		j.holds("no critical extension unknown", "RFC 5280 §6.1.4 (o), §6.1.5 (f)", "%s", named{c})
		if i > 0 {
			j.holds("may sign certificates", "RFC 5280 §6.1.4 (k) to (n)", "%s: %s", named{c}, Claims{Certificate: c}.constraints())
		}
	}
	j.holds("keys and hashes are not weak", "policy on strength", "RSA of %d bits or ECDSA of P-256 at least, SHA-2", max(j.policy.Strength.MinRSABits, minRSABits))
	j.holds("name constraints are kept", clauseConstraints, "")
	j.holds("certificate policies hold", policyClause, "%s", saying(j.policy.Certificates.words))
}

func (p CertificatePolicies) words() string {
	list := func(oids []x509.OID) (words []string) {
		for _, oid := range oids {
			words = append(words, oid.String())
		}
		return words
	}
	switch {
	case len(p.Required) > 0:
		return fmt.Sprintf("required: %v", list(p.Required))
	case len(p.Acceptable) > 0:
		return fmt.Sprintf("acceptable: %v", list(p.Acceptable))
	}
	return "none required"
}

// explainList tells that a list may be used, and by whose word.
func (j *judgement) explainList(q question, l evidenceList) {
	if j.steps == nil {
		return
	}
	j.holds("a CRL that speaks of such certificates", clauseScope, "%s: %s", q, saying(func() string { return describe(l.complete) }))
	j.holds("the CRL is its issuer's", clauseSigner, "signed by the key of %s, which may sign CRLs", named{l.signer})
	j.holds("nothing in the CRL is unknown", clauseCritical, "%s", saying(func() string { return describe(l.complete) }))
	if l.delta != nil {
		j.holds("the delta CRL fits", "RFC 5280 §5.2.4, §6.3.3 (c), (h)", "%s upon base %s", saying(func() string { return describe(l.delta) }), l.delta.BaseNumber)
	}
	if !j.now.After(l.nextUpdate()) {
		j.holds("the CRL is fresh", clauseFresh, "until %s", l.nextUpdate().Format(time.RFC3339))
	}
}

// untrusted is the one border where crypto/x509's errors become ours: all of
// them say that no path leads to an anchor.
func untrusted(err error) *Refusal {
	r := refuse(UntrustedIssuer, clauseOf(err), err.Error())
	r.Err = err
	return r
}

// clauseOf names the clause behind an error of path validation; where
// crypto/x509 hides which candidate failed for what, the whole section.
func clauseOf(err error) string {
	var ours *pathError
	var critical x509.UnhandledCriticalExtension
	var invalid x509.CertificateInvalidError
	switch {
	case errors.As(err, &ours):
		return ours.clause
	case errors.As(err, &critical):
		return "RFC 5280 §6.1.4 (o), §6.1.5 (f)"
	case errors.As(err, &invalid):
		return clauseOfReason(invalid.Reason)
	}
	return "RFC 5280 §6.1"
}

func clauseOfReason(reason x509.InvalidReason) string {
	switch reason {
	case x509.NotAuthorizedToSign:
		return "RFC 5280 §6.1.4 (k)"
	case x509.Expired:
		return "RFC 5280 §6.1.3 (a)(2)"
	case x509.TooManyIntermediates:
		return "RFC 5280 §6.1.4 (l), (m)"
	case x509.NameMismatch:
		return "RFC 5280 §6.1.3 (a)(4)"
	case x509.CANotAuthorizedForThisName, x509.UnconstrainedName, x509.TooManyConstraints:
		return clauseConstraints
	case x509.IncompatibleUsage, x509.CANotAuthorizedForExtKeyUsage:
		return "RFC 5280 §4.2.1.12"
	case x509.NoValidChains:
		return policyClause
	}
	return "RFC 5280 §6.1"
}
