package mtls_test

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

func certs(c ...*x509.Certificate) []*x509.Certificate { return c }

// The production authorities are the nine of the IGC-Santé, and only the two
// intermediates that issue persons' cards are anchors.
func TestBuiltInAuthorities(t *testing.T) {
	authorities, err := mtls.BuiltIn()
	if err != nil {
		t.Fatal(err)
	}
	if len(authorities) != 9 {
		t.Errorf("%d authorities, want 9", len(authorities))
	}
	var anchors []string
	for _, a := range authorities {
		if a.Anchor {
			anchors = append(anchors, a.Short)
		}
		if len(a.Fingerprint) != 64 {
			t.Errorf("%s: fingerprint %q", a.Short, a.Fingerprint)
		}
	}
	if got := strings.Join(anchors, " "); got != "ACI-FO-PP ACI-ST-PP" {
		t.Errorf("anchors %q", got)
	}
	trust, err := mtls.DefaultTrust()
	if err != nil {
		t.Fatal(err)
	}
	if len(trust.Anchors()) != 2 || len(trust.Intermediates()) != 7 || trust.HasTest() {
		t.Errorf("%d anchors, %d others, TEST %v", len(trust.Anchors()), len(trust.Intermediates()), trust.HasTest())
	}
	if err := trust.CheckPersons(mtls.Refuse); err != nil {
		t.Errorf("the default trust: %v", err)
	}
}

func TestTrustRefuses(t *testing.T) {
	pki := newPKI(t, false)
	leaf := newCard(t, pki, testpki.CardSpec{}).Certificate
	if _, err := mtls.NewTrust(nil, pki.Roots()); !errors.Is(err, mtls.ErrNoAnchors) {
		t.Errorf("no anchors: %v", err)
	}
	if _, err := mtls.NewTrust(certs(leaf), nil); err == nil {
		t.Error("an end entity as anchor: accepted")
	}
	if _, err := mtls.NewTrust(certs(nil), nil); err == nil {
		t.Error("a nil anchor: accepted")
	}
	twice, err := mtls.NewTrust(append(pki.CardIssuers(), pki.CardIssuers()...), pki.CardIssuers())
	if err != nil || len(twice.Anchors()) != 2 || len(twice.Intermediates()) != 0 {
		t.Errorf("given twice: %v", err)
	}
}

func TestAnchorsForPersons(t *testing.T) {
	production, test := newPKI(t, false), newPKI(t, true)
	foreign, err := production.NewAuthority(testpki.AuthoritySpec{
		Short: "OTHER", Name: testpki.Name{testpki.Single(testpki.AttributeCommonName, "AC EXEMPLE")},
		Key: production.Root(testpki.Fort).Key, PathLen: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		rule    string
		anchor  *x509.Certificate
		test    mtls.Leniency
		refused bool
	}{
		{"FORT PERSONNES", production.Issuer(testpki.Fort, testpki.Persons).Certificate, mtls.Refuse, false},
		{"STANDARD PERSONNES", production.Issuer(testpki.Standard, testpki.Persons).Certificate, mtls.Refuse, false},
		{"outside the IGC-Santé", foreign.Certificate, mtls.Refuse, false},
		{"TEST where accepted", test.Issuer(testpki.Fort, testpki.Persons).Certificate, mtls.Accept, false},
		{"TEST in production", test.Issuer(testpki.Fort, testpki.Persons).Certificate, mtls.Refuse, true},
		{"a root", production.Root(testpki.Fort).Certificate, mtls.Refuse, true},
		{"a TEST root where TEST is accepted", test.Root(testpki.Fort).Certificate, mtls.Accept, true},
		{"ELEMENTAIRE PERSONNES", production.Issuer(testpki.Elementaire, testpki.Persons).Certificate, mtls.Refuse, true},
		{"FORT ORGANISATIONS", production.Issuer(testpki.Fort, testpki.Organisations).Certificate, mtls.Refuse, true},
	} {
		trust, err := mtls.NewTrust(certs(c.anchor), nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := trust.CheckPersons(c.test); (err != nil) != c.refused {
			t.Errorf("%s: %v", c.rule, err)
		}
	}
}

func TestChooseAnchors(t *testing.T) {
	pki := newPKI(t, false)
	var all []*x509.Certificate
	for _, a := range pki.Authorities() {
		all = append(all, a.Certificate)
	}
	all = append(all, newCard(t, pki, testpki.CardSpec{}).Certificate)
	for _, c := range []struct {
		rule            string
		given           []*x509.Certificate
		profile         mtls.Profile
		anchors, others int
	}{
		{"the whole PKI: two anchors", all, mtls.ProfileCPS, 2, 7},
		{"roots alone: as given", pki.Roots(), mtls.ProfileCPS, 3, 0},
		{"any profile: every authority", all, mtls.ProfileAny, 9, 0},
		{"nothing", nil, mtls.ProfileCPS, 0, 0},
	} {
		anchors, others := mtls.ChooseAnchors(c.given, c.profile)
		if len(anchors) != c.anchors || len(others) != c.others {
			t.Errorf("%s: %d anchors and %d others, want %d and %d", c.rule, len(anchors), len(others), c.anchors, c.others)
		}
	}
}

func TestReplaceTrust(t *testing.T) {
	pki := newPKI(t, false)
	v := newVerifier(t, trustOf(t, pki), mtls.Policy{}, freshCRLs(t, pki))
	der := newCard(t, pki, testpki.CardSpec{}).DER
	standard, err := mtls.NewTrust(certs(pki.Issuer(testpki.Standard, testpki.Persons).Certificate), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Replace(nil, nil); !errors.Is(err, mtls.ErrNoAnchors) {
		t.Errorf("no trust: %v", err)
	}
	if err := v.Replace(standard, map[string]mtls.RevocationPolicy{"00": {Mode: "never"}}); err == nil {
		t.Error("rules that say nothing sensible")
	}
	if _, err := v.Verify(mtls.Leaf{DER: der}, today()); err != nil {
		t.Errorf("before: %v", err)
	}
	if err := v.Replace(standard, nil); err != nil {
		t.Error(err)
	}
	wantRefusal(t, v, der, mtls.UntrustedIssuer)
}
