package rp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"testing"
	"time"
)

// BenchmarkFinishLogin is a login from the body of the request to the verdict.
func BenchmarkFinishLogin(b *testing.B) {
	l := newLogin(b, party(b, nil))
	body := l.answer(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.party.FinishLogin(l.pending, body, l.find, now); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFinishLoginOverBare sets it against one bare ECDSA P-256
// verification, turn by turn so that both meet the same machine: "×bare" is the
// quotient of the medians, and the aim is 1.4.
func BenchmarkFinishLoginOverBare(b *testing.B) {
	l := newLogin(b, party(b, nil))
	body := l.answer(b)
	verify := bareVerification(b)
	var login, bare []time.Duration
	for b.Loop() {
		start := time.Now()
		_, err := l.party.FinishLogin(l.pending, body, l.find, now)
		middle := time.Now()
		good := verify()
		end := time.Now()
		if err != nil || !good {
			b.Fatal(err, good)
		}
		login, bare = append(login, middle.Sub(start)), append(bare, end.Sub(middle))
	}
	b.ReportMetric(float64(median(login))/float64(median(bare)), "×bare")
}

func bareVerification(b *testing.B) func() bool {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := sha256.Sum256([]byte("a message"))
	sig, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		b.Fatal(err)
	}
	return func() bool { return ecdsa.VerifyASN1(&key.PublicKey, digest[:], sig) }
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
