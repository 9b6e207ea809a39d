package mtls_test

import (
	"bytes"
	"math/big"
	"testing"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

const manySerials = 2_000_000

var largeSpecs = []struct {
	name string
	spec testpki.LargeCRLSpec
}{
	{"random", testpki.LargeCRLSpec{Entries: manySerials}},
	{"sequential", testpki.LargeCRLSpec{Entries: manySerials, Pattern: testpki.SequentialSerials}},
	{"clustered", testpki.LargeCRLSpec{Entries: manySerials, Pattern: testpki.ClusteredSerials, Clusters: 20}},
}

// BenchmarkFind looks serials up in an index of two million: a thousand again
// and again (warm), and each time one of 64 Ki from all over it (cold).
func BenchmarkFind(b *testing.B) {
	ca := crlAuthority(b)
	for _, large := range largeSpecs {
		list := readCRL(b, largeCRL(b, ca, large.spec))
		for _, set := range []struct {
			name   string
			n      int
			absent bool
		}{
			{"warm/revoked", 1 << 10, false}, {"warm/not-revoked", 1 << 10, true},
			{"cold/revoked", 1 << 16, false}, {"cold/not-revoked", 1 << 16, true},
		} {
			serials := someSerials(large.spec, set.n, set.absent)
			b.Run(large.name+"/"+set.name, func(b *testing.B) {
				b.ReportAllocs()
				findAll(b, list, serials, !set.absent)
			})
		}
	}
}

func findAll(b *testing.B, list *mtls.CRL, serials []*big.Int, want bool) {
	i := 0
	for b.Loop() {
		if _, found := list.Find(serials[i]); found != want {
			b.Fatal(serials[i])
		}
		i = (i + 1) & (len(serials) - 1)
	}
}

// someSerials picks n serials that are spread over the CRL, or not in it.
func someSerials(spec testpki.LargeCRLSpec, n int, absent bool) []*big.Int {
	serials := make([]*big.Int, n)
	for i := range serials {
		at := int(uint64(i) * 2654435761 % manySerials)
		if absent {
			at += manySerials
		}
		serials[i] = spec.Serial(at)
	}
	return serials
}

func BenchmarkReadCRL(b *testing.B) {
	ca := crlAuthority(b)
	for _, large := range largeSpecs {
		der := largeCRL(b, ca, large.spec)
		b.Run(large.name, func(b *testing.B) {
			b.SetBytes(int64(len(der)))
			for b.Loop() {
				list, err := mtls.ReadCRL(bytes.NewReader(der), mtls.CRLLimits{})
				if err == nil {
					err = list.CheckSignature(ca.Certificate)
				}
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/manySerials, "ns/entry")
		})
	}
}
