package ctap2

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
)

// sharedSecret is one key agreement of a PIN/UV auth protocol (CTAP 2.1
// §6.5.6 protocol one, §6.5.7 protocol two).
type sharedSecret struct {
	protocol int
	platform coseECDH // our public key, sent with each use
	hmacKey  []byte
	aesKey   []byte
}

// coseECDH is a COSE_Key of the key agreement (§6.5.6: EC2, P-256, alg -25,
// which stands for no algorithm really used).
type coseECDH struct {
	Kty int    `cbor:"1,keyasint"`
	Alg int    `cbor:"3,keyasint"`
	Crv int    `cbor:"-1,keyasint"`
	X   []byte `cbor:"-2,keyasint"`
	Y   []byte `cbor:"-3,keyasint"`
}

const (
	coseKtyEC2       = 2
	coseCrvP256      = 1
	coseAlgECDHES256 = -25
	coordinateSize   = 32
)

// errKeyAgreement is a key agreement key that is none.
var errKeyAgreement = errors.New("key agreement key")

// encapsulate makes a key pair, and the secret shared with the card's key.
func encapsulate(protocol int, card coseECDH) (*sharedSecret, error) {
	if card.Kty != coseKtyEC2 || card.Crv != coseCrvP256 || card.Alg != coseAlgECDHES256 ||
		len(card.X) != coordinateSize || len(card.Y) != coordinateSize {
		return nil, fmt.Errorf("%w: %w of an unexpected kind", ErrMalformed, errKeyAgreement)
	}
	point := append(append([]byte{4}, card.X...), card.Y...)
	peer, err := ecdh.P256().NewPublicKey(point) // refuses points off the curve
	if err != nil {
		return nil, fmt.Errorf("%w: %w: %w", ErrMalformed, errKeyAgreement, err)
	}
	private, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("making a key agreement key: %w", err)
	}
	z, err := private.ECDH(peer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w: %w", ErrMalformed, errKeyAgreement, err)
	}
	defer clear(z)
	own := private.PublicKey().Bytes()
	secret := &sharedSecret{protocol: protocol, platform: coseECDH{
		Kty: coseKtyEC2, Alg: coseAlgECDHES256, Crv: coseCrvP256,
		X: own[1 : 1+coordinateSize], Y: own[1+coordinateSize:],
	}}
	if err := secret.derive(z); err != nil {
		return nil, err
	}
	return secret, nil
}

// derive is the protocol's kdf(Z).
func (s *sharedSecret) derive(z []byte) (err error) {
	switch s.protocol {
	case 1: // §6.5.6: SHA-256(Z), one key for both uses
		key := sha256.Sum256(z)
		s.hmacKey, s.aesKey = key[:], key[:]
		return nil
	case 2: // §6.5.7: HKDF-SHA-256, 32 zero bytes of salt
		salt := make([]byte, sha256.Size)
		if s.hmacKey, err = hkdf.Key(sha256.New, z, salt, "CTAP2 HMAC key", sha256.Size); err != nil {
			return fmt.Errorf("deriving: %w", err)
		}
		if s.aesKey, err = hkdf.Key(sha256.New, z, salt, "CTAP2 AES key", sha256.Size); err != nil {
			return fmt.Errorf("deriving: %w", err)
		}
		return nil
	}
	return fmt.Errorf("%w: PIN protocol %d", ErrUnsupported, s.protocol)
}

func (s *sharedSecret) destroy() {
	clear(s.hmacKey)
	clear(s.aesKey)
}

// encrypt is AES-256-CBC without padding: IV of zeros in protocol one, a random
// one in front of the ciphertext in protocol two. plain is a multiple of 16.
func (s *sharedSecret) encrypt(plain []byte) ([]byte, error) {
	block, err := aes.NewCipher(s.aesKey)
	if err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	out := make([]byte, aes.BlockSize+len(plain))
	iv, body := out[:aes.BlockSize], out[aes.BlockSize:]
	if s.protocol == 1 {
		cipher.NewCBCEncrypter(block, iv).CryptBlocks(body, plain)
		return body, nil
	}
	if _, err := rand.Read(iv); err != nil {
		return nil, fmt.Errorf("encrypting: %w", err)
	}
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(body, plain)
	return out, nil
}

func (s *sharedSecret) decrypt(sealed []byte) ([]byte, error) {
	iv := make([]byte, aes.BlockSize)
	if s.protocol == 2 {
		if len(sealed) < aes.BlockSize {
			return nil, fmt.Errorf("%w: %d bytes of ciphertext", ErrMalformed, len(sealed))
		}
		iv, sealed = sealed[:aes.BlockSize], sealed[aes.BlockSize:]
	}
	if len(sealed) == 0 || len(sealed)%aes.BlockSize != 0 {
		return nil, fmt.Errorf("%w: %d bytes of ciphertext", ErrMalformed, len(sealed))
	}
	block, err := aes.NewCipher(s.aesKey)
	if err != nil {
		return nil, fmt.Errorf("decrypting: %w", err)
	}
	plain := make([]byte, len(sealed))
	cipher.NewCBCDecrypter(block, iv).CryptBlocks(plain, sealed)
	return plain, nil
}

// authenticate makes the pinUvAuthParam over the message's parts.
func authenticate(protocol int, key []byte, parts ...[]byte) []byte {
	mac := hmac.New(sha256.New, key)
	for _, part := range parts {
		mac.Write(part)
	}
	sum := mac.Sum(nil)
	if protocol == 1 {
		return sum[:16] // §6.5.6: the leftmost 16 bytes
	}
	return sum
}
