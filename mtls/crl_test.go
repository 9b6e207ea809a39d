package mtls_test

import (
	"bytes"
	"crypto"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

var crlNow = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

func crlPKI(t testing.TB) *testpki.PKI {
	t.Helper()
	pki, err := testpki.New(testpki.Options{Test: true, Now: func() time.Time { return crlNow }})
	if err != nil {
		t.Fatal(err)
	}
	return pki
}

func crlAuthority(t testing.TB) *testpki.Authority {
	return crlPKI(t).Issuer(testpki.Fort, testpki.Persons)
}

func makeCRL(t testing.TB, a *testpki.Authority, spec testpki.CRLSpec) []byte {
	t.Helper()
	der, err := a.CRL(spec)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func entries(serials ...int64) (list []testpki.Entry) {
	for _, s := range serials {
		list = append(list, testpki.Entry{Serial: big.NewInt(s), At: crlNow.Add(-72 * time.Hour)})
	}
	return list
}

func readCRL(t testing.TB, der []byte) *mtls.CRL {
	t.Helper()
	list, err := mtls.ReadCRL(bytes.NewReader(der), mtls.CRLLimits{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestReadCRL(t *testing.T) {
	ca := crlAuthority(t)
	der := makeCRL(t, ca, testpki.CRLSpec{
		Number: big.NewInt(1287),
		Entries: []testpki.Entry{
			{Serial: big.NewInt(7), At: crlNow.Add(-30 * time.Hour)},
			{Serial: big.NewInt(1 << 40), At: crlNow.Add(-48 * time.Hour), Reason: testpki.ReasonKeyCompromise},
		},
		IssuingPoint: &testpki.IssuingPoint{URIs: []string{"http://crl.example/a.crl"}, OnlyUserCerts: true},
	})
	list := readCRL(t, der)
	if err := list.CheckSignature(ca.Certificate); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(list.Issuer, ca.Certificate.RawSubject) || !bytes.Equal(list.AuthorityKeyID, ca.Certificate.SubjectKeyId) {
		t.Error("issuer or authority key identifier differ")
	}
	if list.Number.Int64() != 1287 || list.IsDelta() || list.Len() != 2 || list.Size != int64(len(der)) || list.Hash() != crypto.SHA256 {
		t.Errorf("number %s, delta %t, %d entries, %d octets, %s", list.Number, list.IsDelta(), list.Len(), list.Size, list.Hash())
	}
	if !list.ThisUpdate.Equal(crlNow) || !list.NextUpdate.Equal(crlNow.AddDate(0, 0, 6)) {
		t.Errorf("updates %s, %s", list.ThisUpdate, list.NextUpdate)
	}
	point := list.IssuingDistributionPoint
	if point == nil || !point.OnlyContainsUserCerts || point.OnlyContainsCACerts || point.Indirect || point.OnlySomeReasons || len(point.FullName) != 1 {
		t.Errorf("issuing distribution point %+v", point)
	}
	entry, found := list.Find(big.NewInt(7))
	if want := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC); !found || entry.Reason != mtls.ReasonUnspecified || !entry.Date.Equal(want) {
		t.Errorf("entry 7: %v %t", entry, found)
	}
	if entry, found := list.Find(big.NewInt(1 << 40)); !found || entry.Reason != mtls.ReasonKeyCompromise {
		t.Errorf("entry 1<<40: %v %t", entry, found)
	}
	for _, absent := range []*big.Int{nil, big.NewInt(0), big.NewInt(8), big.NewInt(-7), new(big.Int).Lsh(big.NewInt(7), 200)} {
		if _, found := list.Find(absent); found {
			t.Errorf("found %s", absent)
		}
	}
}

// The real CRL of the TEST branch, PEM.
func TestReadCRLOfIGCSante(t *testing.T) {
	file, err := os.Open("testdata/igc-sante/crl/CRL-TEST-EL-ORG-2019.pem")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	list, err := mtls.ReadCRL(file, mtls.CRLLimits{})
	if err != nil {
		t.Fatal(err)
	}
	serial, _ := new(big.Int).SetString("1D5DE25E3DC14BDE3FCF4B5AC7803C9B", 16)
	if _, found := list.Find(serial); !found || list.Number.Int64() != 1287 || list.Len() < 900 {
		t.Errorf("number %s, %d entries, first found: %t", list.Number, list.Len(), found)
	}
	if err := list.CheckSignature(readCertificateFile(t, "testdata/igc-sante/ca/TEST-ACI-EL-ORG.pem")); err != nil {
		t.Error(err)
	}
	if err := list.CheckSignature(readCertificateFile(t, "testdata/igc-sante/ca/TEST-ACI-ST-PP.pem")); !errors.Is(err, mtls.CRLSignature) {
		t.Errorf("signed by another: %v", err)
	}
}

func TestReadCRLForms(t *testing.T) {
	ca := crlAuthority(t)
	der := makeCRL(t, ca, testpki.CRLSpec{Entries: entries(1, 2, 3)})
	text := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
	for name, r := range map[string]io.Reader{
		"DER":                            bytes.NewReader(der),
		"DER, an octet at a time":        iotest.OneByteReader(bytes.NewReader(der)),
		"PEM":                            bytes.NewReader(text),
		"PEM, an octet at a time":        iotest.OneByteReader(bytes.NewReader(text)),
		"PEM with CRLF":                  strings.NewReader(strings.ReplaceAll(string(text), "\n", "\r\n")),
		"PEM behind its text form":       io.MultiReader(strings.NewReader("Certificate Revocation List (CRL):\n    Version 2\n"), bytes.NewReader(text)),
		"PEM without a last end of line": bytes.NewReader(bytes.TrimSpace(text)),
	} {
		list, err := mtls.ReadCRL(r, mtls.CRLLimits{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := list.CheckSignature(ca.Certificate); err != nil || list.Len() != 3 {
			t.Errorf("%s: %d entries, %v", name, list.Len(), err)
		}
	}
}

func TestCRLUnknownExtensions(t *testing.T) {
	ca := crlAuthority(t)
	private := asn1.ObjectIdentifier{1, 2, 3, 4}
	unknown := func(critical bool) []pkix.Extension {
		return []pkix.Extension{{Id: private, Critical: critical, Value: []byte{5, 0}}}
	}
	for name, tt := range map[string]struct {
		spec          testpki.CRLSpec
		list, entries int
	}{
		"none":                           {testpki.CRLSpec{Entries: entries(1)}, 0, 0},
		"of the CRL, not critical":       {testpki.CRLSpec{Extensions: unknown(false)}, 0, 0},
		"of the CRL, critical":           {testpki.CRLSpec{Extensions: unknown(true)}, 1, 0},
		"of an entry, not critical":      {testpki.CRLSpec{Entries: []testpki.Entry{{Serial: big.NewInt(1), At: crlNow, Extensions: unknown(false)}}}, 0, 0},
		"of two entries, critical, once": {testpki.CRLSpec{Entries: []testpki.Entry{{Serial: big.NewInt(1), At: crlNow, Extensions: unknown(true)}, {Serial: big.NewInt(2), At: crlNow, Extensions: unknown(true)}}}, 0, 1},
	} {
		list := readCRL(t, makeCRL(t, ca, tt.spec))
		if len(list.UnknownCritical) != tt.list || len(list.UnknownCriticalEntry) != tt.entries {
			t.Errorf("%s: %v, %v", name, list.UnknownCritical, list.UnknownCriticalEntry)
		}
	}
}

func TestCRLScope(t *testing.T) {
	ca := crlAuthority(t)
	for name, tt := range map[string]struct {
		point testpki.IssuingPoint
		good  func(*mtls.IssuingDistributionPoint) bool
	}{
		"CAs only":        {testpki.IssuingPoint{OnlyCACerts: true}, func(p *mtls.IssuingDistributionPoint) bool { return p.OnlyContainsCACerts }},
		"attributes only": {testpki.IssuingPoint{OnlyAttributeCerts: true}, func(p *mtls.IssuingDistributionPoint) bool { return p.OnlyContainsAttributeCerts }},
		"some reasons":    {testpki.IssuingPoint{OnlySomeReasons: 0x60}, func(p *mtls.IssuingDistributionPoint) bool { return p.OnlySomeReasons }},
		"indirect":        {testpki.IssuingPoint{Indirect: true}, func(p *mtls.IssuingDistributionPoint) bool { return p.Indirect }},
		"relative name":   {testpki.IssuingPoint{RelativeName: true}, func(p *mtls.IssuingDistributionPoint) bool { return p.RelativeName != nil && p.FullName == nil }},
		"two URIs": {testpki.IssuingPoint{URIs: []string{"http://a.example/", "ldap://b.example/"}}, func(p *mtls.IssuingDistributionPoint) bool {
			return len(p.FullName) == 2 && p.RelativeName == nil
		}},
	} {
		list := readCRL(t, makeCRL(t, ca, testpki.CRLSpec{IssuingPoint: &tt.point}))
		if point := list.IssuingDistributionPoint; point == nil || !tt.good(point) {
			t.Errorf("%s: %+v", name, point)
		}
	}
}

func TestCRLSerials(t *testing.T) {
	ca := crlAuthority(t)
	widths := []testpki.Entry{{Serial: big.NewInt(0), At: crlNow}}
	for octets := 1; octets <= 20; octets++ {
		low := new(big.Int).Lsh(big.NewInt(1), uint(8*octets-8))
		high := new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), uint(8*octets)), big.NewInt(1))
		widths = append(widths, testpki.Entry{Serial: low, At: crlNow}, testpki.Entry{Serial: high, At: crlNow, Reason: testpki.ReasonSuperseded})
	}
	widths = append(widths, entries(-1, -255, -1<<40)...)
	list, err := mtls.ReadCRL(bytes.NewReader(makeCRL(t, ca, testpki.CRLSpec{Entries: widths})), mtls.CRLLimits{AllowNegativeSerials: true})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for serial := range list.Entries() {
		seen[serial.String()] = true
	}
	for _, entry := range widths {
		got, found := list.Find(entry.Serial)
		if !found || int(got.Reason) != entry.Reason || !seen[entry.Serial.String()] {
			t.Errorf("serial %x: %v %t", entry.Serial, got, found)
		}
		above := new(big.Int).Add(entry.Serial, big.NewInt(3))
		if _, found := list.Find(above); found && !seen[above.String()] {
			t.Errorf("serial %x found", above)
		}
	}
	if len(seen) != len(widths) || list.Len() != len(widths) {
		t.Errorf("%d entries, %d different, want %d", list.Len(), len(seen), len(widths))
	}
	if _, found := list.Find(big.NewInt(-2)); found {
		t.Error("found -2")
	}
}

func TestCRLDates(t *testing.T) {
	ca := crlAuthority(t)
	day := func(y, m, d int) time.Time { return time.Date(y, time.Month(m), d, 0, 0, 0, 0, time.UTC) }
	list := readCRL(t, makeCRL(t, ca, testpki.CRLSpec{Entries: []testpki.Entry{
		{Serial: big.NewInt(1), At: crlNow.Add(-time.Hour)},
		{Serial: big.NewInt(2), At: day(2024, 2, 29).Add(86399 * time.Second)},
		{Serial: big.NewInt(3), At: day(1999, 12, 31)},
		{Serial: big.NewInt(4), At: day(2051, 1, 1)},
		{Serial: big.NewInt(5), At: day(2015, 3, 2)},
	}}))
	for serial, want := range map[int64]time.Time{1: day(2026, 3, 2), 2: day(2024, 2, 29), 3: {}, 4: day(2026, 3, 2), 5: day(2015, 3, 2)} {
		if entry, found := list.Find(big.NewInt(serial)); !found || !entry.Date.Equal(want) {
			t.Errorf("%d: %v %t, want %s", serial, entry, found, want)
		}
	}
}

func TestDeltaCRL(t *testing.T) {
	ca := crlAuthority(t)
	ca.Revoke(big.NewInt(11), crlNow, testpki.ReasonCertificateHold)
	ca.Revoke(big.NewInt(12), crlNow, testpki.ReasonKeyCompromise)
	base := readCRL(t, makeCRL(t, ca, testpki.CRLSpec{}))
	ca.Release(big.NewInt(11), crlNow)
	ca.Revoke(big.NewInt(13), crlNow, testpki.ReasonSuperseded)
	der, err := ca.DeltaCRL(testpki.CRLSpec{})
	if err != nil {
		t.Fatal(err)
	}
	delta := readCRL(t, der)
	if !delta.IsDelta() || base.IsDelta() || delta.BaseNumber.Cmp(base.Number) != 0 {
		t.Errorf("base %s, delta %s on %s", base.Number, delta.Number, delta.BaseNumber)
	}
	if entry, found := delta.Find(big.NewInt(11)); !found || entry.Reason != mtls.ReasonRemoveFromCRL {
		t.Errorf("released: %v %t", entry, found)
	}
	var added []string
	for serial, entry := range delta.Added(base) {
		added = append(added, serial.String()+" "+entry.Reason.String())
	}
	if strings.Join(added, ",") != "13 superseded" {
		t.Errorf("added %v", added)
	}
}

func FuzzReadCRL(f *testing.F) {
	ca := crlAuthority(f)
	seeds := []testpki.CRLSpec{
		{},
		{Entries: entries(1, 300, -4)},
		{Entries: []testpki.Entry{{Serial: big.NewInt(9), At: crlNow, Reason: 1, Extensions: []pkix.Extension{{Id: testpki.ExtensionCertificateIssuer, Critical: true, Value: []byte{0x30, 0}}}}}},
		{IssuingPoint: &testpki.IssuingPoint{URIs: []string{"ldap://x/"}, OnlyUserCerts: true, OnlySomeReasons: 0x10}, WithoutNextUpdate: true},
		{Base: big.NewInt(3), Entries: []testpki.Entry{{Serial: new(big.Int).Lsh(big.NewInt(3), 150), At: crlNow}}},
	}
	for _, spec := range seeds {
		der := makeCRL(f, ca, spec)
		f.Add(der)
		f.Add(pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der}))
	}
	f.Fuzz(compareWithX509)
}
