package mtls_test

import (
	"crypto/x509"
	"errors"
	"math/big"
	"slices"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// rekeyed is an authority of one name with an old and a new key, each signing
// CRLs of its own, and a card of each.
type rekeyed struct {
	*bench
	old, new *testpki.Authority
	oldCard  testpki.Pair
	newCard  testpki.Pair
}

func newRekeyed(t *testing.T, newSpec testpki.AuthoritySpec) *rekeyed {
	t.Helper()
	b := newBench(t)
	newSpec.Short, newSpec.Name, newSpec.Parent = "ACI-FO-PP-2", b.issuer.Name, b.root
	newSpec.Key = b.pki.Issuer(testpki.Fort, testpki.Organisations).Key
	again, err := b.pki.NewAuthority(newSpec)
	if err != nil {
		t.Fatal(err)
	}
	return &rekeyed{bench: b, old: b.issuer, new: again, oldCard: b.card, newCard: newCard(t, b.pki, testpki.CardSpec{Issuer: again})}
}

// doors judges a card by its certificate and by what is remembered of it. With
// anchored, both keys are anchors; else both are under their root.
func (r *rekeyed) doors(t *testing.T, card testpki.Pair, anchored bool, newFirst bool, lists ...*mtls.CRL) (certificate, passkey mtls.Reason) {
	t.Helper()
	both := []*x509.Certificate{r.old.Certificate, r.new.Certificate}
	if newFirst {
		slices.Reverse(both)
	}
	trust, err := mtls.NewTrust(both, r.pki.Roots())
	if !anchored {
		trust, err = mtls.NewTrust(certs(r.root.Certificate), both)
	}
	if err != nil {
		t.Fatal(err)
	}
	v := newVerifier(t, trust, mtls.Policy{}, mtls.NewCRLSet(lists...))
	verdict := v.Judge(mtls.Leaf{DER: card.DER}, today())
	if verdict.Refusal != nil {
		certificate = verdict.Refusal.Reason
	}
	var refused *mtls.Refusal
	if errors.As(v.Recheck(storedOf(card), today()), &refused) {
		passkey = refused.Reason
	}
	return certificate, passkey
}

// storedOf is what is remembered of a card's certificate.
func storedOf(card testpki.Pair) identity.Certificate {
	return mtls.ReadClaims(card.Certificate).Unverified().Certificate
}

// An authority that changed its key and kept its name: what either key revoked
// stays revoked at both doors, whatever the numbers of their lists.
func TestRekeyedAuthority(t *testing.T) {
	none := []testpki.Entry{}
	number := func(n int64) *big.Int { return big.NewInt(n) }
	r := newRekeyed(t, testpki.AuthoritySpec{})
	root := listOf(t, r.root, testpki.CRLSpec{})
	entry := func(card testpki.Pair) []testpki.Entry {
		return []testpki.Entry{{Serial: card.Certificate.SerialNumber, At: today(), Reason: testpki.ReasonKeyCompromise}}
	}
	oldClean := listOf(t, r.old, testpki.CRLSpec{Number: number(100), Entries: none})
	oldListsIt := listOf(t, r.old, testpki.CRLSpec{Number: number(100), Entries: entry(r.oldCard)})
	newClean := listOf(t, r.new, testpki.CRLSpec{Number: number(5000), Entries: none})
	newListsIt := listOf(t, r.new, testpki.CRLSpec{Number: number(5000), Entries: entry(r.newCard)})
	oldStale := listOf(t, r.old, testpki.CRLSpec{Number: number(99), Entries: none, ThisUpdate: today().Add(-48 * time.Hour), NextUpdate: today().Add(-time.Hour)})
	const unavailable = mtls.RevocationUnavailable
	for _, test := range []struct {
		rule        string
		card        testpki.Pair
		lists       []*mtls.CRL
		certificate mtls.Reason
		passkey     mtls.Reason
	}{
		{"old card, both lists clean", r.oldCard, []*mtls.CRL{oldClean, newClean}, "", ""},
		{"new card, both lists clean", r.newCard, []*mtls.CRL{oldClean, newClean}, "", ""},
		{"old card revoked by the old key", r.oldCard, []*mtls.CRL{oldListsIt, newClean}, mtls.Revoked, mtls.Revoked},
		{"new card revoked by the new key", r.newCard, []*mtls.CRL{oldClean, newListsIt}, mtls.Revoked, mtls.Revoked},
		{"old card, the old list stale", r.oldCard, []*mtls.CRL{oldStale, newClean}, unavailable, unavailable},
	} {
		for _, anchored := range []bool{true, false} {
			for _, newFirst := range []bool{true, false} {
				lists := append([]*mtls.CRL{root}, test.lists...)
				if newFirst {
					slices.Reverse(lists)
				}
				certificate, passkey := r.doors(t, test.card, anchored, newFirst, lists...)
				if certificate != test.certificate || passkey != test.passkey {
					t.Errorf("%s (anchors %v, new first %v): by certificate %q, by passkey %q", test.rule, anchored, newFirst, certificate, passkey)
				}
			}
		}
	}
	// A key whose list is missing may have signed what is remembered.
	for _, newFirst := range []bool{true, false} {
		if _, passkey := r.doors(t, r.oldCard, true, newFirst, root, newClean); passkey != unavailable {
			t.Errorf("the old key's list missing, new first %v: %q", newFirst, passkey)
		}
	}
}

// The authority itself revoked: what is remembered may be from its other key,
// so nobody is called revoked, and nobody let in.
func TestOneKeyOfAnAuthorityRevoked(t *testing.T) {
	r := newRekeyed(t, testpki.AuthoritySpec{})
	r.root.Revoke(r.old.Certificate.SerialNumber, today(), testpki.ReasonCACompromise)
	lists := []*mtls.CRL{listOf(t, r.root, testpki.CRLSpec{}), listOf(t, r.old, testpki.CRLSpec{}), listOf(t, r.new, testpki.CRLSpec{})}
	for _, newFirst := range []bool{true, false} {
		if certificate, passkey := r.doors(t, r.oldCard, true, newFirst, lists...); certificate != mtls.Revoked || passkey != mtls.RevocationUnavailable {
			t.Errorf("of the revoked key: %q, %q", certificate, passkey)
		}
		if certificate, passkey := r.doors(t, r.newCard, true, newFirst, lists...); certificate != "" || passkey != mtls.RevocationUnavailable {
			t.Errorf("of the other: %q, %q", certificate, passkey)
		}
	}
	r.root.Revoke(r.new.Certificate.SerialNumber, today(), testpki.ReasonCACompromise)
	lists[0] = listOf(t, r.root, testpki.CRLSpec{})
	if _, passkey := r.doors(t, r.newCard, true, false, lists...); passkey != mtls.Revoked {
		t.Errorf("both revoked: %q", passkey)
	}
}

// An authority whose time is over vouches for nobody and stands in nobody's way.
func TestOneKeyOfAnAuthorityExpired(t *testing.T) {
	r := newRekeyed(t, testpki.AuthoritySpec{NotAfter: today().Add(-time.Second)})
	lists := []*mtls.CRL{listOf(t, r.root, testpki.CRLSpec{}), listOf(t, r.old, testpki.CRLSpec{})}
	for _, newFirst := range []bool{true, false} {
		if certificate, passkey := r.doors(t, r.oldCard, true, newFirst, lists...); certificate != "" || passkey != "" {
			t.Errorf("%q, %q", certificate, passkey)
		}
	}
}
