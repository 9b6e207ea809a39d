package softkey

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"math/big"
)

// The COSE algorithms (IANA COSE registry) that a Device can make keys of.
const (
	ES256 = -7
	EdDSA = -8
	ES384 = -35
	ES512 = -36
	PS256 = -37
	RS256 = -257
)

// newKey makes a key for a COSE algorithm.
func newKey(alg int) (crypto.Signer, error) {
	switch alg {
	case ES256:
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ES384:
		return ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case ES512:
		return ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	case EdDSA:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case PS256, RS256:
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, fmt.Errorf("softkey: no keys for COSE algorithm %d", alg)
}

// COSEKey writes a public key as COSE_Key (RFC 9053 §7, RFC 8230 §4) with the
// algorithm given, be it right or wrong.
func COSEKey(public crypto.PublicKey, alg int) Map {
	switch k := public.(type) {
	case *ecdsa.PublicKey:
		size := (k.Curve.Params().BitSize + 7) / 8
		curve := map[int]int{32: 1, 48: 2, 66: 3}[size]
		point, err := k.Bytes()
		if err != nil {
			panic(err)
		}
		return Map{1: 2, 3: alg, -1: curve, -2: point[1 : 1+size], -3: point[1+size:]}
	case ed25519.PublicKey:
		return Map{1: 1, 3: alg, -1: 6, -2: []byte(k)}
	case *rsa.PublicKey:
		return Map{1: 3, 3: alg, -1: k.N.Bytes(), -2: big.NewInt(int64(k.E)).Bytes()}
	}
	panic(fmt.Sprintf("softkey: no COSE key for %T", public))
}

// Sign signs message by a COSE algorithm, ECDSA in DER (WebAuthn L3 §6.5.5).
func Sign(key crypto.Signer, alg int, message []byte) ([]byte, error) {
	switch alg {
	case ES256, RS256:
		digest := sha256.Sum256(message)
		return key.Sign(rand.Reader, digest[:], crypto.SHA256)
	case ES384:
		digest := sha512.Sum384(message)
		return key.Sign(rand.Reader, digest[:], crypto.SHA384)
	case ES512:
		digest := sha512.Sum512(message)
		return key.Sign(rand.Reader, digest[:], crypto.SHA512)
	case PS256:
		digest := sha256.Sum256(message)
		return key.Sign(rand.Reader, digest[:], &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: crypto.SHA256})
	case EdDSA:
		return key.Sign(rand.Reader, message, crypto.Hash(0))
	}
	return nil, fmt.Errorf("softkey: no signatures of COSE algorithm %d", alg)
}

// algorithmOf is the COSE algorithm that fits an attestation key.
func algorithmOf(key crypto.Signer) (int, error) {
	switch k := key.Public().(type) {
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256():
			return ES256, nil
		case elliptic.P384():
			return ES384, nil
		case elliptic.P521():
			return ES512, nil
		}
	case ed25519.PublicKey:
		return EdDSA, nil
	case *rsa.PublicKey:
		return RS256, nil
	}
	return 0, errors.New("softkey: attestation key of an unknown kind")
}
