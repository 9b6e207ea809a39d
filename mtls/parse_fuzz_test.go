package mtls_test

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

func FuzzParseCertificate(f *testing.F) {
	for _, name := range []string{
		"testdata/igc-sante/leaf/TEST-CPE-2600301752-AUTH.pem", "testdata/igc-sante/leaf/TEST-CPS-FORT-medecin-899900063480.pem",
		"testdata/igc-sante/ca/TEST-ACI-ST-PP.pem", pkits + "/certs/ValiddistributionPointTest5EE.crt", pkits + "/certs/nameConstraintsRFC822CA1Cert.crt",
	} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		if block, _ := pem.Decode(data); block != nil {
			f.Add(block.Bytes)
		}
	}
	trust, err := mtls.DefaultTrust()
	if err != nil {
		f.Fatal(err)
	}
	v := newVerifier(f, trust, mtls.Policy{}, nil)
	f.Fuzz(func(t *testing.T, data []byte) {
		certificates, err := mtls.ReadCertificates(data)
		if err != nil {
			return
		}
		for _, c := range certificates {
			claims := mtls.ReadClaims(c)
			for _, extension := range c.Extensions {
				claims.Meaning(extension)
			}
			if who := claims.Unverified(); !utf8.ValidString(who.Professional.FamilyName) {
				t.Error("a name that is not UTF-8")
			}
			if holder, err := v.Verify(mtls.Leaf{DER: c.Raw}, today()); err == nil {
				t.Errorf("accepted %+v without evidence", holder)
			}
		}
	})
}

func FuzzParseUPN(f *testing.F) {
	f.Add(testpki.UPN("899900000042@carte-cps.fr").Value)
	f.Add([]byte{0x30, 4, 0xa0, 2, 0x05, 0x00})
	f.Fuzz(func(t *testing.T, der []byte) {
		if upn, err := mtls.ParseUPN(san(der...)); err == nil && (!utf8.ValidString(upn) || strings.ContainsAny(upn, "\x00\n\r")) {
			t.Errorf("%q", upn)
		}
	})
}

func FuzzParseCardExtensions(f *testing.F) {
	for _, e := range []pkix.Extension{
		testpki.Category(0x80), testpki.TokenID("8025000001/2600000001"), testpki.Specialties("SM26", "SCD01"), testpki.Integer(testpki.ExtensionProfession, 60),
	} {
		f.Add(e.Value)
	}
	ids := []asn1.ObjectIdentifier{
		testpki.ExtensionCategory, testpki.ExtensionCardType, testpki.ExtensionTokenID,
		testpki.ExtensionProfession, testpki.ExtensionFutureProfession, testpki.ExtensionSpecialties,
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		for _, id := range ids {
			e, err := mtls.ParseCardExtensions([]pkix.Extension{{Id: id, Value: der}})
			if err == nil && len(der) == 0 {
				t.Errorf("%s: %+v of nothing", id, e)
			}
			if e.TokenID != "" && len(e.TokenID) != 21 {
				t.Errorf("token id %q", e.TokenID)
			}
		}
	})
}

func FuzzParseSubject(f *testing.F) {
	f.Add(testpki.Name{testpki.Single(testpki.AttributeCommonName, "899900000042")}.DER())
	f.Fuzz(func(t *testing.T, der []byte) {
		text := mtls.FormatName(der)
		if strings.ContainsAny(text, "\n\r\x00") {
			t.Errorf("%q", text)
		}
		sequence, err := mtls.ReadName(der)
		if err != nil {
			return
		}
		var n pkix.Name
		n.FillFromRDNSequence(&sequence)
		if s, err := mtls.ParseSubject(n); err == nil && strings.ContainsAny(s.FamilyName+s.CommonName+s.Title, "\n\r\x00") {
			t.Errorf("%+v", s)
		}
	})
}

func FuzzParseSerial(f *testing.F) {
	for _, seed := range []string{"0", "5", "00FF", "7B6B1F2C", "-1", "+1", "1_0", "0x10", "", strings.Repeat("F", 128)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		serial, ok := mtls.ParseSerial(text)
		if !ok {
			return
		}
		if again, ok := mtls.ParseSerial(mtls.FormatSerial(serial)); !ok || again.Cmp(serial) != 0 || serial.Sign() < 0 {
			t.Errorf("%q: %v, read again %v", text, serial, again)
		}
	})
}
