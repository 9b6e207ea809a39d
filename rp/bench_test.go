package rp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"testing"

	"cpsgate/identity"
)

// BenchmarkFinishLogin is a login from the body of the request to the verdict.
// The aim is 1.4 times BenchmarkBareVerification.
func BenchmarkFinishLogin(b *testing.B) {
	l := newLogin(b, party(b, nil))
	body := l.answer(b)
	find := func(_, _ []byte) (identity.Passkey, error) { return l.passkey, nil }
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.party.FinishLogin(l.pending, body, find, now); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkBareVerification is one ECDSA P-256 signature, and nothing else.
func BenchmarkBareVerification(b *testing.B) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("a message"))
	sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if !ecdsa.VerifyASN1(&key.PublicKey, digest[:], sig) {
			b.Fatal("the signature does not verify")
		}
	}
}
