package testpki_test

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"slices"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func atNoon() time.Time { return noon }

func testPKI(t *testing.T) *testpki.PKI {
	t.Helper()
	return newPKI(t, testpki.Options{Now: atNoon, Test: true})
}

func pool(certificates ...*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, certificate := range certificates {
		pool.AddCert(certificate)
	}
	return pool
}

// extension is the hex of an extension's value, "" when it is absent.
func extension(certificate *x509.Certificate, oid asn1.ObjectIdentifier) string {
	for _, e := range certificate.Extensions {
		if e.Id.Equal(oid) {
			return hex.EncodeToString(e.Value)
		}
	}
	return ""
}

func TestEveryCardTypeVerifiesUnderItsIssuer(t *testing.T) {
	for _, test := range []struct {
		name       string
		spec       testpki.CardSpec
		issuer     string
		cardType   string // encodings, in hex
		profession string
		future     string
	}{
		{"a CPS by FORT PERSONNES", testpki.CardSpec{Type: identity.CardCPS, Profession: 60}, "ACI-FO-PP", "020100", "02013c", ""},
		{"a CPF by FORT PERSONNES, with the profession studied for", testpki.CardSpec{Type: identity.CardCPF, Profession: 21}, "ACI-FO-PP", "020101", "", "020115"},
		{"a CPE by STANDARD PERSONNES, with no profession", testpki.CardSpec{Type: identity.CardCPE}, "ACI-ST-PP", "020102", "", ""},
		{"a CDE is a CPE with a director's title", testpki.CardSpec{Type: identity.CardCPE, Title: "Directeur"}, "ACI-ST-PP", "020102", "", ""},
		{"a CPA by STANDARD PERSONNES", testpki.CardSpec{Type: identity.CardCPA, Profession: 39}, "ACI-ST-PP", "020103", "020127", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			pki := testPKI(t)
			card, err := pki.Card(test.spec)
			if err != nil {
				t.Fatal(err)
			}
			if got := card.Authentication.Issuer.Short; got != test.issuer {
				t.Errorf("issuer %s, want %s", got, test.issuer)
			}
			for _, pair := range []testpki.Pair{card.Authentication, card.Signature} {
				verifies(t, pki, pair.Certificate)
				if got := extension(pair.Certificate, testpki.ExtensionCardType); got != test.cardType {
					t.Errorf("card type %s, want %s", got, test.cardType)
				}
				if got := extension(pair.Certificate, testpki.ExtensionProfession); got != test.profession {
					t.Errorf("profession %q, want %q", got, test.profession)
				}
				if got := extension(pair.Certificate, testpki.ExtensionFutureProfession); got != test.future {
					t.Errorf("future profession %q, want %q", got, test.future)
				}
			}
			if err := identity.PSIdNat(card.IdNat).Check(); err != nil {
				t.Errorf("%s: %v", card.IdNat, err)
			}
		})
	}
}

// verifies builds the path from the leaf to its root, by crypto/x509.
func verifies(t *testing.T, pki *testpki.PKI, leaf *x509.Certificate) {
	t.Helper()
	var intermediates []*x509.Certificate
	for _, authority := range pki.Authorities() {
		if authority.Parent != nil {
			intermediates = append(intermediates, authority.Certificate)
		}
	}
	_, err := leaf.Verify(x509.VerifyOptions{
		Roots: pool(pki.Roots()...), Intermediates: pool(intermediates...), CurrentTime: noon,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	if err != nil {
		t.Error(err)
	}
}

func TestCardsDifferAndRepeatUnderTheSameClock(t *testing.T) {
	one, two := testPKI(t), testPKI(t)
	var seen [][]byte
	for range 3 {
		a, err := one.Card(testpki.CardSpec{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := two.Card(testpki.CardSpec{})
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a.Authentication.DER, b.Authentication.DER) || !bytes.Equal(a.Signature.DER, b.Signature.DER) {
			t.Error("the same calls made other certificates")
		}
		serial := a.Authentication.Certificate.SerialNumber.Bytes()
		if len(serial) != 16 || slices.ContainsFunc(seen, func(s []byte) bool { return bytes.Equal(s, serial) }) {
			t.Errorf("serial %x: want 16 bytes, never twice", serial)
		}
		seen = append(seen, serial)
	}
}

func TestCategories(t *testing.T) {
	for _, test := range []struct {
		name           string
		test           bool
		card, software string
	}{
		{"in production: card 00, software 03", false, "040100", "040103"},
		{"in TEST: card 80, software 83", true, "040180", "040183"},
	} {
		t.Run(test.name, func(t *testing.T) {
			pki := newPKI(t, testpki.Options{Now: atNoon, Test: test.test})
			card, err := pki.Card(testpki.CardSpec{WithoutSignature: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := extension(card.Authentication.Certificate, testpki.ExtensionCategory); got != test.card {
				t.Errorf("card: %s, want %s", got, test.card)
			}
			software, err := pki.Software(testpki.CardSpec{})
			if err != nil {
				t.Fatal(err)
			}
			if got := extension(software.Certificate, testpki.ExtensionCategory); got != test.software {
				t.Errorf("software: %s, want %s", got, test.software)
			}
		})
	}
}

func TestCertificatesThatAreNoPersonsCard(t *testing.T) {
	pki := testPKI(t)
	spec := testpki.CardSpec{}
	organisation := func() (testpki.Pair, error) { return pki.Organisation(testpki.Fort, "dossier.exemple.test", nil) }
	technical := func() (testpki.Pair, error) { return pki.Technical(spec) }
	software := func() (testpki.Pair, error) { return pki.Software(spec) }
	service := func(form testpki.ServiceForm) func() (testpki.Pair, error) {
		return func() (testpki.Pair, error) {
			card, err := pki.ServiceCard(form, spec)
			if err != nil {
				return testpki.Pair{}, err
			}
			return card.Authentication, nil
		}
	}
	for _, test := range []struct {
		name   string
		make   func() (testpki.Pair, error)
		issuer string
		upn    bool
		types  []string // attribute types of the subject
	}{
		{"organisation", organisation, "ACI-FO-ORG", false, []string{"2.5.4.6", "2.5.4.8", "2.5.4.10", "2.5.4.11", "2.5.4.3"}},
		{"technical", technical, "ACI-FO-PP", false, []string{"2.5.4.6", "2.5.4.10", "2.5.4.12", "2.5.4.3"}},
		{"software", software, "ACI-EL-PP", false, []string{"2.5.4.6", "2.5.4.12", "2.5.4.42", "2.5.4.3", "2.5.4.4"}},
		{"nameless service card", service(testpki.ServiceNameless), "ACI-ST-PP", true, []string{"2.5.4.6", "2.5.4.8", "2.5.4.10", "2.5.4.11", "2.5.4.12", "2.5.4.3"}},
		{"service card with a pseudonym", service(testpki.ServicePseudonym), "ACI-ST-PP", true, []string{"2.5.4.6", "2.5.4.8", "2.5.4.10", "2.5.4.11", "2.5.4.12", "2.5.4.65", "2.5.4.3"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			pair, err := test.make()
			if err != nil {
				t.Fatal(err)
			}
			verifies(t, pki, pair.Certificate)
			if pair.Issuer.Short != test.issuer {
				t.Errorf("issuer %s, want %s", pair.Issuer.Short, test.issuer)
			}
			if !slices.Contains(pair.Certificate.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
				t.Error("a browser would not offer it: no clientAuth")
			}
			if got := bytes.Contains(pair.DER, []byte("@carte-cps.fr")); got != test.upn {
				t.Errorf("UPN present: %v, want %v", got, test.upn)
			}
			var types []string
			for _, attribute := range pair.Certificate.Subject.Names {
				types = append(types, attribute.Type.String())
			}
			slices.Sort(types)
			slices.Sort(test.types)
			if !slices.Equal(types, test.types) {
				t.Errorf("subject has %v, want %v", types, test.types)
			}
		})
	}
}

func TestAlteredTemplates(t *testing.T) {
	pki := testPKI(t)
	issue := func(alter func(*testpki.Template)) testpki.Pair {
		card, err := pki.Card(testpki.CardSpec{WithoutSignature: true, AlterAuth: alter})
		if err != nil {
			t.Fatal(err)
		}
		return card.Authentication
	}
	issuer := pki.Issuer(testpki.Fort, testpki.Persons)
	if pair := issue(func(*testpki.Template) {}); pair.Certificate.CheckSignatureFrom(issuer.Certificate) != nil {
		t.Error("an unaltered certificate does not verify")
	}
	if pair := issue(func(t *testpki.Template) { t.CorruptSignature = true }); pair.Certificate.CheckSignatureFrom(issuer.Certificate) == nil {
		t.Error("a corrupt signature verifies")
	}
	if pair := issue(func(t *testpki.Template) { t.Digest = crypto.SHA1 }); pair.Certificate.SignatureAlgorithm != x509.SHA1WithRSA {
		t.Errorf("signature algorithm %v, want SHA-1", pair.Certificate.SignatureAlgorithm)
	}
	if pair := issue(func(t *testpki.Template) { t.Set(testpki.UnknownCritical()) }); len(pair.Certificate.UnhandledCriticalExtensions) != 1 {
		t.Error("the unknown critical extension is not seen")
	}
	if pair := issue(func(t *testpki.Template) { t.Serial = t.Serial.Neg(t.Serial) }); pair.Certificate != nil || len(pair.DER) == 0 {
		t.Error("a certificate that does not parse should come as DER alone")
	}
}

func TestImpostorBearsTheNameAndConvincesNobody(t *testing.T) {
	pki := testPKI(t)
	genuine, impostor := pki.Issuer(testpki.Fort, testpki.Persons), pki.Impostor(testpki.Fort, testpki.Persons)
	if !bytes.Equal(genuine.Certificate.RawSubject, impostor.Certificate.RawSubject) ||
		!bytes.Equal(genuine.Certificate.SubjectKeyId, impostor.Certificate.SubjectKeyId) {
		t.Error("name or key identifier differ")
	}
	card, err := pki.Card(testpki.CardSpec{Issuer: impostor, WithoutSignature: true})
	if err != nil {
		t.Fatal(err)
	}
	leaf := card.Authentication.Certificate
	if err := leaf.CheckSignatureFrom(impostor.Certificate); err != nil {
		t.Errorf("its own signature: %v", err)
	}
	if leaf.CheckSignatureFrom(genuine.Certificate) == nil {
		t.Error("its signature passes for the genuine authority's")
	}
}
