package mtls_test

import (
	"math/big"
	"testing"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// answerOf is the authority's OCSP answer about a serial, as from a file.
func answerOf(t testing.TB, a *testpki.Authority, serial *big.Int, spec testpki.OCSPSpec) []byte {
	t.Helper()
	der, err := a.OCSPResponse(spec, ocspRequest(t, mtls.OCSPQuestion{Serial: serial, Issuer: a.Certificate}))
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// The CRLs of the issuer are missing or stale; answers say what they would.
func TestOCSPBesideCRLs(t *testing.T) {
	b := newBench(t)
	root := listOf(t, b.root, testpki.CRLSpec{})
	fresh := listOf(t, b.issuer, testpki.CRLSpec{})
	stale := listOf(t, b.issuer, testpki.CRLSpec{ThisUpdate: today().Add(-48 * time.Hour), NextUpdate: today().Add(-time.Hour)})
	answer := func(spec testpki.OCSPSpec) []byte { return answerOf(t, b.issuer, b.serial(), spec) }
	good, revoked, unknown := answer(testpki.OCSPSpec{Status: testpki.Good}), answer(testpki.OCSPSpec{Status: testpki.Revoked}), answer(testpki.OCSPSpec{Status: testpki.Unknown})
	older := answer(testpki.OCSPSpec{Status: testpki.Revoked, ThisUpdate: today().Add(-time.Hour)})
	other := answerOf(t, b.issuer, big.NewInt(5), testpki.OCSPSpec{Status: testpki.Good})
	forged := answer(testpki.OCSPSpec{Status: testpki.Good, CorruptSignature: true})

	const unavailable = mtls.RevocationUnavailable
	for _, test := range []struct {
		rule    string
		use     mtls.OCSPUse
		lists   []*mtls.CRL
		answers [][]byte
		want    mtls.Reason
	}{
		{"good, no CRL", mtls.OCSPIfCRLUnavailable, []*mtls.CRL{root}, [][]byte{good}, ""},
		{"good, stale CRL", mtls.OCSPIfCRLUnavailable, []*mtls.CRL{root, stale}, [][]byte{good}, ""},
		{"good, always", mtls.OCSPAlways, []*mtls.CRL{root}, [][]byte{good}, ""},
		{"revoked, no CRL", mtls.OCSPIfCRLUnavailable, []*mtls.CRL{root}, [][]byte{revoked}, mtls.Revoked},
		{"revoked since the CRL, always", mtls.OCSPAlways, []*mtls.CRL{root, fresh}, [][]byte{revoked}, mtls.Revoked},
		{"no answer, always: the CRL tells", mtls.OCSPAlways, []*mtls.CRL{root, fresh}, nil, ""},
		{"the newest answer counts", mtls.OCSPAlways, []*mtls.CRL{root}, [][]byte{older, good}, ""},
		{"never looked at", mtls.OCSPNever, []*mtls.CRL{root}, [][]byte{good}, unavailable},
		{"the default is never", "", []*mtls.CRL{root}, [][]byte{good}, unavailable},
		{"unknown to the responder", mtls.OCSPAlways, []*mtls.CRL{root}, [][]byte{unknown}, unavailable},
		{"about another certificate", mtls.OCSPAlways, []*mtls.CRL{root}, [][]byte{other}, unavailable},
		{"forged", mtls.OCSPAlways, []*mtls.CRL{root}, [][]byte{forged}, unavailable},
		{"forged, beside a fresh CRL", mtls.OCSPAlways, []*mtls.CRL{root, fresh}, [][]byte{forged}, ""},
		{"not DER", mtls.OCSPAlways, []*mtls.CRL{root}, [][]byte{{1, 2, 3}}, unavailable},
		{"no answer about its authority", mtls.OCSPAlways, nil, [][]byte{good}, unavailable},
		{"answers about both", mtls.OCSPAlways, nil, [][]byte{
			good, answerOf(t, b.root, b.issuer.Certificate.SerialNumber, testpki.OCSPSpec{Status: testpki.Good}),
		}, ""},
	} {
		t.Run(test.rule, func(t *testing.T) {
			policy := mtls.Policy{Revocation: mtls.RevocationPolicy{OCSP: test.use}}
			v := newVerifier(t, b.trust, policy, mtls.FileEvidence{CRLSet: mtls.NewCRLSet(test.lists...), Answers: test.answers})
			got := mtls.Reason("")
			if r := v.Explain(mtls.Leaf{DER: b.card.DER}, today()).Refusal; r != nil {
				got = r.Reason
			}
			if got != test.want {
				t.Errorf("%q, want %q", got, test.want)
			}
		})
	}
}

// A delegated responder that may be revoked is looked up in the CRL.
func TestRevokedResponder(t *testing.T) {
	b := newBench(t)
	delegate, err := b.issuer.Delegate(func(c *testpki.Template) { c.Remove(testpki.ExtensionOCSPNoCheck) })
	if err != nil {
		t.Fatal(err)
	}
	exempt, err := b.issuer.Delegate(nil)
	if err != nil {
		t.Fatal(err)
	}
	root := listOf(t, b.root, testpki.CRLSpec{})
	judged := func(by *testpki.Pair, policy mtls.OCSPPolicy, lists ...*mtls.CRL) mtls.Reason {
		t.Helper()
		good := answerOf(t, b.issuer, b.serial(), testpki.OCSPSpec{Status: testpki.Good, Delegate: by})
		evidence := mtls.FileEvidence{CRLSet: mtls.NewCRLSet(append(lists, root)...), Answers: [][]byte{good}}
		p := mtls.Policy{OCSP: policy, Revocation: mtls.RevocationPolicy{OCSP: mtls.OCSPIfCRLUnavailable}}
		if r := newVerifier(t, b.trust, p, evidence).Judge(mtls.Leaf{DER: b.card.DER}, today()).Refusal; r != nil {
			return r.Reason
		}
		return ""
	}
	accepted := mtls.OCSPPolicy{UncheckedResponders: mtls.Accept}
	stale := testpki.CRLSpec{ThisUpdate: today().Add(-48 * time.Hour), NextUpdate: today().Add(-time.Hour)}
	if got := judged(&exempt, mtls.OCSPPolicy{}); got != "" {
		t.Errorf("exempt: %s", got)
	}
	if got := judged(&delegate, mtls.OCSPPolicy{}); got != mtls.RevocationUnavailable {
		t.Errorf("not exempt, strict: %q", got)
	}
	if got := judged(&delegate, accepted, listOf(t, b.issuer, stale)); got != "" {
		t.Errorf("not exempt, accepted: %s", got)
	}
	b.issuer.Revoke(delegate.Certificate.SerialNumber, today().Add(-72*time.Hour), testpki.ReasonKeyCompromise)
	if got := judged(&delegate, accepted, listOf(t, b.issuer, stale)); got != mtls.RevocationUnavailable {
		t.Errorf("revoked, by a stale CRL even: %q", got)
	}
}

// What to ask before a judgement, by each issuer's policy.
func TestQuestions(t *testing.T) {
	b := newBench(t)
	root, fresh := listOf(t, b.root, testpki.CRLSpec{}), listOf(t, b.issuer, testpki.CRLSpec{})
	good := answerOf(t, b.issuer, b.serial(), testpki.OCSPSpec{Status: testpki.Good})
	leaf := func(q mtls.OCSPQuestion) bool {
		return q.Serial.Cmp(b.serial()) == 0 && q.Issuer.Equal(b.issuer.Certificate)
	}
	authority := func(q mtls.OCSPQuestion) bool {
		return q.Serial.Cmp(b.issuer.Certificate.SerialNumber) == 0 && q.Issuer.Equal(b.root.Certificate)
	}
	for _, test := range []struct {
		rule    string
		use     mtls.OCSPUse
		lists   []*mtls.CRL
		answers [][]byte
		want    []func(mtls.OCSPQuestion) bool
	}{
		{"never", mtls.OCSPNever, nil, nil, nil},
		{"CRLs tell", mtls.OCSPIfCRLUnavailable, []*mtls.CRL{root, fresh}, nil, nil},
		{"one CRL is missing", mtls.OCSPIfCRLUnavailable, []*mtls.CRL{root}, nil, []func(mtls.OCSPQuestion) bool{leaf}},
		{"both are", mtls.OCSPIfCRLUnavailable, nil, nil, []func(mtls.OCSPQuestion) bool{leaf, authority}},
		{"always", mtls.OCSPAlways, []*mtls.CRL{root, fresh}, nil, []func(mtls.OCSPQuestion) bool{leaf, authority}},
		{"always, one is answered", mtls.OCSPAlways, []*mtls.CRL{root, fresh}, [][]byte{good}, []func(mtls.OCSPQuestion) bool{authority}},
	} {
		v := newVerifier(t, b.trust, mtls.Policy{Revocation: mtls.RevocationPolicy{OCSP: test.use}},
			mtls.FileEvidence{CRLSet: mtls.NewCRLSet(test.lists...), Answers: test.answers})
		questions := v.Questions(mtls.Leaf{DER: b.card.DER}, today())
		if len(questions) != len(test.want) {
			t.Errorf("%s: %d questions, want %d", test.rule, len(questions), len(test.want))
			continue
		}
		for i, is := range test.want {
			if !is(questions[i]) {
				t.Errorf("%s: question %d is about %s", test.rule, i, questions[i].Serial)
			}
		}
	}
	v := newVerifier(t, b.trust, mtls.Policy{Revocation: mtls.RevocationPolicy{OCSP: mtls.OCSPAlways}}, mtls.FileEvidence{})
	stranger := newCard(t, b.pki, testpki.CardSpec{Issuer: b.pki.Impostor(testpki.Fort, testpki.Persons)})
	for rule, der := range map[string][]byte{"a stranger's": stranger.DER, "garbage": {1, 2}, "none": nil} {
		if questions := v.Questions(mtls.Leaf{DER: der}, today()); len(questions) != 0 {
			t.Errorf("%s certificate makes us ask %d questions", rule, len(questions))
		}
	}
	// Evidence without answers asks all the same.
	plain := newVerifier(t, b.trust, mtls.Policy{Revocation: mtls.RevocationPolicy{OCSP: mtls.OCSPAlways}}, nil)
	if questions := plain.Questions(mtls.Leaf{DER: b.card.DER}, today()); len(questions) != 2 {
		t.Errorf("%d questions", len(questions))
	}
}
