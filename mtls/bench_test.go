package mtls_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// today is the tests' clock.
func today() time.Time { return time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC) }

// newPKI has production-looking names, or TEST ones, on the tests' clock.
func newPKI(t testing.TB, test bool) *testpki.PKI {
	t.Helper()
	pki, err := testpki.New(testpki.Options{Now: today, Test: test})
	if err != nil {
		t.Fatal(err)
	}
	return pki
}

// trustOf anchors what a relying party anchors, the roots held beside.
func trustOf(t testing.TB, pki *testpki.PKI) *mtls.Trust {
	t.Helper()
	trust, err := mtls.NewTrust(pki.CardIssuers(), pki.Roots())
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

func newVerifier(t testing.TB, trust *mtls.Trust, policy mtls.Policy, evidence mtls.Evidence) *mtls.Verifier {
	t.Helper()
	v, err := mtls.NewVerifier(trust, policy, evidence)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// listOf makes a CRL of the authority as the spec wants it.
func listOf(t testing.TB, a *testpki.Authority, spec testpki.CRLSpec) *mtls.CRL {
	t.Helper()
	der, err := a.CRL(spec)
	if err != nil {
		t.Fatal(err)
	}
	return readList(t, der)
}

func deltaOf(t testing.TB, a *testpki.Authority, spec testpki.CRLSpec) *mtls.CRL {
	t.Helper()
	der, err := a.DeltaCRL(spec)
	if err != nil {
		t.Fatal(err)
	}
	return readList(t, der)
}

func readList(t testing.TB, der []byte) *mtls.CRL {
	t.Helper()
	list, err := mtls.ReadCRL(bytes.NewReader(der), mtls.CRLLimits{})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// freshCRLs are today's CRLs of the issuers of cards and of their roots.
func freshCRLs(t testing.TB, pki *testpki.PKI) mtls.CRLSet {
	t.Helper()
	var lists []*mtls.CRL
	for _, r := range []testpki.Range{testpki.Fort, testpki.Standard} {
		lists = append(lists, listOf(t, pki.Root(r), testpki.CRLSpec{}), listOf(t, pki.Issuer(r, testpki.Persons), testpki.CRLSpec{}))
	}
	return mtls.NewCRLSet(lists...)
}

func newCard(t testing.TB, pki *testpki.PKI, spec testpki.CardSpec) testpki.Pair {
	t.Helper()
	spec.WithoutSignature = true
	card, err := pki.Card(spec)
	if err != nil {
		t.Fatal(err)
	}
	return card.Authentication
}

// altered is a CPS whose authentication certificate is bent before signing.
func altered(t testing.TB, pki *testpki.PKI, alter func(*testpki.Template)) []byte {
	t.Helper()
	return newCard(t, pki, testpki.CardSpec{AlterAuth: alter}).DER
}

// wantRefusal checks the reason, and that a refusal names nobody.
func wantRefusal(t *testing.T, v *mtls.Verifier, der []byte, want mtls.Reason) *mtls.Refusal {
	t.Helper()
	holder, err := v.Verify(mtls.Leaf{DER: der}, today())
	var r *mtls.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("got %+v, %v; want the refusal %s", holder, err, want)
	}
	if r.Reason != want {
		t.Errorf("refused as %v, want %s", r, want)
	}
	if holder.Professional.IdNat != "" || holder.Card != (identity.Card{}) {
		t.Errorf("a refusal came with the holder %+v", holder)
	}
	if r.Detail == "" || r.Clause == "" {
		t.Errorf("refusal without detail or clause: %+v", r)
	}
	return r
}
