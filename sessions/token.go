package sessions

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// key is the SHA-256 of a token.
type key = [sha256.Size]byte

const tokenBytes = 32

var tokenEncoding = base64.RawURLEncoding.Strict()

// newToken draws a token and gives the key that it is kept under.
func newToken() (string, key) {
	var random [tokenBytes]byte
	rand.Read(random[:]) // never fails since Go 1.24
	token := tokenEncoding.EncodeToString(random[:])
	return token, sha256.Sum256(random[:])
}

// keyOf gives the key of a token; what cannot be a token has none.
func keyOf(token string) (key, bool) {
	if len(token) != tokenEncoding.EncodedLen(tokenBytes) {
		return key{}, false
	}
	random, err := tokenEncoding.DecodeString(token)
	if err != nil {
		return key{}, false
	}
	return sha256.Sum256(random), true
}

// newHandle draws a session's public ID: 128 random bits.
func newHandle() string { return rand.Text() }
