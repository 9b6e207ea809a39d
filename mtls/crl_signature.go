package mtls

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	_ "crypto/sha256"
	_ "crypto/sha512"
	"crypto/x509"
	"encoding/asn1"

	"golang.org/x/crypto/cryptobyte"
)

type signatureScheme int

const (
	schemePKCS1 signatureScheme = iota
	schemePSS
	schemeECDSA
)

type signatureAlgorithm struct {
	scheme signatureScheme
	hash   crypto.Hash
}

var (
	oidSHA1    = asn1.ObjectIdentifier{1, 3, 14, 3, 2, 26}
	oidSHA256  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 1}
	oidSHA384  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 2}
	oidSHA512  = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 2, 3}
	oidMGF1    = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 8}
	oidRSAPSS  = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 10}
	derNull    = []byte{5, 0}
	algorithms = []struct {
		oid asn1.ObjectIdentifier
		signatureAlgorithm
	}{
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, signatureAlgorithm{schemePKCS1, crypto.SHA256}},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 12}, signatureAlgorithm{schemePKCS1, crypto.SHA384}},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 13}, signatureAlgorithm{schemePKCS1, crypto.SHA512}},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}, signatureAlgorithm{schemePKCS1, crypto.SHA1}},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}, signatureAlgorithm{schemeECDSA, crypto.SHA256}},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 3}, signatureAlgorithm{schemeECDSA, crypto.SHA384}},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 4}, signatureAlgorithm{schemeECDSA, crypto.SHA512}},
		{asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 1}, signatureAlgorithm{schemeECDSA, crypto.SHA1}},
	}
)

// parseSignatureAlgorithm reads an AlgorithmIdentifier, parameters included
// (RFC 4055 §5 for RSA, RFC 5758 §3.2 for ECDSA).
func parseSignatureAlgorithm(der []byte) (signatureAlgorithm, error) {
	content, ok := onlySequence(der)
	var oid asn1.ObjectIdentifier
	if !ok || !content.ReadASN1ObjectIdentifier(&oid) {
		return signatureAlgorithm{}, crlFault(CRLMalformed, 0, "signature algorithm")
	}
	found, ok := algorithmOf(oid, content)
	switch {
	case !ok:
		return signatureAlgorithm{}, crlFault(CRLAlgorithm, 0, "%s", oid)
	case found.hash == crypto.SHA1:
		return signatureAlgorithm{}, crlFault(CRLWeakHash, 0, "SHA-1")
	}
	return found, nil
}

func algorithmOf(oid asn1.ObjectIdentifier, parameters []byte) (signatureAlgorithm, bool) {
	if oid.Equal(oidRSAPSS) {
		return pssAlgorithm(parameters)
	}
	for _, a := range algorithms {
		if !oid.Equal(a.oid) {
			continue
		}
		if a.scheme == schemeECDSA {
			return a.signatureAlgorithm, len(parameters) == 0
		}
		return a.signatureAlgorithm, bytes.Equal(parameters, derNull)
	}
	return signatureAlgorithm{}, false
}

// pssAlgorithm reads RSASSA-PSS-params (RFC 4055 §3.1) and takes what
// certificates use: one hash for message and mask, a salt of its length.
func pssAlgorithm(parameters []byte) (a signatureAlgorithm, ok bool) {
	content, ok := onlySequence(parameters)
	var message, mask, salt, trailer cryptobyte.String
	var present bool
	if !ok || !content.ReadASN1(&message, contextTag(0).Constructed()) || !content.ReadASN1(&mask, contextTag(1).Constructed()) ||
		!content.ReadASN1(&salt, contextTag(2).Constructed()) || !content.ReadOptionalASN1(&trailer, &present, contextTag(3).Constructed()) || !content.Empty() {
		return a, false
	}
	a.scheme = schemePSS
	a.hash, ok = hashAlgorithm(message)
	mgf, isSequence := onlySequence(mask)
	var oid asn1.ObjectIdentifier
	if !ok || !isSequence || !mgf.ReadASN1ObjectIdentifier(&oid) || !oid.Equal(oidMGF1) {
		return a, false
	}
	maskHash, ok := hashAlgorithm(mgf)
	var length, field int
	ok = ok && maskHash == a.hash && salt.ReadASN1Integer(&length) && salt.Empty() && length == a.hash.Size()
	if present {
		ok = ok && trailer.ReadASN1Integer(&field) && trailer.Empty() && field == 1
	}
	return a, ok
}

func hashAlgorithm(der []byte) (crypto.Hash, bool) {
	content, ok := onlySequence(der)
	var oid asn1.ObjectIdentifier
	if !ok || !content.ReadASN1ObjectIdentifier(&oid) || len(content) > 0 && !bytes.Equal(content, derNull) {
		return 0, false
	}
	switch {
	case oid.Equal(oidSHA256):
		return crypto.SHA256, true
	case oid.Equal(oidSHA384):
		return crypto.SHA384, true
	case oid.Equal(oidSHA512):
		return crypto.SHA512, true
	case oid.Equal(oidSHA1):
		return crypto.SHA1, true
	}
	return 0, false
}

// CheckSignature verifies the CRL's signature by issuer's key, and that issuer
// may sign CRLs at all (RFC 5280 §6.3.3 (f) and (g)). It compares no names and
// does not ask whether issuer is to be trusted: both are the caller's. Every
// refusal is a *CRLError.
func (c *CRL) CheckSignature(issuer *x509.Certificate) error {
	if issuer.KeyUsage != 0 && issuer.KeyUsage&x509.KeyUsageCRLSign == 0 {
		return crlFault(CRLSignerNotAllowed, 0, "%s", issuer.Subject)
	}
	if err := (Strength{}).key(issuer.PublicKey); err != nil {
		return &CRLError{Fault: CRLWeakKey, Err: err}
	}
	switch key := issuer.PublicKey.(type) {
	case *rsa.PublicKey:
		return c.checkRSA(key)
	case *ecdsa.PublicKey:
		return c.checkECDSA(key)
	}
	return crlFault(CRLAlgorithm, 0, "key of type %T", issuer.PublicKey)
}

func (c *CRL) checkRSA(key *rsa.PublicKey) error {
	var err error
	switch c.algorithm.scheme {
	case schemePKCS1:
		err = rsa.VerifyPKCS1v15(key, c.algorithm.hash, c.digest, c.signature)
	case schemePSS:
		err = rsa.VerifyPSS(key, c.algorithm.hash, c.digest, c.signature, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
	default:
		return crlFault(CRLSignature, 0, "the key is RSA, the signature is not")
	}
	if err != nil {
		return &CRLError{Fault: CRLSignature, Err: err}
	}
	return nil
}

func (c *CRL) checkECDSA(key *ecdsa.PublicKey) error {
	if c.algorithm.scheme != schemeECDSA {
		return crlFault(CRLSignature, 0, "the key is ECDSA, the signature is not")
	}
	if !ecdsa.VerifyASN1(key, c.digest, c.signature) {
		return crlFault(CRLSignature, 0, "")
	}
	return nil
}
