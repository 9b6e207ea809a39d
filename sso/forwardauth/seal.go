package forwardauth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"strings"
)

// KeySize is the size in bytes of the key that seals cookies and codes: one
// for all nodes. Another key ends no session; browsers come back with a new
// cookie by themselves.
const KeySize = 32

// What a sealed token is for: one kind never passes for the other.
const (
	forCookie = "cpsgate forward-auth cookie 1"
	forCode   = "cpsgate forward-auth code 1"
)

// maxSealed bounds a sealed value that is looked at.
const maxSealed = 128

var encoding = base64.RawURLEncoding.Strict()

// newSealer gives AES-256-GCM under the key, with random nonces: some four
// thousand million cookies under one key keep the odds of a repeated nonce
// below 2^-32 (NIST SP 800-38D §8.3).
func newSealer(key []byte) (cipher.AEAD, error) {
	if len(key) != KeySize {
		return nil, errors.New("the key that seals cookies must have 32 bytes")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// binding is what a sealed value is bound to, told apart without doubt: no
// part may hold the separator.
func binding(use string, parts ...string) []byte {
	return []byte(use + "\n" + strings.Join(parts, "\n"))
}

// seal closes a token up for one use.
func (g *Gate) seal(token string, bound []byte) string {
	nonce := make([]byte, g.sealer.NonceSize(), maxSealed)
	rand.Read(nonce) // never fails since Go 1.24
	return encoding.EncodeToString(g.sealer.Seal(nonce, nonce, []byte(token), bound))
}

// open gives the token back, if the value was sealed by us for this very use.
func (g *Gate) open(sealed string, bound []byte) (token string, ok bool) {
	if len(sealed) > encoding.EncodedLen(maxSealed) {
		return "", false
	}
	raw, err := encoding.DecodeString(sealed)
	if err != nil || len(raw) < g.sealer.NonceSize() {
		return "", false
	}
	nonce, closed := raw[:g.sealer.NonceSize()], raw[g.sealer.NonceSize():]
	clear, err := g.sealer.Open(nil, nonce, closed, bound)
	return string(clear), err == nil
}

// newSecret draws 256 random bits.
func newSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return encoding.EncodeToString(b[:])
}

// secretShaped tells whether a text can be a secret of newSecret or what
// fingerprint makes of one.
func secretShaped(s string) bool {
	if len(s) != encoding.EncodedLen(sha256.Size) {
		return false
	}
	_, err := encoding.DecodeString(s)
	return err == nil
}

// fingerprint is what addresses and records hold of a browser's secret.
func fingerprint(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return encoding.EncodeToString(sum[:])
}
