package mtls_test

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"runtime"
	"testing"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// largeCRL streams a generated CRL into memory once: tests are about reading it.
func largeCRL(t testing.TB, ca *testpki.Authority, spec testpki.LargeCRLSpec) []byte {
	t.Helper()
	var der bytes.Buffer
	if err := testpki.WriteLargeCRL(&der, ca, spec); err != nil {
		t.Fatal(err)
	}
	return der.Bytes()
}

func TestCRLIndex(t *testing.T) {
	ca := crlAuthority(t)
	for name, spec := range map[string]testpki.LargeCRLSpec{
		"a handful":             {Entries: 5},
		"random":                {Entries: 3000, ReasonEvery: 3},
		"random, partitioned":   {Entries: 31_000, ReasonEvery: 7},
		"sequential":            {Entries: 31_000, Pattern: testpki.SequentialSerials},
		"sequential, shuffled":  {Entries: 31_000, Pattern: testpki.SequentialSerials, Shuffled: true},
		"one cluster":           {Entries: 31_000, Pattern: testpki.ClusteredSerials},
		"twenty clusters":       {Entries: 31_000, Pattern: testpki.ClusteredSerials, Clusters: 20},
		"large, random":         {Entries: 140_000, ReasonEvery: 5},
		"large, three clusters": {Entries: 140_000, Pattern: testpki.SequentialSerials, Clusters: 3},
	} {
		t.Run(name, func(t *testing.T) {
			der := largeCRL(t, ca, spec)
			list := readCRL(t, der)
			if err := list.CheckSignature(ca.Certificate); err != nil || list.Len() != spec.Entries {
				t.Fatalf("%d entries, %v", list.Len(), err)
			}
			for i := range spec.Entries {
				if _, found := list.Find(spec.Serial(i)); !found {
					t.Fatalf("serial %d not found", i)
				}
				if _, found := list.Find(spec.Serial(spec.Entries + i)); found {
					t.Fatalf("serial %d found", spec.Entries+i)
				}
			}
			n := 0
			for serial := range list.Entries() {
				if _, found := list.Find(serial); !found {
					t.Fatalf("%x is an entry and not found", serial)
				}
				n++
			}
			if n != spec.Entries {
				t.Errorf("%d entries yielded", n)
			}
		})
	}
}

func TestCRLIndexAgainstX509(t *testing.T) {
	ca := crlAuthority(t)
	spec := testpki.LargeCRLSpec{Entries: 40_000, ReasonEvery: 2, Shuffled: true, Also: []testpki.Entry{
		{Serial: big.NewInt(77), At: crlNow}, {Serial: new(big.Int).Lsh(big.NewInt(1), 150), At: crlNow, Reason: 1},
	}}
	der := largeCRL(t, ca, spec)
	list := readCRL(t, der)
	theirs, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range theirs.RevokedCertificateEntries {
		got, found := list.Find(want.SerialNumber)
		if !found || int(got.Reason) != want.ReasonCode {
			t.Fatalf("%x: %v %t, want %v", want.SerialNumber, got, found, want)
		}
	}
	if list.Len() != len(theirs.RevokedCertificateEntries) {
		t.Errorf("%d entries", list.Len())
	}
}

// Serials made up so that all fall into one bucket take no more than their
// time, and are still told apart.
func TestCRLIndexCrowded(t *testing.T) {
	ca := crlAuthority(t)
	crowd := func(n int, mixed func(i uint64) (word, upper uint64)) (list []testpki.Entry) {
		for i := range n {
			word, upper := mixed(uint64(i))
			list = append(list, testpki.Entry{Serial: mtls.CrowdedSerial(word, upper), At: crlNow})
		}
		return list
	}
	const large = 140_000 // a table that leaves octets out
	for name, tt := range map[string]struct {
		n     int
		mixed func(i uint64) (word, upper uint64)
	}{
		"in one bucket":          {large, func(i uint64) (uint64, uint64) { return 0xabcd<<48 | i, 1<<62 | i<<20 }},
		"in neighbouring ones":   {large, func(i uint64) (uint64, uint64) { return 0xabcd<<48 | i<<30, 1 << 62 }},
		"with one mixed word":    {5000, func(i uint64) (uint64, uint64) { return 0xabcd << 48, 1<<62 | i }},
		"with pairs of one word": {large, func(i uint64) (uint64, uint64) { return i / 2 * 0x9e3779b97f4a7c15, 1<<62 | i }},
	} {
		t.Run(name, func(t *testing.T) {
			all := crowd(tt.n, tt.mixed)
			list := readCRL(t, makeCRL(t, ca, testpki.CRLSpec{Entries: all}))
			for i, entry := range all {
				if i%29 != 0 {
					continue
				}
				if _, found := list.Find(entry.Serial); !found {
					t.Fatalf("serial %d not found", i)
				}
				word, upper := tt.mixed(uint64(i))
				if _, found := list.Find(mtls.CrowdedSerial(word, upper|1<<61)); found {
					t.Fatalf("serial %d found with other upper octets", i)
				}
			}
		})
	}
}

func TestCRLDuplicateInLargeCRL(t *testing.T) {
	spec := testpki.LargeCRLSpec{Entries: 31_000}
	spec.Also = []testpki.Entry{{Serial: spec.Serial(30_000), At: crlNow}}
	_, err := mtls.ReadCRL(bytes.NewReader(largeCRL(t, crlAuthority(t), spec)), mtls.CRLLimits{})
	if !errors.Is(err, mtls.CRLDuplicateSerial) {
		t.Error(err)
	}
}

func TestCRLMemory(t *testing.T) {
	ca := crlAuthority(t)
	const n = 300_000
	for name, tt := range map[string]struct {
		spec testpki.LargeCRLSpec
		most float64 // octets of live heap an entry
	}{
		"random":      {testpki.LargeCRLSpec{Entries: n}, 17},
		"one cluster": {testpki.LargeCRLSpec{Entries: n, Pattern: testpki.ClusteredSerials}, 9.5},
	} {
		der := largeCRL(t, ca, tt.spec)
		before := liveHeap()
		list := readCRL(t, der)
		if an := float64(liveHeap()-before) / n; an > tt.most {
			t.Errorf("%s: %.2f octets an entry, at most %.1f", name, an, tt.most)
		}
		runtime.KeepAlive(list)
		runtime.KeepAlive(der)
	}
}

func liveHeap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestFindAllocatesNothing(t *testing.T) {
	spec := testpki.LargeCRLSpec{Entries: 2000}
	list := readCRL(t, largeCRL(t, crlAuthority(t), spec))
	present, absent := spec.Serial(3), spec.Serial(2001)
	if n := testing.AllocsPerRun(100, func() { list.Find(present); list.Find(absent) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// Every day of every month of the century of UTCTime, and those that are none.
func TestUTCDay(t *testing.T) {
	check := func(text string) {
		element := append([]byte{0x17, 13}, text...)
		day, ok := mtls.UTCDay(element)
		want, wantOK := mtls.DERTime(element)
		if ok != wantOK || ok && time.Unix(day*86400, 0).UTC() != want.Truncate(24*time.Hour) {
			t.Fatalf("%s: day %d %t, want %s %t", text, day, ok, want, wantOK)
		}
	}
	for year := range 100 {
		for month := range 14 {
			for d := range 33 {
				check(fmt.Sprintf("%02d%02d%02d235959Z", year, month, d))
			}
		}
	}
	for _, text := range []string{"260302240000Z", "260302236000Z", "260302235960Z", "26030223595aZ", "2603/2235959Z", "260302235959+", "2a0302235959Z", "26:302235959Z"} {
		check(text)
	}
}
