package mtls_test

import (
	"bytes"
	"sync"
	"testing"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// TestRememberedPaths: a card that was let in, and whose paths are remembered,
// is let in as before, and refused for all that one seen for the first time is.
func TestRememberedPaths(t *testing.T) {
	pki := newPKI(t, false)
	issuer, root := pki.Issuer(testpki.Fort, testpki.Persons), pki.Root(testpki.Fort)
	card := newCard(t, pki, testpki.CardSpec{})
	outliving := newCard(t, pki, testpki.CardSpec{NotAfter: issuer.Certificate.NotAfter.AddDate(1, 0, 0)})
	trust := trustOf(t, pki)
	standard, err := mtls.NewTrust(pki.CardIssuers()[1:], pki.Roots())
	if err != nil {
		t.Fatal(err)
	}
	tampered := bytes.Clone(card.DER)
	tampered[len(tampered)-1] ^= 1
	long := testpki.CRLSpec{NextUpdate: today().AddDate(20, 0, 0)}
	revoked := long
	revoked.Entries = []testpki.Entry{{Serial: card.Certificate.SerialNumber, At: today(), Reason: testpki.ReasonKeyCompromise}}
	for name, tt := range map[string]struct {
		card  testpki.Pair
		der   []byte
		after time.Duration
		trust *mtls.Trust
		list  testpki.CRLSpec
		want  mtls.Reason
	}{
		"again":                          {},
		"when it has expired":            {after: card.Certificate.NotAfter.Sub(today()) + time.Second, want: mtls.Expired},
		"when it is not valid yet":       {after: card.Certificate.NotBefore.Sub(today()) - time.Second, want: mtls.NotYetValid},
		"when its authority has expired": {card: outliving, after: issuer.Certificate.NotAfter.Sub(today()) + time.Second, want: mtls.UntrustedIssuer},
		"when its anchor has gone":       {trust: standard, want: mtls.UntrustedIssuer},
		"with another signature":         {der: tampered, want: mtls.UntrustedIssuer},
		"when it is revoked":             {list: revoked, want: mtls.Revoked},
	} {
		t.Run(name, func(t *testing.T) {
			lists := &changing{list: mtls.NewCRLSet(listOf(t, issuer, long), listOf(t, root, long))}
			card := card
			if tt.card.DER != nil {
				card = tt.card
			}
			v := newVerifier(t, trust, mtls.Policy{}, lists)
			first := v.Judge(mtls.Leaf{DER: card.DER}, today())
			if first.Refusal != nil || v.Remembered() != 1 {
				t.Fatalf("the first time: %v, %d remembered", first.Refusal, v.Remembered())
			}
			if tt.trust != nil {
				if err := v.Replace(tt.trust, nil); err != nil {
					t.Fatal(err)
				}
			}
			if tt.list.Entries != nil {
				lists.list = mtls.NewCRLSet(listOf(t, issuer, tt.list), listOf(t, root, long))
			}
			der := card.DER
			if tt.der != nil {
				der = tt.der
			}
			verdict := v.Judge(mtls.Leaf{DER: der}, today().Add(tt.after))
			switch {
			case tt.want == "" && (verdict.Refusal != nil || verdict.Holder.Professional.IdNat != first.Holder.Professional.IdNat || len(verdict.Path) != len(first.Path)):
				t.Errorf("%+v, at first %+v", verdict, first)
			case tt.want != "" && (verdict.Refusal == nil || verdict.Refusal.Reason != tt.want):
				t.Errorf("%v, want %s", verdict.Refusal, tt.want)
			}
		})
	}
}

// changing is evidence that a test replaces.
type changing struct{ list mtls.CRLSet }

func (c *changing) CRLs(issuer []byte) []*mtls.CRL { return c.list.CRLs(issuer) }

// TestRefusedIsNotRemembered: nor does a refusal keep a card out later.
func TestRefusedIsNotRemembered(t *testing.T) {
	pki := newPKI(t, false)
	v := newVerifier(t, trustOf(t, pki), mtls.Policy{}, freshCRLs(t, pki))
	early := newCard(t, pki, testpki.CardSpec{NotBefore: today().Add(time.Hour)})
	if r := v.Judge(mtls.Leaf{DER: early.DER}, today()).Refusal; r == nil || v.Remembered() != 0 {
		t.Errorf("%v, %d remembered", r, v.Remembered())
	}
	if r := v.Judge(mtls.Leaf{DER: early.DER}, today().Add(2*time.Hour)).Refusal; r != nil || v.Remembered() != 1 {
		t.Errorf("an hour later: %v, %d remembered", r, v.Remembered())
	}
}

// TestRememberedAllowances: a leniency that is used is told each time.
func TestRememberedAllowances(t *testing.T) {
	pki := newPKI(t, false)
	v := newVerifier(t, trustOf(t, pki), mtls.Policy{Revocation: mtls.RevocationPolicy{Mode: mtls.RevocationOff}}, nil)
	card := newCard(t, pki, testpki.CardSpec{})
	for range 3 {
		verdict := v.Judge(mtls.Leaf{DER: card.DER}, today())
		if verdict.Refusal != nil || len(verdict.Allowed) != 1 || verdict.Allowed[0] != mtls.AllowedUnchecked {
			t.Errorf("%v, allowed %v", verdict.Refusal, verdict.Allowed)
		}
	}
	if steps := v.Explain(mtls.Leaf{DER: card.DER}, today()).Steps; len(steps) < 10 {
		t.Errorf("%d steps are told of a card seen before", len(steps))
	}
}

// TestRememberedRace: cards are judged while the trust is replaced.
func TestRememberedRace(t *testing.T) {
	pki := newPKI(t, false)
	first, second := trustOf(t, pki), trustOf(t, pki)
	v := newVerifier(t, first, mtls.Policy{}, freshCRLs(t, pki))
	card := newCard(t, pki, testpki.CardSpec{})
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 20 {
				if r := v.Judge(mtls.Leaf{DER: card.DER}, today()).Refusal; r != nil {
					t.Error(r)
				}
			}
		})
	}
	for range 20 {
		if err := v.Replace(second, nil); err != nil {
			t.Fatal(err)
		}
		if err := v.Replace(first, nil); err != nil {
			t.Fatal(err)
		}
	}
	group.Wait()
}

// TestRememberedBounded: the memory keeps to its bound, and those asked for of
// late are kept.
func TestRememberedBounded(t *testing.T) {
	memo := mtls.NewPathMemo()
	often := memo.Remember(0)
	for i := range 3 * mtls.MaxRemembered {
		memo.Remember(i + 1)
		if i%100 == 0 && !memo.Find(often) {
			t.Fatalf("one asked for all the time is forgotten after %d others", i)
		}
	}
	if n := memo.Len(); n > 2*mtls.MaxRemembered {
		t.Errorf("%d are kept, at most %d may be", n, 2*mtls.MaxRemembered)
	}
}
