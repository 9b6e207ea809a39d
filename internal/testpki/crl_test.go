package testpki_test

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"slices"
	"testing"
	"time"

	"cpsgate/internal/testpki"
)

func parseCRL(t *testing.T, der []byte, err error) *x509.RevocationList {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	list, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func fortPersons(t *testing.T) *testpki.Authority {
	t.Helper()
	return testPKI(t).Issuer(testpki.Fort, testpki.Persons)
}

// listed are a CRL's serials and reasons.
func listed(list *x509.RevocationList) map[int64]int {
	entries := map[int64]int{}
	for _, e := range list.RevokedCertificateEntries {
		entries[e.SerialNumber.Int64()] = e.ReasonCode
	}
	return entries
}

func TestCRLByDefaultIsAsTheRealOnes(t *testing.T) {
	authority := fortPersons(t)
	authority.Revoke(big.NewInt(7), noon.Add(-time.Hour), testpki.ReasonKeyCompromise)
	der, err := authority.CRL(testpki.CRLSpec{})
	list := parseCRL(t, der, err)
	if err := list.CheckSignatureFrom(authority.Certificate); err != nil {
		t.Error(err)
	}
	if list.Number.Int64() != 1 || !list.ThisUpdate.Equal(noon) || !list.NextUpdate.Equal(noon.AddDate(0, 0, 6)) {
		t.Errorf("number %v, from %v to %v", list.Number, list.ThisUpdate, list.NextUpdate)
	}
	if !bytes.Equal(list.AuthorityKeyId, authority.Certificate.SubjectKeyId) || len(list.Extensions) != 2 {
		t.Errorf("key id %x, %d extensions", list.AuthorityKeyId, len(list.Extensions))
	}
	if got := listed(list); len(got) != 1 || got[7] != 1 {
		t.Errorf("entries %v", got)
	}
	der, err = testPKI(t).Root(testpki.Fort).CRL(testpki.CRLSpec{})
	if root := parseCRL(t, der, err); !root.NextUpdate.Equal(noon.AddDate(0, 0, 45)) {
		t.Errorf("a root's CRL ends on %v, want 45 days", root.NextUpdate)
	}
}

// TestDeltaChain follows one authority through revocations and their undoing,
// and checks each delta against the base that it names.
func TestDeltaChain(t *testing.T) {
	authority := fortPersons(t)
	full := func() *x509.RevocationList {
		der, err := authority.CRL(testpki.CRLSpec{})
		return parseCRL(t, der, err)
	}
	delta := func() *x509.RevocationList {
		der, err := authority.DeltaCRL(testpki.CRLSpec{})
		return parseCRL(t, der, err)
	}
	expect := func(step string, list *x509.RevocationList, number int64, base string, want map[int64]int) {
		t.Helper()
		got := listed(list)
		same := len(got) == len(want)
		for serial, reason := range want {
			same = same && got[serial] == reason
		}
		if !same || list.Number.Int64() != number {
			t.Errorf("%s: number %v, entries %v, want %d, %v", step, list.Number, got, number, want)
		}
		if got := crlExtension(list, testpki.ExtensionDeltaCRL.String()); got != base {
			t.Errorf("%s: base %q, want %q", step, got, base)
		}
		if err := list.CheckSignatureFrom(authority.Certificate); err != nil {
			t.Errorf("%s: %v", step, err)
		}
	}
	authority.Revoke(big.NewInt(1), noon, testpki.ReasonCertificateHold)
	authority.Revoke(big.NewInt(2), noon, testpki.ReasonUnspecified)
	expect("base", full(), 1, "", map[int64]int{1: 6, 2: 0})
	expect("nothing new", delta(), 2, "020101", nil)
	authority.Revoke(big.NewInt(3), noon, testpki.ReasonSuperseded)
	expect("one more", delta(), 3, "020101", map[int64]int{3: 4})
	authority.Release(big.NewInt(1), noon)
	authority.Revoke(big.NewInt(4), noon, testpki.ReasonUnspecified)
	authority.Release(big.NewInt(4), noon)
	expect("a released one is removed, one that the base never had is not named", delta(), 4, "020101", map[int64]int{3: 4, 1: 8})
	expect("the next base", full(), 5, "", map[int64]int{2: 0, 3: 4})
	expect("and nothing since", delta(), 6, "020105", nil)
	der, err := authority.DeltaCRL(testpki.CRLSpec{Base: big.NewInt(1)})
	expect("against the older base", parseCRL(t, der, err), 7, "020101", map[int64]int{3: 4, 1: 8})
}

func crlExtension(list *x509.RevocationList, oid string) string {
	for _, e := range list.Extensions {
		if e.Id.String() == oid {
			return hex.EncodeToString(e.Value)
		}
	}
	return ""
}

func TestCRLShapes(t *testing.T) {
	pki := testPKI(t)
	authority := pki.Issuer(testpki.Fort, testpki.Persons)
	other := pki.Issuer(testpki.Standard, testpki.Persons)
	idp := testpki.ExtensionIssuingDistributionPoint.String()
	for _, test := range []struct {
		name string
		spec testpki.CRLSpec
		want func(*x509.RevocationList) bool
	}{
		{"plain: the signature holds", testpki.CRLSpec{}, func(l *x509.RevocationList) bool { return l.CheckSignatureFrom(authority.Certificate) == nil }},
		{"corrupt signature", testpki.CRLSpec{CorruptSignature: true}, func(l *x509.RevocationList) bool { return l.CheckSignatureFrom(authority.Certificate) != nil }},
		{"signed by another", testpki.CRLSpec{Signer: other.Key}, func(l *x509.RevocationList) bool { return l.CheckSignatureFrom(authority.Certificate) != nil }},
		{"in another's name", testpki.CRLSpec{Issuer: other.Certificate.RawSubject}, func(l *x509.RevocationList) bool { return bytes.Equal(l.RawIssuer, other.Certificate.RawSubject) }},
		{"number of 20 bytes", testpki.CRLSpec{Number: new(big.Int).Lsh(big.NewInt(1), 158)}, func(l *x509.RevocationList) bool { return l.Number.BitLen() == 159 }},
		{"without number", testpki.CRLSpec{WithoutNumber: true}, func(l *x509.RevocationList) bool { return l.Number == nil }},
		{"without key identifier", testpki.CRLSpec{WithoutAuthorityKeyID: true}, func(l *x509.RevocationList) bool { return l.AuthorityKeyId == nil }},
		{"without nextUpdate", testpki.CRLSpec{WithoutNextUpdate: true}, func(l *x509.RevocationList) bool { return l.NextUpdate.IsZero() }},
		{"unknown critical extension", testpki.CRLSpec{Extensions: []pkix.Extension{testpki.UnknownCritical()}}, func(l *x509.RevocationList) bool { return l.Extensions[len(l.Extensions)-1].Critical }},
		{"only user certificates", testpki.CRLSpec{IssuingPoint: &testpki.IssuingPoint{OnlyUserCerts: true}}, func(l *x509.RevocationList) bool { return crlExtension(l, idp) == "30038101ff" }},
		{"only authorities", testpki.CRLSpec{IssuingPoint: &testpki.IssuingPoint{OnlyCACerts: true}}, func(l *x509.RevocationList) bool { return crlExtension(l, idp) == "30038201ff" }},
		{"some reasons", testpki.CRLSpec{IssuingPoint: &testpki.IssuingPoint{OnlySomeReasons: 0x60}}, func(l *x509.RevocationList) bool { return crlExtension(l, idp) == "300483020560" }},
		{"indirect", testpki.CRLSpec{IssuingPoint: &testpki.IssuingPoint{Indirect: true}}, func(l *x509.RevocationList) bool { return crlExtension(l, idp) == "30038401ff" }},
		{"only attribute certificates", testpki.CRLSpec{IssuingPoint: &testpki.IssuingPoint{OnlyAttributeCerts: true}}, func(l *x509.RevocationList) bool { return crlExtension(l, idp) == "30038501ff" }},
		{"named point", testpki.CRLSpec{IssuingPoint: &testpki.IssuingPoint{URIs: []string{"http://a/b"}}}, func(l *x509.RevocationList) bool {
			return crlExtension(l, idp) == "3010a00ea00c860a"+hex.EncodeToString([]byte("http://a/b"))
		}},
		{"entries of one's own", testpki.CRLSpec{Entries: []testpki.Entry{{Serial: big.NewInt(5), At: noon}, {Serial: big.NewInt(5), At: noon}}}, func(l *x509.RevocationList) bool { return len(l.RevokedCertificateEntries) == 2 }},
		{"a date past 2049", testpki.CRLSpec{NextUpdate: time.Date(2051, 1, 1, 0, 0, 0, 0, time.UTC)}, func(l *x509.RevocationList) bool { return l.NextUpdate.Year() == 2051 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			der, err := authority.CRL(test.spec)
			if list := parseCRL(t, der, err); !test.want(list) {
				t.Errorf("not the shape asked for: %x", list.RawTBSRevocationList)
			}
		})
	}
	if der, err := authority.CRL(testpki.CRLSpec{Version1: true}); err != nil {
		t.Error(err)
	} else if _, err := x509.ParseRevocationList(der); err == nil {
		t.Error("version 1: crypto/x509 takes version 2 only, so this cannot be version 1")
	}
}

func TestLargeCRL(t *testing.T) {
	authority := fortPersons(t)
	for _, test := range []struct {
		name string
		spec testpki.LargeCRLSpec
	}{
		{"random", testpki.LargeCRLSpec{Entries: 5000}},
		{"one entry", testpki.LargeCRLSpec{Entries: 1, Shuffled: true}},
		{"sequential", testpki.LargeCRLSpec{Entries: 5000, Pattern: testpki.SequentialSerials}},
		{"sequential and shuffled", testpki.LargeCRLSpec{Entries: 5000, Pattern: testpki.SequentialSerials, Shuffled: true}},
		{"clustered, some with reasons", testpki.LargeCRLSpec{Entries: 5000, Pattern: testpki.ClusteredSerials, Clusters: 3, ReasonEvery: 7}},
		{"a delta, and an entry of one's own", testpki.LargeCRLSpec{
			Entries: 300, Also: []testpki.Entry{{Serial: big.NewInt(99), At: noon, Reason: testpki.ReasonRemoveFromCRL}},
			CRL: testpki.CRLSpec{Base: big.NewInt(1)},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			err := testpki.WriteLargeCRL(&out, authority, test.spec)
			list := parseCRL(t, out.Bytes(), err)
			if err := list.CheckSignatureFrom(authority.Certificate); err != nil {
				t.Error(err)
			}
			checkLarge(t, list, test.spec)
		})
	}
	if err := testpki.WriteLargeCRL(&bytes.Buffer{}, authority, testpki.LargeCRLSpec{}); err == nil {
		t.Error("made a CRL of no entries")
	}
}

// checkLarge compares the entries to what Serial says, in sets: each serial of
// 16 bytes, none twice, none missing.
func checkLarge(t *testing.T, list *x509.RevocationList, spec testpki.LargeCRLSpec) {
	t.Helper()
	entries := list.RevokedCertificateEntries[len(spec.Also):]
	if len(entries) != spec.Entries {
		t.Fatalf("%d entries, want %d", len(entries), spec.Entries)
	}
	seen := map[string]bool{}
	reasons := 0
	for _, e := range entries {
		seen[string(e.SerialNumber.Bytes())] = true
		if e.ReasonCode != 0 {
			reasons++
		}
		if e.RevocationTime.After(list.ThisUpdate) {
			t.Fatalf("revoked at %v, after thisUpdate", e.RevocationTime)
		}
	}
	for i := range spec.Entries {
		serial := spec.Serial(i).Bytes()
		if len(serial) != 16 || !seen[string(serial)] {
			t.Fatalf("serial %d, %x: missing, or not 16 bytes", i, serial)
		}
	}
	if len(seen) != spec.Entries || seen[string(spec.Serial(spec.Entries).Bytes())] {
		t.Errorf("%d different serials, want %d", len(seen), spec.Entries)
	}
	if spec.ReasonEvery > 0 && reasons != (spec.Entries+spec.ReasonEvery-1)/spec.ReasonEvery {
		t.Errorf("%d reasons", reasons)
	}
	ordered := slices.IsSortedFunc(entries, func(a, b x509.RevocationListEntry) int { return a.SerialNumber.Cmp(b.SerialNumber) })
	if want := spec.Pattern == testpki.SequentialSerials && !spec.Shuffled; spec.Entries > 1 && ordered != want {
		t.Errorf("in order: %v, want %v", ordered, want)
	}
}

type discard struct{ n int64 }

func (d *discard) Write(p []byte) (int, error) { d.n += int64(len(p)); return len(p), nil }

// BenchmarkLargeCRL is for a CRL of the size to be planned for in production.
func BenchmarkLargeCRL(b *testing.B) {
	pki, err := testpki.New(testpki.Options{Test: true})
	if err != nil {
		b.Fatal(err)
	}
	authority := pki.Issuer(testpki.Fort, testpki.Persons)
	for b.Loop() {
		var out discard
		if err := testpki.WriteLargeCRL(&out, authority, testpki.LargeCRLSpec{Entries: 2_000_000}); err != nil {
			b.Fatal(err)
		}
		b.SetBytes(out.n)
	}
}
