package authenticator

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
)

// coseKey is a COSE_Key of the platform's key agreement (CTAP 2.1 §6.5.6).
type coseKey struct {
	KeyType   int    `cbor:"1,keyasint"`
	Algorithm int    `cbor:"3,keyasint"`
	Curve     int    `cbor:"-1,keyasint"`
	X         []byte `cbor:"-2,keyasint"`
	Y         []byte `cbor:"-3,keyasint"`
}

// What a COSE_Key on P-256 says of itself (RFC 9053).
const (
	coseEC2       = 2
	coseP256      = 1
	algES256      = -7
	algECDHHKDF   = -25 // "although this is NOT the algorithm actually used", CTAP 2.1 §6.5.6
	coordinateLen = 32
)

// agreements are the authenticator's key agreement keys, one a protocol, made
// when first asked for.
type agreements map[uint64]*ecdh.PrivateKey

func (e *Engine) agreement(protocol uint64) (*ecdh.PrivateKey, error) {
	if key := e.agreements[protocol]; key != nil {
		return key, nil
	}
	return e.regenerate(protocol)
}

// regenerate replaces a protocol's key agreement key (CTAP 2.1 §6.5.6).
func (e *Engine) regenerate(protocol uint64) (*ecdh.PrivateKey, error) {
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	if e.agreements == nil {
		e.agreements = agreements{}
	}
	e.agreements[protocol] = key
	return key, nil
}

// secret is the shared secret of a PIN/UV auth protocol.
type secret struct {
	protocol         uint64
	hmacKey, aesKey  []byte
	initialisedFirst bool // ciphertexts begin with their IV: protocol 2
}

// decapsulate derives the shared secret (CTAP 2.1 §6.5.6 and §6.5.7).
func (e *Engine) decapsulate(protocol uint64, peer coseKey) (secret, error) {
	if peer.KeyType != coseEC2 || peer.Curve != coseP256 || peer.Algorithm != algECDHHKDF ||
		len(peer.X) != coordinateLen || len(peer.Y) != coordinateLen {
		return secret{}, statusInvalidParameter
	}
	point := append(append([]byte{4}, peer.X...), peer.Y...)
	public, err := ecdh.P256().NewPublicKey(point)
	if err != nil {
		return secret{}, statusInvalidParameter // not on the curve
	}
	own, err := e.agreement(protocol)
	if err != nil {
		return secret{}, err
	}
	z, err := own.ECDH(public)
	if err != nil {
		return secret{}, statusInvalidParameter
	}
	if protocol == 1 {
		key := sha256.Sum256(z)
		return secret{protocol: 1, hmacKey: key[:], aesKey: key[:]}, nil
	}
	return secondSecret(z)
}

// secondSecret is protocol 2's kdf (CTAP 2.1 §6.5.7).
func secondSecret(z []byte) (secret, error) {
	salt := make([]byte, sha256.Size)
	hmacKey, err := hkdf.Key(sha256.New, z, salt, "CTAP2 HMAC key", 32)
	if err != nil {
		return secret{}, err
	}
	aesKey, err := hkdf.Key(sha256.New, z, salt, "CTAP2 AES key", 32)
	if err != nil {
		return secret{}, err
	}
	return secret{protocol: 2, hmacKey: hmacKey, aesKey: aesKey, initialisedFirst: true}, nil
}

// decrypt is AES-256-CBC without padding: zero IV in protocol 1, the IV in
// front in protocol 2.
func (s secret) decrypt(ciphertext []byte) ([]byte, error) {
	iv := make([]byte, aes.BlockSize)
	if s.initialisedFirst {
		if len(ciphertext) < aes.BlockSize {
			return nil, statusInvalidParameter
		}
		iv, ciphertext = ciphertext[:aes.BlockSize], ciphertext[aes.BlockSize:]
	}
	if len(ciphertext) == 0 || len(ciphertext)%aes.BlockSize != 0 {
		return nil, statusInvalidParameter
	}
	block, err := aes.NewCipher(s.aesKey)
	if err != nil {
		return nil, err
	}
	plain := make([]byte, len(ciphertext))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, ciphertext)
	return plain, nil
}

// encrypt is decrypt's inverse; plain is whole blocks.
func (s secret) encrypt(plain []byte) ([]byte, error) {
	block, err := aes.NewCipher(s.aesKey)
	if err != nil {
		return nil, err
	}
	iv, out := make([]byte, aes.BlockSize), make([]byte, len(plain))
	if s.initialisedFirst {
		rand.Read(iv) // never fails
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(out, plain)
	if s.initialisedFirst {
		out = append(iv, out...)
	}
	return out, nil
}

// verify checks a MAC made with the shared secret.
func (s secret) verify(message, mac []byte) bool {
	return macMatches(s.protocol, s.hmacKey, message, mac)
}

// macMatches is verify of both protocols: HMAC-SHA-256, of which protocol 1
// sends the first 16 bytes.
func macMatches(protocol uint64, key, message, mac []byte) bool {
	h := hmac.New(sha256.New, key)
	h.Write(message)
	want := h.Sum(nil)
	if protocol == 1 {
		want = want[:16]
	}
	return hmac.Equal(want, mac)
}
