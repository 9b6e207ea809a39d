package rp

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
	"time"
)

// idFIDOGenCEAAGUID is id-fido-gen-ce-aaguid, WebAuthn L3 §8.2.1.
var idFIDOGenCEAAGUID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}

// checkCertificateAAGUID: when the certificate names a model, it is the one
// claimed (WebAuthn L3 §8.2, §8.2.1).
func checkCertificateAAGUID(c *x509.Certificate, aaguid [16]byte) error {
	for _, e := range c.Extensions {
		if !e.Id.Equal(idFIDOGenCEAAGUID) {
			continue
		}
		if e.Critical {
			return errors.New("attestation certificate: the AAGUID extension is critical")
		}
		var certified []byte
		if err := unmarshalWhole(e.Value, &certified); err != nil {
			return fmt.Errorf("attestation certificate: the AAGUID extension is no OCTET STRING: %w", err)
		}
		if !slices.Equal(certified, aaguid[:]) {
			return errors.New("attestation certificate: issued for another AAGUID")
		}
	}
	return nil
}

// checkAIKCertificate is WebAuthn L3 §8.3.1.
func checkAIKCertificate(c *x509.Certificate) error {
	switch {
	case c.Version != 3:
		return fmt.Errorf("version %d", c.Version)
	case !emptySubject(c):
		return errors.New("the subject is not empty")
	case !slices.ContainsFunc(c.UnknownExtKeyUsage, idAIKCertificate.Equal):
		return errors.New("extended key usage is not tcg-kp-AIKCertificate")
	case !c.BasicConstraintsValid || c.IsCA:
		return errors.New("basic constraints do not say that it is no CA")
	}
	return checkTPMName(c)
}

// checkTPMName: the subject alternative name describes a TPM, by manufacturer,
// model and version (TPM 2.0 EK profile §3.2.9).
func checkTPMName(c *x509.Certificate) error {
	raw, ok := extensionValue(c, idSubjectAltName)
	if !ok {
		return errors.New("no subject alternative name")
	}
	var names []asn1.RawValue
	if err := unmarshalWhole(raw, &names); err != nil {
		return fmt.Errorf("subject alternative name: %w", err)
	}
	described := make(map[string]bool)
	for _, name := range names {
		if name.Class != asn1.ClassContextSpecific || name.Tag != tagDirectoryName {
			continue
		}
		var rdns pkix.RDNSequence
		if err := unmarshalWhole(name.Bytes, &rdns); err != nil {
			return fmt.Errorf("subject alternative name: %w", err)
		}
		for _, rdn := range rdns {
			for _, attribute := range rdn {
				value, ok := attribute.Value.(string)
				described[attribute.Type.String()] = ok && value != ""
			}
		}
	}
	for _, id := range idsTPMDescriptions {
		if !described[id.String()] {
			return fmt.Errorf("subject alternative name: no attribute %s", id)
		}
	}
	return nil
}

// tagDirectoryName: GeneralName ::= CHOICE { … directoryName [4] … }, RFC 5280 §4.2.1.6.
const tagDirectoryName = 4

// emptySubject: a Name without any RDN.
func emptySubject(c *x509.Certificate) bool {
	var names pkix.RDNSequence
	return unmarshalWhole(c.RawSubject, &names) == nil && len(names) == 0
}

func extensionValue(c *x509.Certificate, id asn1.ObjectIdentifier) ([]byte, bool) {
	for _, e := range c.Extensions {
		if e.Id.Equal(id) {
			return e.Value, true
		}
	}
	return nil, false
}

// withoutUnhandled is c with a critical extension that crypto/x509 does not
// know and we have checked, so that its path can be built.
func withoutUnhandled(c *x509.Certificate, id asn1.ObjectIdentifier) *x509.Certificate {
	handled := *c
	handled.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(c.UnhandledCriticalExtensions), id.Equal)
	return &handled
}

// maxPath bounds the work of path validation; real paths hold one to four.
const maxPath = 8

// readPath parses x5c, leaf first.
func readPath(m cborMap) ([]*x509.Certificate, error) {
	elements, err := m.array("x5c")
	if err != nil {
		return nil, err
	}
	if len(elements) == 0 || len(elements) > maxPath {
		return nil, fmt.Errorf("x5c has %d certificates", len(elements))
	}
	path := make([]*x509.Certificate, len(elements))
	for i, element := range elements {
		der, err := cborMap{"certificate": element}.bytes("certificate")
		if err != nil {
			return nil, fmt.Errorf("x5c[%d]: %w", i, err)
		}
		if path[i], err = x509.ParseCertificate(der); err != nil {
			return nil, fmt.Errorf("x5c[%d]: %w", i, err)
		}
	}
	return path, nil
}

// checkInForce refuses a path with a certificate out of its validity: §8 leaves
// that to path validation, which mode "record" does not run.
func checkInForce(path []*x509.Certificate, now time.Time) error {
	for i, c := range path {
		if now.Before(c.NotBefore) || now.After(c.NotAfter) {
			return fmt.Errorf("x5c[%d] is valid from %s to %s only", i,
				c.NotBefore.Format(time.DateOnly), c.NotAfter.Format(time.DateOnly))
		}
	}
	return nil
}

// checkCertificateSignature verifies sig by the certificate's key with a COSE
// algorithm.
func checkCertificateSignature(c *x509.Certificate, alg int64, message, sig []byte) error {
	algorithm, ok := certificateAlgorithm(alg)
	if !ok {
		return fmt.Errorf("unsupported COSE algorithm %d", alg)
	}
	if err := c.CheckSignature(algorithm, message, sig); err != nil {
		return fmt.Errorf("attestation signature: %w", err)
	}
	return nil
}

func unmarshalWhole(der []byte, v any) error { return unmarshalWith(der, v, "") }

// unmarshalWith is asn1.UnmarshalWithParams that leaves nothing over.
func unmarshalWith(der []byte, v any, params string) error {
	rest, err := asn1.UnmarshalWithParams(der, v, params)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return errors.New("bytes after a value")
	}
	return nil
}
