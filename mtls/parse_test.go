package mtls_test

import (
	"bytes"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

func name(pairs ...any) pkix.Name {
	var n pkix.Name
	for i := 0; i < len(pairs); i += 2 {
		n.Names = append(n.Names, pkix.AttributeTypeAndValue{Type: pairs[i].(asn1.ObjectIdentifier), Value: pairs[i+1]})
	}
	return n
}

func TestParseSubject(t *testing.T) {
	cn, sn, gn, ou := testpki.AttributeCommonName, testpki.AttributeSurname, testpki.AttributeGivenName, testpki.AttributeUnit
	s, err := mtls.ParseSubject(name(testpki.AttributeCountry, "FR", ou, "SERVICE EXEMPLE", ou, "10B0099999", gn, "ANNE", sn, "EXEMPLE", cn, "899900000042", asn1.ObjectIdentifier{2, 5, 4, 99}, 5))
	if err != nil {
		t.Fatal(err)
	}
	if s.CommonName != "899900000042" || s.FamilyName != "EXEMPLE" || s.GivenName != "ANNE" || s.Country != "FR" || s.Structure() != "10B0099999" || !s.Nominative() {
		t.Errorf("%+v, structure %q", s, s.Structure())
	}
	for rule, n := range map[string]pkix.Name{
		"twice":                  name(cn, "a", cn, "b"),
		"empty":                  name(sn, ""),
		"blank":                  name(sn, "  "),
		"not a string":           name(sn, 5),
		"not UTF-8":              name(sn, "\xff"),
		"a line break":           name(gn, "ANNE\nMarie"),
		"a bidirectional mark":   name(gn, "ANNE\u202e"),
		"a zero-width character": name(ou, "10B\u200b0099999"),
		"oversized":              name(sn, strings.Repeat("A", 513)),
	} {
		if s, err := mtls.ParseSubject(n); err == nil {
			t.Errorf("%s: %+v", rule, s)
		}
	}
}

func TestNames(t *testing.T) {
	der := testpki.Name{
		testpki.Single(testpki.AttributeCountry, "FR"),
		{{Type: testpki.AttributeGivenName, Value: "ANNE"}, {Type: testpki.AttributeCommonName, Value: " a+b,c\\\n#"}},
		{{Type: asn1.ObjectIdentifier{1, 2, 3}, Value: "#x "}},
	}.DER()
	if got, want := mtls.FormatName(der), `1.2.3=\#x\ ,GN=ANNE+CN=\ a\+b\,c\\\0A#,C=FR`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got := mtls.FormatName([]byte{0x30, 0x05}); got != "#3005" {
		t.Errorf("unreadable: %s", got)
	}
	if _, err := mtls.ReadName(append(der, 0)); err == nil {
		t.Error("trailing bytes accepted")
	}
}

func TestSerials(t *testing.T) {
	for _, n := range []int64{0, 1, 255, 1 << 40} {
		text := mtls.FormatSerial(big.NewInt(n))
		if back, ok := mtls.ParseSerial(text); !ok || back.Int64() != n {
			t.Errorf("%d became %q became %v", n, text, back)
		}
	}
	if got := mtls.FormatSerial(big.NewInt(0xABC)); got != "ABC" {
		t.Errorf("ABC became %s", got)
	}
	for _, bad := range []string{"", "-1", "+1", "1_0", "XYZ", strings.Repeat("A", 129)} {
		if n, ok := mtls.ParseSerial(bad); ok {
			t.Errorf("%q became %v", bad, n)
		}
	}
}

func san(der ...byte) []pkix.Extension {
	return []pkix.Extension{{Id: testpki.ExtensionSubjectAltName, Value: der}}
}

func TestParseUPN(t *testing.T) {
	good := testpki.UPN("899900000042@carte-cps.fr")
	if upn, err := mtls.ParseUPN([]pkix.Extension{good}); err != nil || upn != "899900000042@carte-cps.fr" {
		t.Errorf("%q, %v", upn, err)
	}
	if upn, err := mtls.ParseUPN(nil); err != nil || upn != "" {
		t.Errorf("absent: %q, %v", upn, err)
	}
	if upn, err := mtls.ParseUPN(san(0x30, 3, 0x82, 1, 'a')); err != nil || upn != "" {
		t.Errorf("another kind of name: %q, %v", upn, err)
	}
	inner := good.Value[2:]
	twice := append([]byte{0x30, byte(2 * len(inner))}, append(bytes.Clone(inner), inner...)...)
	for rule, der := range map[string][]byte{
		"two of them":    twice,
		"empty":          {},
		"not a sequence": {0x31, 0},
		"trailing bytes": append(bytes.Clone(good.Value), 0),
		"truncated":      good.Value[:len(good.Value)-1],
		"not a type":     {0x30, 4, 0xa0, 2, 0x05, 0x00},
	} {
		if upn, err := mtls.ParseUPN(san(der...)); err == nil {
			t.Errorf("%s: %q", rule, upn)
		}
	}
	latin := bytes.ReplaceAll(good.Value, []byte{0x0c, 25}, []byte{0x16, 25}) // IA5String in place of UTF8String
	if upn, err := mtls.ParseUPN(san(latin...)); err == nil {
		t.Errorf("IA5String: %q", upn)
	}
}

func TestCategories(t *testing.T) {
	for category, want := range map[mtls.Category]string{
		0x00: "card", 0x02: "module", 0x03: "software", 0x80: "card (TEST)", 0x83: "software (TEST)", 0x07: "unknown category 07",
	} {
		if got := category.String(); got != want {
			t.Errorf("%02x: %q, want %q", byte(category), got, want)
		}
	}
}

func TestReadCertificates(t *testing.T) {
	pki := newPKI(t, false)
	der := newCard(t, pki, testpki.CardSpec{}).DER
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})
	for rule, test := range map[string]struct {
		data  []byte
		count int
	}{
		"DER":                      {der, 1},
		"PEM":                      {block, 1},
		"PEM in a text, twice":     {bytes.Join([][]byte{[]byte("0 s:CN=x"), block, []byte("and"), block}, []byte("\n")), 2},
		"PEM beside another block": {append(bytes.Clone(key), block...), 1},
	} {
		found, err := mtls.ReadCertificates(test.data)
		if err != nil || len(found) != test.count {
			t.Errorf("%s: %d certificates, %v", rule, len(found), err)
		}
	}
	for rule, data := range map[string][]byte{"empty": nil, "text": []byte("bonjour"), "a key": key} {
		if _, err := mtls.ReadCertificates(data); !errors.Is(err, mtls.ErrNoCertificate) {
			t.Errorf("%s: %v", rule, err)
		}
	}
	for rule, data := range map[string][]byte{
		"truncated DER": der[:len(der)-1],
		"broken PEM":    pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der[1:]}),
		"oversized":     bytes.Repeat([]byte("-"), mtls.MaxCertificateFile+1),
	} {
		if found, err := mtls.ReadCertificates(data); err == nil || errors.Is(err, mtls.ErrNoCertificate) {
			t.Errorf("%s: %d, %v", rule, len(found), err)
		}
	}
}

// A point named relative to the issuer is read, and the signature still holds
// over the certificate as it came.
func TestRelativeDistributionPoint(t *testing.T) {
	leaf, err := mtls.ReadCertificates(pkitsFile(t, "certs/ValiddistributionPointTest5EE.crt"))
	if err != nil {
		t.Fatal(err)
	}
	issuer, err := mtls.ReadCertificates(pkitsFile(t, "certs/distributionPoint2CACert.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(leaf[0].Raw, pkitsFile(t, "certs/ValiddistributionPointTest5EE.crt")) {
		t.Error("the certificate's bytes were changed")
	}
	if err := leaf[0].CheckSignatureFrom(issuer[0]); err != nil {
		t.Error(err)
	}
	changed := bytes.Clone(leaf[0].Raw)
	changed[bytes.Index(changed, []byte{0x55, 0x1d, 31})+10] ^= 1
	if c, err := mtls.ParseCertificate(changed); err == nil && c.CheckSignatureFrom(issuer[0]) == nil {
		t.Error("a changed distribution point passes for signed")
	}
}

// The bytes of the extension stand once more before it, in another one: what
// would be changed is not the extension, and nothing is accepted.
func TestRelativeDistributionPointTwice(t *testing.T) {
	pki := newPKI(t, false)
	source, err := mtls.ReadCertificates(pkitsFile(t, "certs/ValiddistributionPointTest5EE.crt"))
	if err != nil {
		t.Fatal(err)
	}
	var points pkix.Extension
	for _, e := range source[0].Extensions {
		if e.Id.Equal(testpki.ExtensionCRLPoints) {
			points = e
		}
	}
	whole, err := asn1.Marshal(points)
	if err != nil {
		t.Fatal(err)
	}
	alone := altered(t, pki, func(c *testpki.Template) { c.Set(points) })
	if _, err := mtls.ParseCertificate(alone); err != nil {
		t.Errorf("once: %v", err)
	}
	twice := altered(t, pki, func(c *testpki.Template) {
		c.Set(points)
		c.Extensions = append([]pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3, 4}, Value: whole}}, c.Extensions...)
	})
	if _, err := mtls.ParseCertificate(twice); err == nil {
		t.Error("read with the wrong bytes changed")
	}
}
