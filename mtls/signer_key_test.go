package mtls_test

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// signedBy is what is remembered of a card's certificate that was verified with
// the key of that authority.
func signedBy(card testpki.Pair, authority *testpki.Authority) identity.Certificate {
	stored := storedOf(card)
	sum := sha256.Sum256(authority.Certificate.RawSubjectPublicKeyInfo)
	stored.SignerKey = hex.EncodeToString(sum[:])
	return stored
}

func TestJudgementTellsTheSigner(t *testing.T) {
	r := newRekeyed(t, testpki.AuthoritySpec{})
	trust, err := mtls.NewTrust(certs(r.new.Certificate, r.old.Certificate), nil)
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, trust, mtls.Policy{}, mtls.NewCRLSet(listOf(t, r.old, testpki.CRLSpec{}), listOf(t, r.new, testpki.CRLSpec{})))
	for range 2 { // the second time by the path remembered
		for _, test := range []struct {
			card   testpki.Pair
			signer *testpki.Authority
		}{{r.oldCard, r.old}, {r.newCard, r.new}} {
			holder, err := v.Verify(mtls.Leaf{DER: test.card.DER}, today())
			if err != nil || holder.Certificate.SignerKey != signedBy(test.card, test.signer).SignerKey {
				t.Errorf("%q, %v", holder.Certificate.SignerKey, err)
			}
		}
	}
	if storedOf(r.oldCard).SignerKey != "" {
		t.Error("told of a certificate that nobody verified")
	}
}

// Of two keys of one name, what is remembered is judged under the one that
// signed it, whatever becomes of the other; and of certificates of which that is
// not known, a key whose path has ended still revokes what it lists.
func TestRememberedUnderItsKey(t *testing.T) {
	none := []testpki.Entry{}
	r := newRekeyed(t, testpki.AuthoritySpec{})
	expired := newRekeyed(t, testpki.AuthoritySpec{NotAfter: today().Add(-time.Second)})
	list := func(a *testpki.Authority, listed ...testpki.Pair) *mtls.CRL {
		entries := none
		for _, card := range listed {
			entries = append(entries, testpki.Entry{Serial: card.Certificate.SerialNumber, At: today(), Reason: testpki.ReasonKeyCompromise})
		}
		return listOf(t, a, testpki.CRLSpec{Entries: entries})
	}
	root, expiredRoot := list(r.root), list(expired.root)
	authorityRevoked := listOf(t, r.root, testpki.CRLSpec{Entries: []testpki.Entry{{Serial: r.old.Certificate.SerialNumber, At: today(), Reason: testpki.ReasonCACompromise}}})
	both, left := certs(r.old.Certificate, r.new.Certificate), certs(r.new.Certificate)
	oneExpired := certs(expired.old.Certificate, expired.new.Certificate)
	oldCard, newCard := signedBy(r.oldCard, r.old), signedBy(r.newCard, r.new)
	const untrusted = mtls.UntrustedIssuer
	for _, test := range []struct {
		rule   string
		trust  *rekeyed
		held   []*x509.Certificate
		lists  []*mtls.CRL
		stored identity.Certificate
		want   mtls.Reason
	}{
		{"its authority revoked", r, both, []*mtls.CRL{authorityRevoked, list(r.old), list(r.new)}, oldCard, mtls.Revoked},
		{"the other authority revoked", r, both, []*mtls.CRL{authorityRevoked, list(r.old), list(r.new)}, newCard, ""},
		{"the other key's list missing", r, both, []*mtls.CRL{root, list(r.old)}, oldCard, ""},
		{"its key taken out of the trust", r, left, []*mtls.CRL{root, list(r.new)}, oldCard, untrusted},
		{"the other key, when that is taken out", r, left, []*mtls.CRL{root, list(r.new)}, newCard, ""},
		{"its key's time over", expired, oneExpired, []*mtls.CRL{expiredRoot, list(expired.old), list(expired.new)}, signedBy(expired.newCard, expired.new), untrusted},
		{"the other key's time over", expired, oneExpired, []*mtls.CRL{expiredRoot, list(expired.old), list(expired.new)}, signedBy(expired.oldCard, expired.old), ""},
		{"signer not known, listed by a key whose time is over", expired, oneExpired,
			[]*mtls.CRL{expiredRoot, list(expired.old), list(expired.new, expired.newCard)}, storedOf(expired.newCard), mtls.Revoked},
		{"signer not known, listed by none", expired, oneExpired,
			[]*mtls.CRL{expiredRoot, list(expired.old), list(expired.new)}, storedOf(expired.oldCard), ""},
	} {
		for _, anchored := range []bool{true, false} {
			trust, err := mtls.NewTrust(test.held, test.trust.pki.Roots())
			if !anchored {
				trust, err = mtls.NewTrust(certs(test.trust.root.Certificate), test.held)
			}
			if err != nil {
				t.Fatal(err)
			}
			var got mtls.Reason
			if refused := newVerifier(t, trust, mtls.Policy{}, mtls.NewCRLSet(test.lists...)).JudgeStored(test.stored, today()).Refusal; refused != nil {
				got = refused.Reason
			}
			if got != test.want {
				t.Errorf("%s (anchors %v): %q, want %q", test.rule, anchored, got, test.want)
			}
		}
	}
	trust, err := mtls.NewTrust(both, nil)
	if err != nil {
		t.Fatal(err)
	}
	if refused := newVerifier(t, trust, mtls.Policy{}, mtls.NewCRLSet(list(r.new))).JudgeStored(oldCard, today()).Refusal; refused == nil || refused.Reason != mtls.RevocationUnavailable {
		t.Errorf("its own key's list missing: %v", refused)
	}
}
