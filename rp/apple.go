package rp

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
)

// idAppleNonce is the extension that holds the nonce (WebAuthn L3 §8.8).
var idAppleNonce = asn1.ObjectIdentifier{1, 2, 840, 113635, 100, 8, 2}

// verifyApple is WebAuthn L3 §8.8. The certificate is made for the credential
// and lives a few days; its validity is path validation's concern.
func verifyApple(m cborMap, a attested) (statement, error) {
	if err := m.only("x5c"); err != nil {
		return statement{}, err
	}
	path, err := readPath(m)
	if err != nil {
		return statement{}, err
	}
	var extension struct {
		Nonce []byte `asn1:"tag:1,explicit"`
	}
	raw, ok := extensionValue(path[0], idAppleNonce)
	if !ok {
		return statement{}, errors.New("attestation certificate: no nonce")
	}
	if err := unmarshalWhole(raw, &extension); err != nil {
		return statement{}, fmt.Errorf("attestation certificate: nonce: %w", err)
	}
	if nonce := sha256.Sum256(a.signed()); !bytes.Equal(extension.Nonce, nonce[:]) {
		return statement{}, errors.New("attestation certificate: made for another ceremony")
	}
	if !a.key.equals(path[0].PublicKey) {
		return statement{}, errors.New("attestation certificate: of another key than the credential's")
	}
	return statement{kind: typeAnonCA, path: path}, nil
}
