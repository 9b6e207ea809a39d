package rp

import (
	"crypto/x509"
	"errors"
	"fmt"
	"time"
)

// verifyPacked is WebAuthn L3 §8.2.
func verifyPacked(m cborMap, a attested, now time.Time) (statement, error) {
	if err := m.only("alg", "sig", "x5c"); err != nil {
		return statement{}, err
	}
	alg, err := m.integer("alg")
	if err != nil {
		return statement{}, err
	}
	sig, err := m.bytes("sig")
	if err != nil {
		return statement{}, err
	}
	if _, certified := m["x5c"]; !certified {
		return verifySelf(alg, sig, a)
	}
	path, err := readPath(m)
	if err != nil {
		return statement{}, err
	}
	if err := checkCertificateSignature(path[0], alg, a.signed(), sig); err != nil {
		return statement{}, err
	}
	if err := errors.Join(checkPackedCertificate(path[0]), checkCertificateAAGUID(path[0], a.aaguid), checkInForce(path, now)); err != nil {
		return statement{}, err
	}
	return statement{kind: typeBasic, path: path}, nil
}

// verifySelf is §8.2, "If x5c is not present".
func verifySelf(alg int64, sig []byte, a attested) (statement, error) {
	if alg != int64(a.key.alg) {
		return statement{}, fmt.Errorf("alg %d is not the credential's, %d", alg, a.key.alg)
	}
	if err := verifySignature(a.publicKey, a.signed(), sig); err != nil {
		return statement{}, err
	}
	return statement{kind: typeSelf}, nil
}

// checkPackedCertificate is WebAuthn L3 §8.2.1.
func checkPackedCertificate(c *x509.Certificate) error {
	s := c.Subject
	switch {
	case c.Version != 3:
		return fmt.Errorf("attestation certificate: version %d", c.Version)
	case len(s.Country) != 1 || !isCountryCode(s.Country[0]):
		return errors.New("attestation certificate: Subject-C is no country code")
	case len(s.Organization) != 1 || s.Organization[0] == "":
		return errors.New("attestation certificate: Subject-O is missing")
	case len(s.OrganizationalUnit) != 1 || s.OrganizationalUnit[0] != "Authenticator Attestation":
		return errors.New("attestation certificate: Subject-OU is not Authenticator Attestation")
	case s.CommonName == "":
		return errors.New("attestation certificate: Subject-CN is missing")
	case c.IsCA:
		return errors.New("attestation certificate: basic constraints say CA")
	}
	return nil
}

// isCountryCode: the form of ISO 3166-1 alpha-2.
func isCountryCode(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}
