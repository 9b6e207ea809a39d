package sso

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
)

// derivedSize is the length of what Derive gives, in bytes.
const derivedSize = 32

// Derive gives 32 secret bytes for one use, the same on every node of the shelf
// and for ever (HKDF-SHA-256, RFC 5869); another use's say nothing of them.
func (k *Keys) Derive(ctx context.Context, use string) ([]byte, error) {
	return hkdf.Key(sha256.New, k.now(ctx).secret, nil, "cpsgate derived 1\x00"+use, derivedSize)
}
