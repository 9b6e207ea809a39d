package mtls_test

import (
	"crypto/x509/pkix"
	"math/big"
	"slices"
	"testing"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// bench is a card of FORT PERSONNES, whose issuer and root have CRLs that a
// test may replace.
type bench struct {
	pki    *testpki.PKI
	issuer *testpki.Authority
	root   *testpki.Authority
	card   testpki.Pair
	trust  *mtls.Trust
}

func newBench(t *testing.T) *bench {
	t.Helper()
	pki := newPKI(t, false)
	return &bench{
		pki: pki, issuer: pki.Issuer(testpki.Fort, testpki.Persons), root: pki.Root(testpki.Fort),
		card: newCard(t, pki, testpki.CardSpec{}), trust: trustOf(t, pki),
	}
}

// judged gives the reason that the card is refused for with these CRLs, "" when
// it is accepted.
func (b *bench) judged(t *testing.T, policy mtls.RevocationPolicy, lists ...*mtls.CRL) mtls.Reason {
	t.Helper()
	if r := newVerifier(t, b.trust, mtls.Policy{Revocation: policy}, mtls.NewCRLSet(lists...)).Judge(mtls.Leaf{DER: b.card.DER}, today()).Refusal; r != nil {
		return r.Reason
	}
	return ""
}

func (b *bench) serial() *big.Int { return b.card.Certificate.SerialNumber }

func TestRevocation(t *testing.T) {
	const unavailable = mtls.RevocationUnavailable
	hour := time.Hour
	type lists func(t *testing.T, b *bench) []*mtls.CRL
	with := func(spec testpki.CRLSpec) lists {
		return func(t *testing.T, b *bench) []*mtls.CRL {
			return []*mtls.CRL{listOf(t, b.root, testpki.CRLSpec{}), listOf(t, b.issuer, spec)}
		}
	}
	revoked := func(spec testpki.CRLSpec) lists {
		return func(t *testing.T, b *bench) []*mtls.CRL {
			b.issuer.Revoke(b.serial(), today().Add(-hour), testpki.ReasonKeyCompromise)
			return with(spec)(t, b)
		}
	}
	stale := testpki.CRLSpec{ThisUpdate: today().Add(-7 * 24 * hour), NextUpdate: today().Add(-hour)}
	strict := mtls.RevocationPolicy{}
	for _, test := range []struct {
		rule   string
		lists  lists
		policy mtls.RevocationPolicy
		want   mtls.Reason
	}{
		{"not revoked, fresh", with(testpki.CRLSpec{}), strict, ""},
		{"nextUpdate this very second", with(testpki.CRLSpec{ThisUpdate: today().Add(-hour), NextUpdate: today()}), strict, ""},
		{"revoked", revoked(testpki.CRLSpec{}), strict, mtls.Revoked},
		{"revoked, where none is required", revoked(testpki.CRLSpec{}), mtls.RevocationPolicy{Mode: mtls.RevocationIfPresent}, mtls.Revoked},
		{"revoked, but not looked at", revoked(testpki.CRLSpec{}), mtls.RevocationPolicy{Mode: mtls.RevocationOff}, ""},
		{"on hold", func(t *testing.T, b *bench) []*mtls.CRL {
			b.issuer.Revoke(b.serial(), today(), testpki.ReasonCertificateHold)
			return with(testpki.CRLSpec{})(t, b)
		}, strict, mtls.Revoked},
		{"its authority revoked", func(t *testing.T, b *bench) []*mtls.CRL {
			b.root.Revoke(b.issuer.Certificate.SerialNumber, today(), testpki.ReasonCACompromise)
			return with(testpki.CRLSpec{})(t, b)
		}, strict, mtls.Revoked},

		{"no CRL at all", func(*testing.T, *bench) []*mtls.CRL { return nil }, strict, unavailable},
		{"no CRL of its authority's authority", func(t *testing.T, b *bench) []*mtls.CRL {
			return []*mtls.CRL{listOf(t, b.issuer, testpki.CRLSpec{})}
		}, strict, unavailable},
		{"no CRL, none required", func(*testing.T, *bench) []*mtls.CRL { return nil }, mtls.RevocationPolicy{Mode: mtls.RevocationIfPresent}, ""},

		{"stale", with(stale), strict, unavailable},
		{"stale, where none is required", with(stale), mtls.RevocationPolicy{Mode: mtls.RevocationIfPresent}, unavailable},
		{"stale, within grace", with(stale), mtls.RevocationPolicy{Stale: mtls.StaleGrace, Grace: 2 * hour}, ""},
		{"stale, grace over", with(stale), mtls.RevocationPolicy{Stale: mtls.StaleGrace, Grace: hour / 2}, unavailable},
		{"stale, accepted", with(stale), mtls.RevocationPolicy{Stale: mtls.StaleAccept}, ""},
		{"stale, and it names the card", revoked(stale), strict, mtls.Revoked},
		{"from the future", with(testpki.CRLSpec{ThisUpdate: today().Add(hour)}), strict, unavailable},
		{"without nextUpdate", with(testpki.CRLSpec{WithoutNextUpdate: true}), strict, unavailable},

		{"signed by another key under the same name", with(testpki.CRLSpec{Signer: newPKI(t, false).Impostor(testpki.Fort, testpki.Persons).Key}), strict, unavailable},
		{"signature corrupted", with(testpki.CRLSpec{CorruptSignature: true}), strict, unavailable},
		{"unknown critical extension", with(testpki.CRLSpec{Extensions: []pkix.Extension{testpki.UnknownCritical()}}), strict, unavailable},
		{"unknown critical entry extension", with(testpki.CRLSpec{Entries: []testpki.Entry{
			{Serial: big.NewInt(99), At: today(), Extensions: []pkix.Extension{testpki.UnknownCritical()}},
		}}), strict, unavailable},

		{"for end entities", with(testpki.CRLSpec{IssuingPoint: &testpki.IssuingPoint{OnlyUserCerts: true}}), strict, ""},
		{"for authorities", with(testpki.CRLSpec{IssuingPoint: &testpki.IssuingPoint{OnlyCACerts: true}}), strict, unavailable},
		{"for attribute certificates", with(testpki.CRLSpec{IssuingPoint: &testpki.IssuingPoint{OnlyAttributeCerts: true}}), strict, unavailable},
		{"for another distribution point", with(testpki.CRLSpec{IssuingPoint: &testpki.IssuingPoint{URIs: []string{"http://other.example/x.crl"}}}), strict, unavailable},
		{"split by reason", with(testpki.CRLSpec{IssuingPoint: &testpki.IssuingPoint{OnlySomeReasons: 0x40}}), strict, unavailable},
		{"indirect", with(testpki.CRLSpec{IssuingPoint: &testpki.IssuingPoint{Indirect: true}}), strict, unavailable},
	} {
		t.Run(test.rule, func(t *testing.T) {
			b := newBench(t)
			if got := b.judged(t, test.policy, test.lists(t, b)...); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

func TestDistributionPointOfTheCard(t *testing.T) {
	b := newBench(t)
	mine := listOf(t, b.issuer, testpki.CRLSpec{IssuingPoint: &testpki.IssuingPoint{URIs: []string{b.issuer.CRLURL()}}})
	if got := b.judged(t, mtls.RevocationPolicy{}, mine, listOf(t, b.root, testpki.CRLSpec{})); got != "" {
		t.Errorf("refused: %s", got)
	}
}

// What is remembered of a certificate does not tell its distribution points: a
// list for one of them revokes, and finds nobody good; nor does the list of
// another key beside it.
func TestRememberedAndDistributionPoints(t *testing.T) {
	r := newRekeyed(t, testpki.AuthoritySpec{})
	b := r.bench
	root := listOf(t, b.root, testpki.CRLSpec{})
	point := func(entries ...testpki.Entry) *mtls.CRL {
		return listOf(t, b.issuer, testpki.CRLSpec{Entries: append([]testpki.Entry{}, entries...), IssuingPoint: &testpki.IssuingPoint{URIs: []string{b.issuer.CRLURL()}}})
	}
	clean, listsIt := point(), point(testpki.Entry{Serial: b.serial(), At: today(), Reason: testpki.ReasonKeyCompromise})
	whole := listOf(t, b.issuer, testpki.CRLSpec{})
	forged := listOf(t, b.issuer, testpki.CRLSpec{CorruptSignature: true, IssuingPoint: &testpki.IssuingPoint{URIs: []string{b.issuer.CRLURL()}},
		Entries: []testpki.Entry{{Serial: b.serial(), At: today()}}})
	ifPresent := mtls.RevocationPolicy{Mode: mtls.RevocationIfPresent}
	sibling := listOf(t, r.new, testpki.CRLSpec{Entries: []testpki.Entry{}})
	underRoot, err := mtls.NewTrust(certs(b.root.Certificate), certs(r.old.Certificate, r.new.Certificate))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		rule   string
		policy mtls.RevocationPolicy
		lists  []*mtls.CRL
		want   mtls.Reason
	}{
		{"listed", mtls.RevocationPolicy{}, []*mtls.CRL{root, listsIt}, mtls.Revoked},
		{"listed, where none is required", ifPresent, []*mtls.CRL{root, listsIt}, mtls.Revoked},
		{"listed, beside a list of all", mtls.RevocationPolicy{}, []*mtls.CRL{root, whole, listsIt}, mtls.Revoked},
		{"listed by a forgery, beside a list of all", mtls.RevocationPolicy{}, []*mtls.CRL{root, whole, forged}, ""},
		{"not listed", mtls.RevocationPolicy{}, []*mtls.CRL{root, clean}, mtls.RevocationUnavailable},
		{"not listed, beside a list of all", mtls.RevocationPolicy{}, []*mtls.CRL{root, whole, clean}, ""},
		{"not listed, beside a list of another key", mtls.RevocationPolicy{}, []*mtls.CRL{root, clean, sibling}, mtls.RevocationUnavailable},
	} {
		trust := b.trust
		if slices.Contains(test.lists, sibling) {
			trust = underRoot
		}
		v := newVerifier(t, trust, mtls.Policy{Revocation: test.policy}, mtls.NewCRLSet(test.lists...))
		var got mtls.Reason
		if r := v.JudgeStored(storedOf(b.card), today()).Refusal; r != nil {
			got = r.Reason
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.rule, got, test.want)
		}
	}
}

// The newest list of a scope counts; a bad one beside a good one does no harm.
func TestSeveralCRLs(t *testing.T) {
	b := newBench(t)
	root := listOf(t, b.root, testpki.CRLSpec{})
	older := listOf(t, b.issuer, testpki.CRLSpec{Number: big.NewInt(7), Entries: []testpki.Entry{{Serial: b.serial(), At: today(), Reason: testpki.ReasonCertificateHold}}})
	newer := listOf(t, b.issuer, testpki.CRLSpec{Number: big.NewInt(8), Entries: []testpki.Entry{}})
	forged := listOf(t, b.issuer, testpki.CRLSpec{Number: big.NewInt(9), CorruptSignature: true})
	if got := b.judged(t, mtls.RevocationPolicy{}, root, older, newer, forged); got != "" {
		t.Errorf("released since: %s", got)
	}
	again := listOf(t, b.issuer, testpki.CRLSpec{Number: big.NewInt(10), Entries: []testpki.Entry{{Serial: b.serial(), At: today()}}})
	if got := b.judged(t, mtls.RevocationPolicy{}, again, root, newer, older); got != mtls.Revoked {
		t.Errorf("revoked again: %q", got)
	}
}

func TestDeltaCRLs(t *testing.T) {
	hour := time.Hour
	entry := func(b *bench, reason int) []testpki.Entry {
		return []testpki.Entry{{Serial: b.serial(), At: today(), Reason: reason}}
	}
	none := []testpki.Entry{}
	number := func(n int64) *big.Int { return big.NewInt(n) }
	base := func(b *bench) testpki.CRLSpec { return testpki.CRLSpec{Number: number(10), Entries: none} }
	staleBase := func(b *bench) testpki.CRLSpec {
		return testpki.CRLSpec{Number: number(10), Entries: none, ThisUpdate: today().Add(-48 * hour), NextUpdate: today().Add(-hour)}
	}
	for _, test := range []struct {
		rule  string
		base  func(*bench) testpki.CRLSpec
		delta func(*bench) testpki.CRLSpec
		want  mtls.Reason
	}{
		{"a delta that says nothing of it", base, func(*bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(11), Base: number(10), Entries: none}
		}, ""},
		{"revoked by the delta", base, func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(11), Base: number(10), Entries: entry(b, testpki.ReasonKeyCompromise)}
		}, mtls.Revoked},
		{"released by the delta", func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(10), Entries: entry(b, testpki.ReasonCertificateHold)}
		}, func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(11), Base: number(10), Entries: entry(b, testpki.ReasonRemoveFromCRL)}
		}, ""},
		{"a delta for a newer base is not applied", func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(9), Entries: entry(b, testpki.ReasonCertificateHold)}
		}, func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(11), Base: number(10), Entries: entry(b, testpki.ReasonRemoveFromCRL)}
		}, mtls.Revoked},
		{"a delta older than its base is not applied", base, func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(10), Base: number(8), Entries: entry(b, testpki.ReasonKeyCompromise)}
		}, ""},
		{"a stale delta: the fresh base counts", base, func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(11), Base: number(10), Entries: none, ThisUpdate: today().Add(-48 * hour), NextUpdate: today().Add(-hour)}
		}, ""},
		{"a stale delta revokes still", base, func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(11), Base: number(10), Entries: entry(b, testpki.ReasonKeyCompromise), ThisUpdate: today().Add(-48 * hour), NextUpdate: today().Add(-hour)}
		}, mtls.Revoked},
		{"a stale delta releases nobody", func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(10), Entries: entry(b, testpki.ReasonCertificateHold)}
		}, func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(11), Base: number(10), Entries: entry(b, testpki.ReasonRemoveFromCRL), ThisUpdate: today().Add(-48 * hour), NextUpdate: today().Add(-hour)}
		}, mtls.Revoked},
		{"a stale delta that is forged revokes nobody", base, func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(11), Base: number(10), Entries: entry(b, testpki.ReasonKeyCompromise), CorruptSignature: true, ThisUpdate: today().Add(-48 * hour), NextUpdate: today().Add(-hour)}
		}, ""},
		{"a stale delta makes a stale base no fresher", staleBase, func(*bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(11), Base: number(10), Entries: none, ThisUpdate: today().Add(-24 * hour), NextUpdate: today().Add(-time.Minute)}
		}, mtls.RevocationUnavailable},
		{"a stale base, a fresh delta: together fresh", staleBase, func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(11), Base: number(10), Entries: none}
		}, ""},
		{"a stale base, a delta that does not fit", staleBase, func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(12), Base: number(11), Entries: none}
		}, mtls.RevocationUnavailable},
		{"a stale base, a forged delta", staleBase, func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(11), Base: number(10), Entries: none, CorruptSignature: true}
		}, mtls.RevocationUnavailable},
		{"a stale base, a delta of another scope", staleBase, func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(11), Base: number(10), Entries: none, IssuingPoint: &testpki.IssuingPoint{OnlyUserCerts: true}}
		}, mtls.RevocationUnavailable},
		{"a stale base, a delta that names another key", staleBase, func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(11), Base: number(10), Entries: none, AuthorityKeyID: []byte{1, 2, 3}}
		}, mtls.RevocationUnavailable},
		{"a stale base, a delta with an unknown critical extension", staleBase, func(b *bench) testpki.CRLSpec {
			return testpki.CRLSpec{Number: number(11), Base: number(10), Entries: none, Extensions: []pkix.Extension{testpki.UnknownCritical()}}
		}, mtls.RevocationUnavailable},
	} {
		t.Run(test.rule, func(t *testing.T) {
			b := newBench(t)
			lists := []*mtls.CRL{listOf(t, b.root, testpki.CRLSpec{}), deltaOf(t, b.issuer, test.delta(b)), listOf(t, b.issuer, test.base(b))}
			if got := b.judged(t, mtls.RevocationPolicy{}, lists...); got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
	b := newBench(t)
	late := today().Add(-hour)
	older := deltaOf(t, b.issuer, testpki.CRLSpec{Number: number(11), Base: number(10), Entries: entry(b, testpki.ReasonCertificateHold), ThisUpdate: late.Add(-hour), NextUpdate: late})
	newer := deltaOf(t, b.issuer, testpki.CRLSpec{Number: number(12), Base: number(10), Entries: none})
	root, complete := listOf(t, b.root, testpki.CRLSpec{}), listOf(t, b.issuer, base(b))
	if got := b.judged(t, mtls.RevocationPolicy{}, root, complete, older, newer); got != "" {
		t.Errorf("on hold by a stale delta, released by the fresh one: %q", got)
	}
	alone := deltaOf(t, b.issuer, testpki.CRLSpec{Number: number(11), Base: number(10), Entries: none})
	if got := b.judged(t, mtls.RevocationPolicy{}, alone, listOf(t, b.root, testpki.CRLSpec{})); got != mtls.RevocationUnavailable {
		t.Errorf("a delta without its base: %q", got)
	}
}

// The policy is each CA's own: the one that issued the certificate in question.
func TestPolicyPerIssuer(t *testing.T) {
	b := newBench(t)
	rootKey := mtls.NameKey(b.root.Certificate.RawSubject)
	policy := mtls.Policy{PerIssuer: map[string]mtls.RevocationPolicy{rootKey: {Mode: mtls.RevocationOff}}}
	evidence := mtls.NewCRLSet(listOf(t, b.issuer, testpki.CRLSpec{}))
	if _, err := newVerifier(t, b.trust, policy, evidence).Verify(mtls.Leaf{DER: b.card.DER}, today()); err != nil {
		t.Errorf("the root's CRL is not asked for: %v", err)
	}
	wantRefusal(t, newVerifier(t, b.trust, policy, nil), b.card.DER, mtls.RevocationUnavailable)
}

// An anchor whose issuer is not held is trusted as it is.
func TestAnchorWithoutIssuer(t *testing.T) {
	b := newBench(t)
	trust, err := mtls.NewTrust(b.pki.CardIssuers(), nil)
	if err != nil {
		t.Fatal(err)
	}
	evidence := mtls.NewCRLSet(listOf(t, b.issuer, testpki.CRLSpec{}))
	if _, err := newVerifier(t, trust, mtls.Policy{}, evidence).Verify(mtls.Leaf{DER: b.card.DER}, today()); err != nil {
		t.Error(err)
	}
}

// bypassed is evidence under a manual bypass.
type bypassed struct {
	mtls.CRLSet
	until time.Time
}

func (b bypassed) BypassedUntil([]byte) time.Time { return b.until }

func TestBypass(t *testing.T) {
	b := newBench(t)
	hour := time.Hour
	judge := func(until time.Time, lists ...*mtls.CRL) mtls.Verdict {
		return newVerifier(t, b.trust, mtls.Policy{}, bypassed{mtls.NewCRLSet(lists...), until}).Judge(mtls.Leaf{DER: b.card.DER}, today())
	}
	if v := judge(today().Add(hour)); v.Refusal != nil || !slices.Equal(v.Allowed, []mtls.Allowance{mtls.AllowedByBypass}) {
		t.Errorf("no CRL, bypassed: %v, %v", v.Refusal, v.Allowed)
	}
	if v := judge(today()); v.Refusal == nil || v.Refusal.Reason != mtls.RevocationUnavailable {
		t.Errorf("bypass over: %v", v.Refusal)
	}
	b.issuer.Revoke(b.serial(), today(), testpki.ReasonKeyCompromise)
	if v := judge(today().Add(hour), listOf(t, b.issuer, testpki.CRLSpec{})); v.Refusal == nil || v.Refusal.Reason != mtls.Revoked {
		t.Errorf("revoked, though bypassed: %v", v.Refusal)
	}
}

// Each leniency that let a card in is told.
func TestAllowances(t *testing.T) {
	b := newBench(t)
	fresh := []*mtls.CRL{listOf(t, b.root, testpki.CRLSpec{}), listOf(t, b.issuer, testpki.CRLSpec{})}
	stale := []*mtls.CRL{fresh[0], listOf(t, b.issuer, testpki.CRLSpec{ThisUpdate: today().Add(-48 * time.Hour), NextUpdate: today().Add(-time.Hour)})}
	for rule, test := range map[string]struct {
		policy mtls.RevocationPolicy
		lists  []*mtls.CRL
		want   []mtls.Allowance
	}{
		"none used": {mtls.RevocationPolicy{Mode: mtls.RevocationIfPresent, Stale: mtls.StaleAccept}, fresh, nil},
		"stale":     {mtls.RevocationPolicy{Stale: mtls.StaleAccept}, stale, []mtls.Allowance{mtls.AllowedStale}},
		"unknown":   {mtls.RevocationPolicy{Mode: mtls.RevocationIfPresent}, nil, []mtls.Allowance{mtls.AllowedUnknown}},
		"off":       {mtls.RevocationPolicy{Mode: mtls.RevocationOff}, fresh, []mtls.Allowance{mtls.AllowedUnchecked}},
	} {
		v := newVerifier(t, b.trust, mtls.Policy{Revocation: test.policy}, mtls.NewCRLSet(test.lists...)).Judge(mtls.Leaf{DER: b.card.DER}, today())
		if v.Refusal != nil || !slices.Equal(v.Allowed, test.want) {
			t.Errorf("%s: %v, %v", rule, v.Refusal, v.Allowed)
		}
	}
}
