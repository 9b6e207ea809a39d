package mtls

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/binary"
)

// For tests of rules that no certificate at hand reaches from outside.
var (
	ParsePoints = func(der, issuer []byte) (int, error) {
		points, err := parsePoints(der, issuer)
		return len(points), err
	}
	CheckConstraints = func(chain []*x509.Certificate) error { return checkConstraints(chain) }
)

// Remembered is for how many certificates the paths are remembered.
func (v *Verifier) Remembered() int { return len(v.memo.recent) + len(v.memo.before) }

// MaxRemembered is the bound of one generation of a PathMemo.
const MaxRemembered = maxRemembered

// PathMemo remembers paths of numbered certificates.
type PathMemo struct {
	m     pathMemo
	trust *Trust
}

// NewPathMemo is an empty one.
func NewPathMemo() *PathMemo { return &PathMemo{trust: &Trust{}} }

// Remember remembers a path of certificate n, and gives its hash.
func (p *PathMemo) Remember(n int) [32]byte {
	key := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n)))
	p.m.remember(p.trust, key, []path{{&x509.Certificate{}, &x509.Certificate{}}})
	return key
}

// Find tells whether it is remembered.
func (p *PathMemo) Find(key [32]byte) bool { return p.m.find(p.trust, key) != nil }

// Len is how many are.
func (p *PathMemo) Len() int { return len(p.m.recent) + len(p.m.before) }
