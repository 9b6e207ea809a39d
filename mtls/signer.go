package mtls

import (
	"crypto/x509"
	"errors"
	"fmt"
)

// maxCRLSigners bounds, for one judgement, the certificates other than the
// issuer's own that are tried as a CRL's signer: each costs a path.
const maxCRLSigners = 16

var errCRLSigners = fmt.Errorf("more than %d possible signers were tried", maxCRLSigners)

// signer finds whose key signed the list (RFC 5280 §6.3.3 (f), (g)): the
// issuer of the certificate in question, by the very certificate of its path,
// or another certificate of the same name whose own path ends at the same
// anchor and is not revoked. The same name alone proves nothing.
func (j *judgement) signer(c *CRL, q question) (*x509.Certificate, error) {
	first := j.signatures.check(c, q.issuer)
	if first == nil {
		return q.issuer, nil
	}
	for _, candidate := range j.trust.bySubject[string(c.Issuer)] {
		if candidate.Equal(q.issuer) || j.signatures.check(c, candidate) != nil {
			continue
		}
		if err := j.mayReplace(candidate, q); err != nil {
			return nil, fmt.Errorf("signed by another key of its issuer: %w", err)
		}
		return candidate, nil
	}
	return nil, first
}

// mayReplace validates the path of a CRL signer that is not the issuer itself.
func (j *judgement) mayReplace(candidate *x509.Certificate, q question) error {
	if j.crlWork++; j.crlWork > maxCRLSigners {
		return errCRLSigners
	}
	for _, busy := range j.signers {
		if busy.Equal(candidate) {
			return errors.New("its revocation would be told by itself")
		}
	}
	j.signers = append(j.signers, candidate)
	defer func() { j.signers = j.signers[:len(j.signers)-1] }()

	paths, err := j.authorityPaths(candidate)
	if err != nil {
		return err
	}
	err = errors.New("its path ends at another anchor")
	for _, p := range paths {
		if !p.anchor().Equal(q.path.anchor()) {
			continue
		}
		r := j.authorities(p)
		if r == nil {
			return nil
		}
		err = r
	}
	return err
}
