package rp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"
	"slices"
	"time"
)

// verifyU2F is WebAuthn L3 §8.6.
func verifyU2F(m cborMap, a attested, now time.Time) (statement, error) {
	if err := m.only("x5c", "sig"); err != nil {
		return statement{}, err
	}
	sig, err := m.bytes("sig")
	if err != nil {
		return statement{}, err
	}
	path, err := readPath(m)
	if err != nil {
		return statement{}, err
	}
	if len(path) != 1 {
		return statement{}, fmt.Errorf("x5c has %d certificates instead of one", len(path))
	}
	if certified, ok := path[0].PublicKey.(*ecdsa.PublicKey); !ok || certified.Curve != elliptic.P256() {
		return statement{}, errors.New("attestation certificate: not a P-256 key")
	}
	point, err := pointU2F(a.key)
	if err != nil {
		return statement{}, err
	}
	message := slices.Concat([]byte{0}, a.rpIDHash, a.clientDataHash[:], a.credentialID, point)
	if err := checkCertificateSignature(path[0], algES256, message, sig); err != nil {
		return statement{}, err
	}
	return statement{kind: typeBasic, path: path}, checkInForce(path, now)
}

// pointU2F is publicKeyU2F of §8.6: the uncompressed point.
func pointU2F(key coseKey) ([]byte, error) {
	public, ok := key.public.(*ecdsa.PublicKey)
	if !ok || key.alg != algES256 || public.Curve != elliptic.P256() {
		return nil, errors.New("credential public key: not ES256")
	}
	return public.Bytes()
}
