package testpki

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
)

func (p *PKI) newAttestationRoot() (serverRoot, error) {
	return p.newPlainRoot("attestation-root", Name{
		Single(AttributeCountry, "FR"),
		Single(AttributeOrganization, "cpsgate TEST"),
		Single(AttributeCommonName, "TEST authenticator attestation root"),
	})
}

// AttestationRoot is the root above the certificates of Attestation.
func (p *PKI) AttestationRoot() *x509.Certificate {
	root, err := p.fido()
	mustBe(err, "making the attestation root")
	return root.certificate
}

// Attestation is a packed attestation certificate (WebAuthn L3 §8.2.1): version
// 3, C, O, OU="Authenticator Attestation", CN, not a CA, and the AAGUID in
// id-fido-gen-ce-aaguid. alter may bend it; several are applied in turn.
func (p *PKI) Attestation(aaguid [16]byte, alter ...func(*Template)) (Pair, error) {
	root, err := p.fido()
	if err != nil {
		return Pair{}, err
	}
	key, now := p.keys.one("attestation"), p.now().UTC().Truncate(time.Second)
	t := &Template{
		Version: 2, Serial: new(big.Int).SetBytes(append([]byte{0x40}, digest(string(aaguid[:]), 0)[:15]...)),
		Issuer: root.name.DER(), NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(9, 0, 0),
		Subject: Name{
			Single(AttributeCountry, "FR"),
			Single(AttributeOrganization, "cpsgate TEST"),
			Single(AttributeUnit, "Authenticator Attestation"),
			Single(AttributeCommonName, "TEST authenticator"),
		},
		PublicKey: key.Public(), Signer: root.key,
		Extensions: []pkix.Extension{
			BasicConstraints(false, -1), subjectKeyID(KeyID(key.Public())), authorityKeyID(root.certificate.SubjectKeyId),
			AAGUID(aaguid),
		},
	}
	for _, change := range alter {
		change(t)
	}
	der, err := t.DER()
	if err != nil {
		return Pair{}, fmt.Errorf("attestation certificate: %w", err)
	}
	pair := Pair{DER: der, Key: key}
	if certificate, err := x509.ParseCertificate(der); err == nil {
		pair.Certificate = certificate
	}
	return pair, nil
}

// AAGUID is id-fido-gen-ce-aaguid: the 16 bytes in an OCTET STRING, never critical.
func AAGUID(aaguid [16]byte) pkix.Extension {
	return pkix.Extension{Id: ExtensionFIDOGenCEAAGUID, Value: built(func(b *cryptobyte.Builder) { b.AddASN1OctetString(aaguid[:]) })}
}
