package ctap2

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"

	"github.com/fxamacker/cbor/v2"
)

// Errors of verification. It serves diagnosis on the workstation: what counts
// is the relying party's verdict.
var (
	ErrSignature     = errors.New("signature does not verify")
	ErrUnverifiable  = errors.New("signature of a kind not verified here")
	ErrNoAttestation = errors.New("the card attests nothing")
)

type coseKey struct {
	Kty int             `cbor:"1,keyasint"`
	Alg int             `cbor:"3,keyasint"`
	Crv cbor.RawMessage `cbor:"-1,keyasint"` // RSA: n
	X   []byte          `cbor:"-2,keyasint"` // RSA: e
	Y   []byte          `cbor:"-3,keyasint"`
}

// ParsePublicKey reads a COSE_Key of the algorithms that WebAuthn names
// (WebAuthn L3 §5.8.5): ES256, ES384, EdDSA, RS256.
func ParsePublicKey(cose []byte) (key crypto.PublicKey, alg int, err error) {
	var k coseKey
	if err := decoder.Unmarshal(cose, &k); err != nil {
		return nil, 0, fmt.Errorf("%w: public key: %w", ErrMalformed, err)
	}
	switch {
	case k.Kty == 2 && k.Alg == ES256:
		key, err = ecdsaKey(elliptic.P256(), k)
	case k.Kty == 2 && k.Alg == ES384:
		key, err = ecdsaKey(elliptic.P384(), k)
	case k.Kty == 1 && k.Alg == EdDSA && len(k.X) == ed25519.PublicKeySize:
		key = ed25519.PublicKey(k.X)
	case k.Kty == 3 && k.Alg == RS256:
		key, err = rsaKey(k)
	default:
		return nil, 0, fmt.Errorf("%w: key type %d, algorithm %d", ErrUnverifiable, k.Kty, k.Alg)
	}
	return key, k.Alg, err
}

func ecdsaKey(curve elliptic.Curve, k coseKey) (*ecdsa.PublicKey, error) {
	size := (curve.Params().BitSize + 7) / 8
	if len(k.X) != size || len(k.Y) != size {
		return nil, fmt.Errorf("%w: coordinates of %d and %d bytes", ErrMalformed, len(k.X), len(k.Y))
	}
	point := append(append([]byte{4}, k.X...), k.Y...)
	key, err := ecdsa.ParseUncompressedPublicKey(curve, point)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return key, nil
}

func rsaKey(k coseKey) (*rsa.PublicKey, error) {
	var n []byte
	if err := decoder.Unmarshal(k.Crv, &n); err != nil || len(n) < 128 || len(n) > 1024 || len(k.X) == 0 || len(k.X) > 4 {
		return nil, fmt.Errorf("%w: RSA key", ErrMalformed)
	}
	e := new(big.Int).SetBytes(k.X)
	return &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(e.Int64())}, nil
}

// verifySignature checks one signature over message.
func verifySignature(key crypto.PublicKey, alg int, message, signature []byte) error {
	good := false
	switch k := key.(type) {
	case *ecdsa.PublicKey:
		switch alg {
		case ES256:
			digest := sha256.Sum256(message)
			good = ecdsa.VerifyASN1(k, digest[:], signature)
		case ES384:
			digest := sha512.Sum384(message)
			good = ecdsa.VerifyASN1(k, digest[:], signature)
		default:
			return fmt.Errorf("%w: algorithm %d", ErrUnverifiable, alg)
		}
	case ed25519.PublicKey:
		good = alg == EdDSA && ed25519.Verify(k, message, signature)
	case *rsa.PublicKey:
		digest := sha256.Sum256(message)
		good = alg == RS256 && rsa.VerifyPKCS1v15(k, crypto.SHA256, digest[:], signature) == nil
	default:
		return fmt.Errorf("%w: %T", ErrUnverifiable, key)
	}
	if !good {
		return ErrSignature
	}
	return nil
}

// VerifyAssertion checks an assertion's signature by the credential's COSE_Key
// (WebAuthn L3 §7.2 step 21).
func VerifyAssertion(cose []byte, a Assertion, clientDataHash []byte) error {
	key, alg, err := ParsePublicKey(cose)
	if err != nil {
		return err
	}
	return verifySignature(key, alg, append(append([]byte(nil), a.AuthData...), clientDataHash...), a.Signature)
}

type packedStatement struct {
	Alg       int      `cbor:"alg"`
	Signature []byte   `cbor:"sig"`
	Chain     [][]byte `cbor:"x5c"`
}

// Verify checks a packed attestation's signature (WebAuthn L3 §8.2), by the
// first certificate of its chain or, in self attestation, by the credential's
// own key. It trusts no root and returns the chain as the card gave it.
func (a Attestation) Verify(clientDataHash []byte) ([]*x509.Certificate, error) {
	if a.Format == "none" {
		return nil, ErrNoAttestation
	}
	if a.Format != "packed" {
		return nil, fmt.Errorf("%w: attestation format %q", ErrUnverifiable, a.Format)
	}
	var statement packedStatement
	if err := decoder.Unmarshal(a.Statement, &statement); err != nil {
		return nil, fmt.Errorf("%w: attestation: %w", ErrMalformed, err)
	}
	message := append(append([]byte(nil), a.AuthData...), clientDataHash...)
	if len(statement.Chain) == 0 {
		return nil, a.verifySelf(statement, message)
	}
	var chain []*x509.Certificate
	for _, der := range statement.Chain {
		certificate, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, fmt.Errorf("%w: attestation certificate: %w", ErrMalformed, err)
		}
		chain = append(chain, certificate)
	}
	return chain, verifySignature(chain[0].PublicKey, statement.Alg, message, statement.Signature)
}

func (a Attestation) verifySelf(statement packedStatement, message []byte) error {
	data, err := a.Data()
	if err != nil {
		return err
	}
	key, alg, err := ParsePublicKey(data.PublicKey)
	if err != nil {
		return err
	}
	if alg != statement.Alg { // §8.2, self attestation
		return fmt.Errorf("%w: algorithm %d of a key for %d", ErrSignature, statement.Alg, alg)
	}
	return verifySignature(key, alg, message, statement.Signature)
}
