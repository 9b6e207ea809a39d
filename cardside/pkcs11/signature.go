package pkcs11

import (
	"crypto"
	"crypto/rsa"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/binary"
	"fmt"
	"slices"
)

// hashes are those that TLS asks RSA keys to sign, with their DigestInfo OIDs
// (RFC 8017 appendix B.1).
var hashes = map[crypto.Hash]asn1.ObjectIdentifier{
	crypto.SHA256: {2, 16, 840, 1, 101, 3, 4, 2, 1},
	crypto.SHA384: {2, 16, 840, 1, 101, 3, 4, 2, 2},
	crypto.SHA512: {2, 16, 840, 1, 101, 3, 4, 2, 3},
}

// digestInfo wraps a digest for PKCS#1 v1.5 (RFC 8017 §9.2): CKM_RSA_PKCS signs
// what it is given.
func digestInfo(hash crypto.Hash, digest []byte) ([]byte, error) {
	oid, known := hashes[hash]
	if !known || len(digest) != hash.Size() {
		return nil, fmt.Errorf("%w: %d bytes of %v", ErrUnsupported, len(digest), hash)
	}
	return asn1.Marshal(struct {
		Algorithm pkix.AlgorithmIdentifier
		Digest    []byte
	}{pkix.AlgorithmIdentifier{Algorithm: oid, Parameters: asn1.NullRawValue}, digest})
}

// saltLength is the PSS salt length that options ask for.
func saltLength(opts *rsa.PSSOptions, hash crypto.Hash) (int, error) {
	switch {
	case opts.SaltLength == rsa.PSSSaltLengthEqualsHash, opts.SaltLength == rsa.PSSSaltLengthAuto:
		return hash.Size(), nil // Auto would be larger; TLS asks for the hash's size
	case opts.SaltLength > 0:
		return opts.SaltLength, nil
	}
	return 0, fmt.Errorf("%w: salt length %d", ErrUnsupported, opts.SaltLength)
}

// mechanisms reads CKA_ALLOWED_MECHANISMS, a list of CK_MECHANISM_TYPE: native
// unsigned longs of so many bytes (PKCS#11 v2.40 §2.1, §4.8).
func mechanisms(list []byte, size int) ([]uint, error) {
	if size != 4 && size != 8 || len(list)%size != 0 {
		return nil, fmt.Errorf("%w: %d bytes are no list of %d-byte mechanisms", ErrModule, len(list), size)
	}
	var found []uint
	for one := range slices.Chunk(list, size) {
		if size == 4 {
			found = append(found, uint(binary.NativeEndian.Uint32(one)))
		} else {
			found = append(found, uint(binary.NativeEndian.Uint64(one)))
		}
	}
	return found, nil
}
