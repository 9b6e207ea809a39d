package enroll

import (
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"unicode"

	"cpsgate/audit"
)

// codeRounds makes one guess at a hashed code cost some milliseconds: a code
// has 40 random bits, so that it can be read aloud, and lives for minutes.
const codeRounds = 10_000

// newCode draws a ticket's code: "7K3M-9QXD", without letters that sound or
// look alike; and what is kept of it.
func newCode() (code, hash string) {
	code = audit.NewID()
	hash, _ = hashCode(code)
	return code, hash
}

// hashCode reads a code as people type it, and gives what is kept of it; false
// for what is no code at all.
func hashCode(code string) (string, bool) {
	if len(code) > 64 {
		return "", false
	}
	canonical, err := audit.ParseID(code)
	if err != nil {
		return "", false
	}
	sum, err := pbkdf2.Key(sha256.New, canonical, []byte("cpsgate ticket code"), codeRounds, sha256.Size)
	if err != nil {
		return "", false
	}
	return hex.EncodeToString(sum), true
}

// newSecret draws 256 bits, and gives what is kept of them.
func newSecret() (secret, hash string) {
	var b [32]byte
	rand.Read(b[:]) // never fails since Go 1.24
	secret = base64.RawURLEncoding.EncodeToString(b[:])
	return secret, hashSecret(secret)
}

func hashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// newHandle draws the public name of a ticket or an approval.
func newHandle() string { return strings.ToLower(rand.Text()[:16]) }

// bounded keeps the first bytes of a text, at a rune, and of it what prints:
// it comes from a workstation and is shown on a shared screen.
func bounded(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "")
	}
	return s
}
