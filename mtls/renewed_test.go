package mtls_test

import (
	"crypto/x509"
	"slices"
	"testing"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// An authority renewed with its key, whose certificate of before is revoked as
// superseded: its cards are good at both doors, but those that it revoked; and
// when the other certificate is revoked too, none is.
func TestSupersededCertificateOfAKey(t *testing.T) {
	b := newBench(t)
	renewed, err := b.pki.NewAuthority(testpki.AuthoritySpec{Short: "ACI-FO-PP-2", Name: b.issuer.Name, Parent: b.root, Key: b.issuer.Key})
	if err != nil {
		t.Fatal(err)
	}
	r := &rekeyed{bench: b, old: b.issuer, new: renewed}
	want := func(rule string, reason mtls.Reason) {
		t.Helper()
		lists := []*mtls.CRL{listOf(t, b.root, testpki.CRLSpec{}), listOf(t, b.issuer, testpki.CRLSpec{})}
		for _, anchored := range []bool{true, false} {
			for _, newFirst := range []bool{true, false} {
				if certificate, passkey := r.doors(t, b.card, anchored, newFirst, lists...); certificate != reason || passkey != reason {
					t.Errorf("%s (anchors %v, new first %v): by certificate %q, by passkey %q, want %q", rule, anchored, newFirst, certificate, passkey, reason)
				}
			}
		}
	}
	want("both certificates good", "")
	b.root.Revoke(b.issuer.Certificate.SerialNumber, today(), testpki.ReasonSuperseded)
	want("one superseded", "")
	b.root.Revoke(renewed.Certificate.SerialNumber, today(), testpki.ReasonCACompromise)
	want("both revoked", mtls.Revoked)
}

// Of a superseded certificate's key, a listed serial is revoked all the same.
func TestSupersededCertificateAndAListedSerial(t *testing.T) {
	b := newBench(t)
	renewed, err := b.pki.NewAuthority(testpki.AuthoritySpec{Short: "ACI-FO-PP-2", Name: b.issuer.Name, Parent: b.root, Key: b.issuer.Key})
	if err != nil {
		t.Fatal(err)
	}
	b.root.Revoke(b.issuer.Certificate.SerialNumber, today(), testpki.ReasonSuperseded)
	b.issuer.Revoke(b.serial(), today(), testpki.ReasonKeyCompromise)
	both := []*x509.Certificate{b.issuer.Certificate, renewed.Certificate}
	evidence := mtls.NewCRLSet(listOf(t, b.root, testpki.CRLSpec{}), listOf(t, b.issuer, testpki.CRLSpec{}))
	for range 2 {
		slices.Reverse(both)
		trust, err := mtls.NewTrust(certs(b.root.Certificate), both)
		if err != nil {
			t.Fatal(err)
		}
		if r := newVerifier(t, trust, mtls.Policy{}, evidence).JudgeStored(storedOf(b.card), today()).Refusal; r == nil || r.Reason != mtls.Revoked {
			t.Errorf("listed: %v", r)
		}
	}
}
