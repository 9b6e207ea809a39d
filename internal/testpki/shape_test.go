package testpki_test

import (
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
)

const realDir = "../../mtls/testdata/igc-sante"

func readPEM(t *testing.T, path string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(realDir, path))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("%s: no PEM block", path)
	}
	return block.Bytes
}

func realCertificate(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	certificate, err := x509.ParseCertificate(readPEM(t, path))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return certificate
}

func newPKI(t *testing.T, options testpki.Options) *testpki.PKI {
	t.Helper()
	pki, err := testpki.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return pki
}

// as makes a template take from a real certificate what this package cannot
// make: serial, keys' bytes and dates. All else must come out the same by itself.
func as(want *x509.Certificate) func(*testpki.Template) {
	return func(t *testpki.Template) {
		t.Serial, t.PublicKey = want.SerialNumber, want.PublicKey
		for _, extension := range want.Extensions {
			if extension.Id.Equal(testpki.ExtensionAuthorityKeyID) {
				t.Set(extension)
			}
		}
	}
}

// sameTBS compares to-be-signed certificates byte for byte.
func sameTBS(t *testing.T, got []byte, want *x509.Certificate) {
	t.Helper()
	certificate, err := x509.ParseCertificate(got)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(certificate.RawTBSCertificate, want.RawTBSCertificate) {
		return
	}
	t.Errorf("not the bytes of the real certificate\n got %x\nwant %x", certificate.RawTBSCertificate, want.RawTBSCertificate)
	for i, extension := range want.Extensions {
		if i >= len(certificate.Extensions) || !certificate.Extensions[i].Id.Equal(extension.Id) ||
			!bytes.Equal(certificate.Extensions[i].Value, extension.Value) {
			t.Errorf("first difference in extensions: number %d, %v", i, extension.Id)
			return
		}
	}
}

// TestCardHasTheBytesOfTheRealOne rebuilds the two real leaves: given the same
// holder, serial, key and dates, the to-be-signed bytes are the same.
func TestCardHasTheBytesOfTheRealOne(t *testing.T) {
	pki := newPKI(t, testpki.Options{Test: true})
	t.Run("authentication certificate of a CPE", func(t *testing.T) {
		want := realCertificate(t, "leaf/TEST-CPE-2600301752-AUTH.pem")
		card, err := pki.Card(testpki.CardSpec{
			Type: identity.CardCPE, IdNat: "30B0057881/CPET0002", FamilyName: "ADMINISTRATIF-CH057880002", GivenName: "CHARLES",
			TokenNumber: "2600301752", StructureID: "10B0057881", Employer: "HOPITAL DES 3 DAMES",
			NotBefore: want.NotBefore, AlterAuth: withKeyID(want), WithoutSignature: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		sameTBS(t, card.Authentication.DER, want)
	})
	t.Run("signature certificate of a CPS", func(t *testing.T) {
		want := realCertificate(t, "leaf/TEST-CPS-FORT-medecin-899900063480.pem")
		card, err := pki.Card(testpki.CardSpec{
			IdNat: "899900063480", FamilyName: "LIBRE", GivenName: "MAX", Profession: 10, Specialties: []string{"SM26"},
			TokenNumber: "2600855206", NotBefore: want.NotBefore, AlterSignature: withKeyID(want),
		})
		if err != nil {
			t.Fatal(err)
		}
		sameTBS(t, card.Signature.DER, want)
	})
}

// withKeyID is as, with the key identifier recomputed over the real public key,
// as the real authority computed it.
func withKeyID(want *x509.Certificate) func(*testpki.Template) {
	return func(t *testpki.Template) {
		as(want)(t)
		old := t.Extension(testpki.ExtensionSubjectKeyID)
		old.Value = append(bytes.Clone(old.Value[:2]), testpki.KeyID(want.PublicKey)...)
	}
}

// TestAuthorityHasTheBytesOfTheRealOne rebuilds the nine production authorities
// and the four TEST ones that are known.
func TestAuthorityHasTheBytesOfTheRealOne(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(realDir, "ca", "*.pem"))
	if err != nil || len(files) != 13 {
		t.Fatalf("%d real authorities, want 13 (%v)", len(files), err)
	}
	production, test := newPKI(t, testpki.Options{}), newPKI(t, testpki.Options{Test: true})
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want := realCertificate(t, filepath.Join("ca", filepath.Base(file)))
			pki := production
			if strings.Contains(want.Subject.CommonName, "TEST") {
				pki = test
			}
			model := byName(t, pki, want.RawSubject)
			pathLen := -1
			if model.Parent != nil {
				pathLen = 0
			}
			got, err := pki.NewAuthority(testpki.AuthoritySpec{
				Short: model.Short, Name: model.Name, Parent: model.Parent, Key: model.Key, PathLen: pathLen, Alter: withKeyID(want),
			})
			if err != nil {
				t.Fatal(err)
			}
			sameTBS(t, got.Certificate.Raw, want)
		})
	}
}

func byName(t *testing.T, pki *testpki.PKI, subject []byte) *testpki.Authority {
	t.Helper()
	for _, authority := range pki.Authorities() {
		if bytes.Equal(authority.Certificate.RawSubject, subject) {
			return authority
		}
	}
	t.Fatalf("no authority of that name: %x", subject)
	return nil
}

// TestCRLHasTheBytesOfTheRealOne rebuilds a real CRL of 1013 entries.
func TestCRLHasTheBytesOfTheRealOne(t *testing.T) {
	want, err := x509.ParseRevocationList(readPEM(t, "crl/CRL-TEST-EL-ORG-2019.pem"))
	if err != nil {
		t.Fatal(err)
	}
	var entries []testpki.Entry
	for _, e := range want.RevokedCertificateEntries {
		entries = append(entries, testpki.Entry{Serial: e.SerialNumber, At: e.RevocationTime, Reason: e.ReasonCode})
	}
	pki := newPKI(t, testpki.Options{Test: true})
	der, err := pki.Issuer(testpki.Elementaire, testpki.Organisations).CRL(testpki.CRLSpec{
		Number: big.NewInt(1287), ThisUpdate: want.ThisUpdate, Entries: entries, AuthorityKeyID: want.AuthorityKeyId,
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := x509.ParseRevocationList(der)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.RawTBSRevocationList, want.RawTBSRevocationList) {
		t.Errorf("not the bytes of the real CRL: %d bytes, want %d", len(got.RawTBSRevocationList), len(want.RawTBSRevocationList))
	}
}
