package rp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	_ "crypto/sha256" // for tpmHashes
	_ "crypto/sha512" // for tpmHashes
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
)

// The structures of TPM 2.0 Library Part 2 that an attestation holds, read to
// their last byte.

// Constants of Part 2 §6.3 (TPM_ALG_ID), §6.4 (TPM_ECC_CURVE), §6.2 and §6.9.
const (
	tpmAlgRSA   = 0x0001
	tpmAlgNull  = 0x0010
	tpmAlgRSAES = 0x0015
	tpmAlgECDAA = 0x001A
	tpmAlgECC   = 0x0023

	tpmGenerated     = 0xFF544347 // TPM_GENERATED_VALUE
	tpmAttestCertify = 0x8017     // TPM_ST_ATTEST_CERTIFY

	tpmDefaultExponent = 65537 // what an exponent of 0 means, §12.2.3.5
)

// tpmHashes are the hash algorithms of §6.3 that a Name may be made with.
var tpmHashes = map[uint16]crypto.Hash{0x000B: crypto.SHA256, 0x000C: crypto.SHA384, 0x000D: crypto.SHA512}

var tpmCurves = map[uint16]elliptic.Curve{0x0003: elliptic.P256(), 0x0004: elliptic.P384(), 0x0005: elliptic.P521()}

var errTPMStructure = errors.New("not the structure expected")

// tpmPublic is TPMT_PUBLIC, §12.2.4, as far as it identifies a key.
type tpmPublic struct {
	nameAlgorithm uint16
	exponent      uint32 // RSA
	modulus       []byte
	curve         elliptic.Curve // ECC
	x, y          []byte
}

func readTPMPublic(raw []byte) (p tpmPublic, err error) {
	s := cryptobyte.String(raw)
	var (
		kind       uint16
		attributes uint32
		policy     cryptobyte.String
	)
	if !s.ReadUint16(&kind) || !s.ReadUint16(&p.nameAlgorithm) || !s.ReadUint32(&attributes) || !s.ReadUint16LengthPrefixed(&policy) {
		return p, errTPMStructure
	}
	if !skipSymmetric(&s) || !skipScheme(&s) {
		return p, errTPMStructure
	}
	switch kind {
	case tpmAlgRSA:
		err = p.readRSA(&s)
	case tpmAlgECC:
		err = p.readECC(&s)
	default:
		err = fmt.Errorf("key type %#x", kind)
	}
	if err == nil && !s.Empty() {
		err = errTPMStructure
	}
	return p, err
}

// skipSymmetric passes over TPMT_SYM_DEF_OBJECT, §11.1.7.
func skipSymmetric(s *cryptobyte.String) bool {
	var algorithm uint16
	return s.ReadUint16(&algorithm) && (algorithm == tpmAlgNull || s.Skip(4))
}

// skipScheme passes over TPMT_RSA_SCHEME, TPMT_ECC_SCHEME or TPMT_KDF_SCHEME,
// §11.2: an algorithm and most often a hash.
func skipScheme(s *cryptobyte.String) bool {
	var algorithm uint16
	if !s.ReadUint16(&algorithm) {
		return false
	}
	switch algorithm {
	case tpmAlgNull, tpmAlgRSAES:
		return true
	case tpmAlgECDAA:
		return s.Skip(4)
	}
	return s.Skip(2)
}

func (p *tpmPublic) readRSA(s *cryptobyte.String) error {
	var modulus cryptobyte.String
	if !s.Skip(2) || !s.ReadUint32(&p.exponent) || !s.ReadUint16LengthPrefixed(&modulus) {
		return errTPMStructure
	}
	if p.exponent == 0 {
		p.exponent = tpmDefaultExponent
	}
	p.modulus = modulus
	return nil
}

func (p *tpmPublic) readECC(s *cryptobyte.String) error {
	var (
		curve uint16
		x, y  cryptobyte.String
	)
	if !s.ReadUint16(&curve) || !skipScheme(s) || !s.ReadUint16LengthPrefixed(&x) || !s.ReadUint16LengthPrefixed(&y) {
		return errTPMStructure
	}
	if p.curve = tpmCurves[curve]; p.curve == nil {
		return fmt.Errorf("curve %#x", curve)
	}
	p.x, p.y = x, y
	return nil
}

// is reports whether the public area is of the credential's key.
func (p tpmPublic) is(key coseKey) bool {
	switch k := key.public.(type) {
	case *rsa.PublicKey:
		return p.modulus != nil && new(big.Int).SetBytes(p.modulus).Cmp(k.N) == 0 && int64(p.exponent) == int64(k.E)
	case *ecdsa.PublicKey:
		point, err := k.Bytes() // 4 || x || y
		if err != nil || p.curve != k.Curve || len(p.x) > len(point)/2 || len(p.y) > len(point)/2 {
			return false
		}
		// A TPM may leave out leading zeros.
		own := make([]byte, len(point))
		own[0] = 4
		copy(own[1+len(point)/2-len(p.x):], p.x)
		copy(own[len(point)-len(p.y):], p.y)
		return bytes.Equal(own, point)
	}
	return false
}

// tpmAttest is TPMS_ATTEST, §10.12.8, of a certification.
type tpmAttest struct{ extraData, name []byte }

// tpmClock is the length of TPMS_CLOCK_INFO and firmwareVersion.
const tpmClock = 8 + 4 + 4 + 1 + 8

func readTPMAttest(raw []byte) (tpmAttest, error) {
	s := cryptobyte.String(raw)
	var (
		magic                              uint32
		kind                               uint16
		signer, extraData, name, qualified cryptobyte.String
	)
	if !s.ReadUint32(&magic) || magic != tpmGenerated {
		return tpmAttest{}, errors.New("not made by a TPM")
	}
	if !s.ReadUint16(&kind) || kind != tpmAttestCertify {
		return tpmAttest{}, errors.New("not a certification")
	}
	if !s.ReadUint16LengthPrefixed(&signer) || !s.ReadUint16LengthPrefixed(&extraData) || !s.Skip(tpmClock) ||
		!s.ReadUint16LengthPrefixed(&name) || !s.ReadUint16LengthPrefixed(&qualified) || !s.Empty() {
		return tpmAttest{}, errTPMStructure
	}
	return tpmAttest{extraData: extraData, name: name}, nil
}
