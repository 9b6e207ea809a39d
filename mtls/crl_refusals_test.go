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
	"strings"
	"testing"
	"testing/iotest"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// What each malformed CRL is refused as.
func TestReadCRLRefusals(t *testing.T) {
	ca := crlAuthority(t)
	der := makeCRL(t, ca, testpki.CRLSpec{Entries: entries(1, 2, 3)})
	text := pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
	crl := func(spec testpki.CRLSpec) []byte { return makeCRL(t, ca, spec) }
	long := []testpki.Entry{{Serial: new(big.Int).Lsh(big.NewInt(1), 160), At: crlNow}}
	twice := []pkix.Extension{{Id: testpki.ExtensionCRLNumber, Value: []byte{2, 1, 9}}}
	for name, tt := range map[string]struct {
		der    []byte
		limits mtls.CRLLimits
		want   mtls.CRLFault
	}{
		"empty":                        {nil, mtls.CRLLimits{}, mtls.CRLTruncated},
		"HTML instead":                 {[]byte("<html><body>Portail captif</body></html>"), mtls.CRLLimits{}, mtls.CRLMalformed},
		"truncated in the entries":     {der[:len(der)-700], mtls.CRLLimits{}, mtls.CRLTruncated},
		"truncated in the signature":   {der[:len(der)-1], mtls.CRLLimits{}, mtls.CRLTruncated},
		"PEM truncated":                {text[:len(text)-40], mtls.CRLLimits{}, mtls.CRLTruncated},
		"PEM with a stray character":   {bytes.Replace(text, []byte("A"), []byte("*"), 1), mtls.CRLLimits{}, mtls.CRLMalformed},
		"trailing octets":              {append(bytes.Clone(der), 0), mtls.CRLLimits{}, mtls.CRLTrailing},
		"two CRLs":                     {append(bytes.Clone(der), der...), mtls.CRLLimits{}, mtls.CRLTrailing},
		"two PEM blocks":               {append(bytes.Clone(text), text...), mtls.CRLLimits{}, mtls.CRLTrailing},
		"larger than allowed":          {der, mtls.CRLLimits{MaxBytes: 600}, mtls.CRLTooLarge},
		"more entries than allowed":    {der, mtls.CRLLimits{MaxEntries: 2}, mtls.CRLTooManyEntries},
		"announces a petabyte":         {[]byte{0x30, 0x85, 0xff, 0xff, 0xff, 0xff, 0xff}, mtls.CRLLimits{}, mtls.CRLTooLarge},
		"indefinite length":            {[]byte{0x30, 0x80, 0, 0}, mtls.CRLLimits{}, mtls.CRLMalformed},
		"length not the shortest":      {[]byte{0x30, 0x81, 0x01, 0}, mtls.CRLLimits{}, mtls.CRLMalformed},
		"a certificate instead":        {ca.Certificate.Raw, mtls.CRLLimits{}, mtls.CRLVersion},
		"version 1":                    {crl(testpki.CRLSpec{Version1: true}), mtls.CRLLimits{}, mtls.CRLVersion},
		"negative serial":              {crl(testpki.CRLSpec{Entries: entries(5, -5)}), mtls.CRLLimits{}, mtls.CRLNegativeSerial},
		"serial of 21 octets":          {crl(testpki.CRLSpec{Entries: long}), mtls.CRLLimits{}, mtls.CRLSerialTooLong},
		"a serial twice":               {crl(testpki.CRLSpec{Entries: entries(5, 6, 5)}), mtls.CRLLimits{}, mtls.CRLDuplicateSerial},
		"an extension twice":           {crl(testpki.CRLSpec{Extensions: twice}), mtls.CRLLimits{}, mtls.CRLDuplicateExtension},
		"extensions without number":    {crl(testpki.CRLSpec{Extensions: distinct(40)}), mtls.CRLLimits{}, mtls.CRLTooManyExtensions},
		"the same in an entry":         {crl(testpki.CRLSpec{Entries: []testpki.Entry{{Serial: big.NewInt(4), At: crlNow, Extensions: distinct(33)}}}), mtls.CRLLimits{}, mtls.CRLTooManyExtensions},
		"removeFromCRL without a base": {crl(testpki.CRLSpec{Entries: []testpki.Entry{{Serial: big.NewInt(4), At: crlNow, Reason: testpki.ReasonRemoveFromCRL}}}), mtls.CRLLimits{}, mtls.CRLRemoveOutsideDelta},
		"fields in another order":      {reordered(t, der), mtls.CRLLimits{}, mtls.CRLMalformed},
		"SHA-1":                        {crl(testpki.CRLSpec{Digest: crypto.SHA1}), mtls.CRLLimits{}, mtls.CRLWeakHash},
		"another algorithm outside":    {otherAlgorithm(t, der), mtls.CRLLimits{}, mtls.CRLAlgorithmMismatch},
	} {
		_, err := mtls.ReadCRL(bytes.NewReader(tt.der), tt.limits)
		var refused *mtls.CRLError
		if !errors.Is(err, tt.want) || !errors.As(err, &refused) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}

// distinct are so many extensions, each another.
func distinct(n int) []pkix.Extension {
	all := make([]pkix.Extension, n)
	for i := range all {
		all[i] = pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 250, i}, Value: []byte{5, 0}}
	}
	return all
}

// TestReadCRLExtensions: as many as are allowed are read.
func TestReadCRLExtensions(t *testing.T) {
	der := makeCRL(t, crlAuthority(t), testpki.CRLSpec{Entries: []testpki.Entry{{Serial: big.NewInt(4), At: crlNow, Extensions: distinct(32)}}, Extensions: distinct(20)})
	if list := readCRL(t, der); list.Len() != 1 {
		t.Errorf("%d entries", list.Len())
	}
}

func TestReadCRLSourceFails(t *testing.T) {
	broken := errors.New("connection reset")
	der := makeCRL(t, crlAuthority(t), testpki.CRLSpec{Entries: entries(1)})
	for name, r := range map[string]io.Reader{
		"at once":            iotest.ErrReader(broken),
		"in the middle":      io.MultiReader(bytes.NewReader(der[:50]), iotest.ErrReader(broken)),
		"in the middle, PEM": io.MultiReader(strings.NewReader("-----BEGIN X509 CRL-----\nMII"), iotest.ErrReader(broken)),
	} {
		if _, err := mtls.ReadCRL(r, mtls.CRLLimits{}); !errors.Is(err, mtls.CRLUnreadable) || !errors.Is(err, broken) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// tbsFields splits a CRL into the elements of tbsCertList, and what follows it.
func tbsFields(t *testing.T, der []byte) (fields []asn1.RawValue, rest []byte) {
	t.Helper()
	var outer, tbs asn1.RawValue
	if _, err := asn1.Unmarshal(der, &outer); err != nil {
		t.Fatal(err)
	}
	rest, err := asn1.Unmarshal(outer.Bytes, &tbs)
	if err != nil {
		t.Fatal(err)
	}
	for in := tbs.Bytes; len(in) > 0; {
		var field asn1.RawValue
		if in, err = asn1.Unmarshal(in, &field); err != nil {
			t.Fatal(err)
		}
		fields = append(fields, field)
	}
	return fields, rest
}

func joined(t *testing.T, fields []asn1.RawValue, rest []byte) []byte {
	t.Helper()
	tbs, err := asn1.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	der, err := asn1.Marshal(asn1.RawValue{Tag: asn1.TagSequence, IsCompound: true, Bytes: append(tbs, rest...)})
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// reordered puts the extensions before the entries.
func reordered(t *testing.T, der []byte) []byte {
	fields, rest := tbsFields(t, der)
	n := len(fields)
	fields[n-1], fields[n-2] = fields[n-2], fields[n-1]
	return joined(t, fields, rest)
}

func otherAlgorithm(t *testing.T, der []byte) []byte {
	fields, rest := tbsFields(t, der)
	changed := bytes.Clone(rest)
	changed[2+2+9-1] = 12 // sha384WithRSAEncryption
	return joined(t, fields, changed)
}
