package mtls_test

import (
	"crypto/x509"
	"testing"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// BenchmarkVerify is a whole judgement of a good card, beside it what a bare
// listener does: parse the certificate and verify its chain.
func BenchmarkVerify(b *testing.B) {
	pki := newPKI(b, false)
	der := newCard(b, pki, testpki.CardSpec{}).DER
	v := newVerifier(b, trustOf(b, pki), mtls.Policy{}, freshCRLs(b, pki))
	b.Run("judgement", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := v.Verify(mtls.Leaf{DER: der}, today()); err != nil {
				b.Fatal(err)
			}
		}
	})
	roots := x509.NewCertPool()
	for _, c := range pki.CardIssuers() {
		roots.AddCert(c)
	}
	b.Run("chain alone", func(b *testing.B) {
		b.ReportAllocs()
		options := x509.VerifyOptions{Roots: roots, CurrentTime: today(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		for b.Loop() {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := c.Verify(options); err != nil {
				b.Fatal(err)
			}
		}
	})
}
