package authenticator

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"time"
)

// oidAAGUID is id-fido-gen-ce-aaguid (WebAuthn §8.2.1).
var oidAAGUID = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 45724, 1, 1, 4}

// statement makes the attestation of a new credential: its format and its
// statement (WebAuthn §8.2 and §8.7).
func (e *Engine) statement(a Attestation, key *ecdsa.PrivateKey, data, clientDataHash []byte) (string, map[string]any, error) {
	switch e.options.Fault {
	case FaultNoStatement:
		return "none", map[string]any{}, nil
	case FaultSelf:
		a = Attestation{}
	}
	var signer crypto.Signer = key
	if len(a.Chain) > 0 {
		signer = a.Key
	}
	digest := sha256.New()
	digest.Write(data)
	digest.Write(clientDataHash)
	signature, err := signer.Sign(rand.Reader, digest.Sum(nil), crypto.SHA256)
	if err != nil {
		return "", nil, fmt.Errorf("signing the attestation: %w", err)
	}
	if e.options.Fault == FaultBadSignature {
		signature[len(signature)-1] ^= 1
	}
	packed := map[string]any{"alg": algES256, "sig": signature}
	if len(a.Chain) > 0 {
		packed["x5c"] = a.Chain
	}
	return "packed", packed, nil
}

// attestedAAGUID is what authenticator data calls the model.
func (e *Engine) attestedAAGUID() [16]byte {
	aaguid := e.options.AAGUID
	if e.options.Fault == FaultWrongAAGUID {
		aaguid[15] ^= 1
	}
	return aaguid
}

// strangerAttestation is a self-made certificate with every mark of a true one
// (WebAuthn §8.2.1) and no root that anybody trusts.
func strangerAttestation(aaguid [16]byte, now time.Time) (Attestation, error) {
	key, err := newKey()
	if err != nil {
		return Attestation{}, err
	}
	value, err := asn1.Marshal(aaguid[:])
	if err != nil {
		return Attestation{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		Subject: pkix.Name{
			Country: []string{"FR"}, Organization: []string{"cpsgate test"},
			OrganizationalUnit: []string{"Authenticator Attestation"}, CommonName: "TEST attestation of a stranger",
		},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(10, 0, 0),
		BasicConstraintsValid: true,
		ExtraExtensions:       []pkix.Extension{{Id: oidAAGUID, Value: value}},
	}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return Attestation{}, err
	}
	return Attestation{Key: key, Chain: [][]byte{certificate}}, nil
}
