package mtls

import (
	"crypto/x509"
	"fmt"
	"time"
)

// Budget of path building, beside the limit of 100 signature checks that
// crypto/x509 keeps to.
const (
	maxPathLength = 10 // certificates, leaf and anchor among them
	maxPaths      = 16 // tried one after the other
)

// path is a verified certification path: the leaf first, the anchor last.
type path []*x509.Certificate

func (p path) anchor() *x509.Certificate { return p[len(p)-1] }

// paths builds every path from the certificate to an anchor (RFC 5280 §6.1),
// with certificates held locally only, that holds at the given time.
func (t *Trust) paths(c *x509.Certificate, at time.Time, p Policy, usage x509.ExtKeyUsage) ([]path, error) {
	chains, err := c.Verify(x509.VerifyOptions{
		Roots:         t.anchorPool,
		Intermediates: t.intermediatePool,
		CurrentTime:   at,
		KeyUsages:     []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return nil, err
	}
	var good []path
	var first error
	for _, chain := range chains[:min(len(chains), maxPaths)] {
		if err := p.checkPath(chain); err != nil {
			if first == nil {
				first = err
			}
			continue
		}
		good = append(good, chain)
	}
	if len(good) == 0 {
		return nil, first
	}
	return good, nil
}

// pathError is a path that crypto/x509 takes and we do not.
type pathError struct {
	clause string
	err    error
}

func (e *pathError) Error() string { return e.err.Error() }
func (e *pathError) Unwrap() error { return e.err }

func pathFault(clause, format string, args ...any) error {
	return &pathError{clause: clause, err: fmt.Errorf(format, args...)}
}

// checkPath adds to crypto/x509's checks what it leaves to its caller.
func (p Policy) checkPath(chain path) error {
	if len(chain) < 2 {
		return pathFault("RFC 5280 §6.1", "it is itself a trust anchor: nobody vouches for it")
	}
	if len(chain) > maxPathLength {
		return pathFault("RFC 5280 §6.1", "a path of %d certificates, at most %d are taken", len(chain), maxPathLength)
	}
	for i, c := range chain {
		if err := p.Strength.refuses(c, i == len(chain)-1); err != nil {
			return pathFault("strength of keys and signatures", "%s: %w", nameOf(c), err)
		}
	}
	if err := checkConstraints(chain); err != nil {
		return err
	}
	return p.Certificates.check(chain)
}

// outsideValidity refuses a certificate whose own time is not now. It says so
// only of a certificate that would have a path while it was valid: of one from
// elsewhere the issuer is what is wrong with it.
func (v *judgement) outsideValidity(c *x509.Certificate) *Refusal {
	const clause = "RFC 5280 §6.1.3 (a)(2)"
	reason, at, detail := Expired, c.NotAfter, "expired on "
	switch {
	case v.now.Before(c.NotBefore):
		reason, at, detail = NotYetValid, c.NotBefore, "valid from "
	case !v.now.After(c.NotAfter):
		return nil
	}
	if _, err := v.trust.paths(c, at, v.policy, v.usage()); err != nil {
		return untrusted(err)
	}
	return refuse(reason, clause, detail+at.UTC().Format(time.RFC3339))
}
