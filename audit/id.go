package audit

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"strings"
)

// crockford is an alphabet without I, L, O and U: what is read aloud over a
// telephone is not mistaken for another letter or digit.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

var crockfordEncoding = base32.NewEncoding(crockford).WithPadding(base32.NoPadding)

// ErrNotAnID is ParseID's error.
var ErrNotAnID = errors.New("not an event number: eight letters and digits, as in 7K3M-9QXD")

// NewID draws an event id: 40 random bits, as "7K3M-9QXD". The ledger refuses
// one that it has, and Log then draws another.
func NewID() string {
	var random [5]byte
	rand.Read(random[:]) // never fails since Go 1.24
	s := crockfordEncoding.EncodeToString(random[:])
	return s[:4] + "-" + s[4:]
}

// ParseID reads an id as people write it: any case, with or without the
// hyphen or spaces, O for 0, I or L for 1.
func ParseID(s string) (string, error) {
	s = strings.NewReplacer("-", "", " ", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(s))
	if len(s) != 8 || strings.Trim(s, crockford) != "" {
		return "", ErrNotAnID
	}
	return s[:4] + "-" + s[4:], nil
}

// HashCredential is how a credential id is written in an event: lower-case hex
// of its SHA-256, so that the audit can be read and exported without giving
// away what tells one authenticator's owner from another's across sites.
func HashCredential(id []byte) string {
	if len(id) == 0 {
		return ""
	}
	sum := sha256.Sum256(id)
	return hex.EncodeToString(sum[:])
}
