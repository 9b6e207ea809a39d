package testpki

import (
	"crypto"
	"crypto/rsa"
	_ "crypto/sha1" // for the certificates that a verifier must refuse
	_ "crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Template is a certificate about to be signed. It holds everything that goes
// into the bytes, so that a test can bend any of it.
type Template struct {
	Version    int // as encoded: 2 is version 3; -1 leaves the field out
	Serial     *big.Int
	Issuer     []byte // DER name
	NotBefore  time.Time
	NotAfter   time.Time
	Subject    Name
	PublicKey  crypto.PublicKey
	Extensions []pkix.Extension // in the order of the encoding
	Signer     crypto.Signer
	Digest     crypto.Hash // 0 = SHA-256; SHA-1 can be asked for
	// CorruptSignature flips a bit of the signature.
	CorruptSignature bool
}

// Extension returns the extension of that OID, or nil.
func (t *Template) Extension(oid asn1.ObjectIdentifier) *pkix.Extension {
	for i := range t.Extensions {
		if t.Extensions[i].Id.Equal(oid) {
			return &t.Extensions[i]
		}
	}
	return nil
}

// Set replaces the extension of the same OID in its place, or appends it.
func (t *Template) Set(extension pkix.Extension) {
	if old := t.Extension(extension.Id); old != nil {
		*old = extension
		return
	}
	t.Extensions = append(t.Extensions, extension)
}

// Remove takes the extension of that OID away.
func (t *Template) Remove(oid asn1.ObjectIdentifier) {
	t.Extensions = slices.DeleteFunc(t.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oid) })
}

// DER encodes and signs the certificate (RFC 5280 §4.1).
func (t *Template) DER() ([]byte, error) {
	spki, err := x509.MarshalPKIXPublicKey(t.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encoding public key: %w", err)
	}
	algorithm, err := signatureAlgorithm(t.Signer, t.Digest)
	if err != nil {
		return nil, err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		if t.Version >= 0 {
			b.AddASN1(tagged(0).Constructed(), func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(t.Version)) })
		}
		b.AddASN1BigInt(t.Serial)
		b.AddBytes(algorithm)
		b.AddBytes(t.Issuer)
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			addTime(b, t.NotBefore)
			addTime(b, t.NotAfter)
		})
		b.AddBytes(t.Subject.DER())
		b.AddBytes(spki)
		addExtensions(b, 3, t.Extensions)
	})
	tbs, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("encoding certificate: %w", err)
	}
	return signed(tbs, algorithm, t.Signer, t.Digest, t.CorruptSignature)
}

// signed wraps to-be-signed bytes as certificates, CRLs and OCSP answers all do.
func signed(tbs, algorithm []byte, signer crypto.Signer, digest crypto.Hash, corrupt bool) ([]byte, error) {
	if digest == 0 {
		digest = crypto.SHA256
	}
	hash := digest.New()
	hash.Write(tbs)
	signature, err := signer.Sign(nil, hash.Sum(nil), digest)
	if err != nil {
		return nil, fmt.Errorf("signing: %w", err)
	}
	if corrupt {
		signature[len(signature)/2] ^= 1
	}
	return sequence(func(b *cryptobyte.Builder) {
		b.AddBytes(tbs)
		b.AddBytes(algorithm)
		b.AddASN1BitString(signature)
	}), nil
}

var (
	oidSHA1WithRSA     = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 5}
	oidSHA256WithRSA   = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}
	oidECDSAWithSHA256 = asn1.ObjectIdentifier{1, 2, 840, 10045, 4, 3, 2}
)

// signatureAlgorithm is the AlgorithmIdentifier: with NULL parameters for RSA
// (RFC 4055 §5), with none for ECDSA (RFC 5758 §3.2).
func signatureAlgorithm(signer crypto.Signer, digest crypto.Hash) ([]byte, error) {
	_, isRSA := signer.Public().(*rsa.PublicKey)
	oid, null := oidSHA256WithRSA, true
	switch {
	case isRSA && digest == crypto.SHA1:
		oid = oidSHA1WithRSA
	case isRSA && (digest == 0 || digest == crypto.SHA256):
	case !isRSA && (digest == 0 || digest == crypto.SHA256):
		oid, null = oidECDSAWithSHA256, false
	default:
		return nil, fmt.Errorf("no signature algorithm with digest %v", digest)
	}
	return sequence(func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		if null {
			b.AddASN1NULL()
		}
	}), nil
}

// addTime encodes a Time: UTCTime until 2049, GeneralizedTime from 2050 (RFC
// 5280 §4.1.2.5).
func addTime(b *cryptobyte.Builder, at time.Time) {
	at = at.UTC().Truncate(time.Second)
	if at.Year() < 2050 {
		b.AddASN1UTCTime(at)
		return
	}
	b.AddASN1GeneralizedTime(at)
}

// addExtensions encodes Extensions under an explicit context tag; none at all
// leaves the field out.
func addExtensions(b *cryptobyte.Builder, tag uint8, extensions []pkix.Extension) {
	if len(extensions) == 0 {
		return
	}
	b.AddASN1(tagged(tag).Constructed(), func(b *cryptobyte.Builder) {
		addExtensionList(b, extensions)
	})
}

func addExtensionList(b *cryptobyte.Builder, extensions []pkix.Extension) {
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, extension := range extensions {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				b.AddASN1ObjectIdentifier(extension.Id)
				if extension.Critical {
					b.AddASN1Boolean(true)
				}
				b.AddASN1OctetString(extension.Value)
			})
		}
	})
}
