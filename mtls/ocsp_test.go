package mtls_test

import (
	"crypto"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"io"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

type ocspBench struct {
	pki      *testpki.PKI
	ca       *testpki.Authority
	serial   *big.Int
	question mtls.OCSPQuestion
	request  testpki.OCSPRequest
}

func newOCSPBench(t testing.TB) ocspBench {
	t.Helper()
	pki := crlPKI(t)
	b := ocspBench{pki: pki, ca: pki.Issuer(testpki.Fort, testpki.Persons), serial: big.NewInt(4711)}
	b.question = mtls.AskOCSP(b.serial, b.ca.Certificate)
	b.request = ocspRequest(t, b.question)
	return b
}

func ocspRequest(t testing.TB, q mtls.OCSPQuestion) testpki.OCSPRequest {
	t.Helper()
	der, err := q.DER()
	if err != nil {
		t.Fatal(err)
	}
	request, err := testpki.ParseOCSPRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func (b ocspBench) answer(t testing.TB, spec testpki.OCSPSpec) []byte {
	t.Helper()
	der, err := b.ca.OCSPResponse(spec, b.request)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func (b ocspBench) delegate(t testing.TB, from *testpki.Authority, alter func(*testpki.Template)) *testpki.Pair {
	t.Helper()
	pair, err := from.Delegate(alter)
	if err != nil {
		t.Fatal(err)
	}
	return &pair
}

// without leaves an extension out of a template.
func without(oid asn1.ObjectIdentifier) func(*testpki.Template) {
	return func(template *testpki.Template) {
		var kept []pkix.Extension
		for _, e := range template.Extensions {
			if !e.Id.Equal(oid) {
				kept = append(kept, e)
			}
		}
		template.Extensions = kept
	}
}

func TestOCSPRequest(t *testing.T) {
	b := newOCSPBench(t)
	der, err := b.question.DER()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := ocsp.ParseRequest(der)
	if err != nil || theirs.SerialNumber.Cmp(b.serial) != 0 {
		t.Fatalf("%v %v", theirs, err)
	}
	plain, err := (mtls.OCSPQuestion{Serial: b.serial, Issuer: b.ca.Certificate}).DER()
	if err != nil {
		t.Fatal(err)
	}
	want, err := ocsp.CreateRequest(&x509.Certificate{SerialNumber: b.serial}, b.ca.Certificate, nil)
	if err != nil || string(plain) != string(want) {
		t.Errorf("without a nonce: %x, %x", plain, want)
	}
	if again := mtls.AskOCSP(b.serial, b.ca.Certificate); string(again.Nonce) == string(b.question.Nonce) || len(again.Nonce) != 32 {
		t.Error("the nonce is not fresh")
	}
}

func TestReadOCSP(t *testing.T) {
	b := newOCSPBench(t)
	b.ca.Revoke(big.NewInt(666), crlNow.Add(-time.Hour), testpki.ReasonKeyCompromise)
	read := func(spec testpki.OCSPSpec) mtls.OCSPAnswer {
		t.Helper()
		answer, err := mtls.ReadOCSP(b.answer(t, spec), b.question, mtls.OCSPPolicy{}, crlNow)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	if got := read(testpki.OCSPSpec{}); got.Status != mtls.OCSPGood || !got.ThisUpdate.Equal(crlNow) || !got.NextUpdate.Equal(crlNow.Add(24*time.Hour)) {
		t.Errorf("good: %+v", got)
	}
	if got := read(testpki.OCSPSpec{ByKey: true}); got.Status != mtls.OCSPGood {
		t.Errorf("responder by key: %+v", got)
	}
	if got := read(testpki.OCSPSpec{Status: testpki.Unknown}); got.Status != mtls.OCSPUnknown {
		t.Errorf("unknown: %+v", got)
	}
	delegate := b.delegate(t, b.ca, nil)
	if got := read(testpki.OCSPSpec{Delegate: delegate}); got.Status != mtls.OCSPGood || !got.Responder.Equal(delegate.Certificate) {
		t.Errorf("delegated: %+v", got)
	}
	b.question = mtls.AskOCSP(big.NewInt(666), b.ca.Certificate)
	b.request = ocspRequest(t, b.question)
	if got := read(testpki.OCSPSpec{}); got.Status != mtls.OCSPRevoked || got.Reason != mtls.ReasonKeyCompromise || !got.RevokedAt.Equal(crlNow.Add(-time.Hour)) {
		t.Errorf("revoked: %+v", got)
	}
}

// silent is a key that signs nothing.
type silent struct{ crypto.Signer }

func (silent) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return nil, nil }

func TestReadOCSPRefusals(t *testing.T) {
	b := newOCSPBench(t)
	stranger := b.pki.Issuer(testpki.Standard, testpki.Persons)
	old := crlNow.Add(-30 * time.Hour)
	critical := []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true, Value: []byte{5, 0}}}
	expired := func(template *testpki.Template) { template.NotAfter = crlNow.Add(-time.Minute) }
	clientOnly := func(template *testpki.Template) {
		without(testpki.ExtensionExtendedKeyUsage)(template)
		template.Extensions = append(template.Extensions, testpki.ExtendedKeyUsage(testpki.UsageClientAuth))
	}
	for name, tt := range map[string]struct {
		spec testpki.OCSPSpec
		want mtls.OCSPFault
	}{
		"responder asks to come back":            {testpki.OCSPSpec{Outer: testpki.OCSPTryLater}, mtls.OCSPResponderError},
		"responder does not know us":             {testpki.OCSPSpec{Outer: testpki.OCSPUnauthorized}, mtls.OCSPResponderError},
		"about another serial":                   {testpki.OCSPSpec{Serial: big.NewInt(4712)}, mtls.OCSPOtherCertificate},
		"signature broken":                       {testpki.OCSPSpec{CorruptSignature: true}, mtls.OCSPSignature},
		"unsigned":                               {testpki.OCSPSpec{Signer: silent{b.ca.Key}}, mtls.OCSPSignature},
		"signed by a stranger's key":             {testpki.OCSPSpec{Signer: stranger.Key}, mtls.OCSPSignature},
		"delegate of a stranger":                 {testpki.OCSPSpec{Delegate: b.delegate(t, stranger, nil)}, mtls.OCSPResponder},
		"delegate left out of the answer":        {testpki.OCSPSpec{Delegate: b.delegate(t, b.ca, nil), WithoutDelegate: true}, mtls.OCSPSignature},
		"delegate without the purpose":           {testpki.OCSPSpec{Delegate: b.delegate(t, b.ca, clientOnly)}, mtls.OCSPResponder},
		"delegate that has expired":              {testpki.OCSPSpec{Delegate: b.delegate(t, b.ca, expired)}, mtls.OCSPResponder},
		"delegate whose revocation nobody knows": {testpki.OCSPSpec{Delegate: b.delegate(t, b.ca, without(testpki.ExtensionOCSPNoCheck))}, mtls.OCSPResponder},
		"no nonce":                               {testpki.OCSPSpec{WithoutNonce: true}, mtls.OCSPNonce},
		"another question's nonce":               {testpki.OCSPSpec{Nonce: make([]byte, 32)}, mtls.OCSPNonce},
		"too old":                                {testpki.OCSPSpec{ThisUpdate: old, NextUpdate: crlNow.Add(time.Hour)}, mtls.OCSPStale},
		"past nextUpdate":                        {testpki.OCSPSpec{ThisUpdate: crlNow.Add(-2 * time.Hour), NextUpdate: crlNow.Add(-time.Hour)}, mtls.OCSPStale},
		"too old, no nextUpdate":                 {testpki.OCSPSpec{ThisUpdate: old, WithoutNext: true}, mtls.OCSPStale},
		"from the future":                        {testpki.OCSPSpec{ThisUpdate: crlNow.Add(time.Hour)}, mtls.OCSPNotYet},
		"critical extension":                     {testpki.OCSPSpec{Extensions: critical}, mtls.OCSPCriticalExtension},
		"critical extension of the answer":       {testpki.OCSPSpec{SingleExtensions: critical}, mtls.OCSPMalformed},
	} {
		_, err := mtls.ReadOCSP(b.answer(t, tt.spec), b.question, mtls.OCSPPolicy{}, crlNow)
		var refused *mtls.OCSPError
		if !errors.Is(err, tt.want) || !errors.As(err, &refused) {
			t.Errorf("%s: %v, want %s", name, err, tt.want)
		}
	}
}

// An answer of another authority about the same serial, and a replay of a good
// answer after the certificate was revoked.
func TestReadOCSPOfAnother(t *testing.T) {
	b := newOCSPBench(t)
	other := b.pki.Issuer(testpki.Standard, testpki.Persons)
	question := mtls.AskOCSP(b.serial, other.Certificate)
	theirs, err := b.ca.OCSPResponse(testpki.OCSPSpec{}, ocspRequest(t, question))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := mtls.ReadOCSP(theirs, b.question, mtls.OCSPPolicy{Nonce: mtls.NonceIfPresent}, crlNow); !errors.Is(err, mtls.OCSPOtherCertificate) {
		t.Errorf("of another issuer: %v", err)
	}
	recorded := b.answer(t, testpki.OCSPSpec{})
	later := mtls.AskOCSP(b.serial, b.ca.Certificate)
	if _, err := mtls.ReadOCSP(recorded, later, mtls.OCSPPolicy{}, crlNow); !errors.Is(err, mtls.OCSPNonce) {
		t.Errorf("replayed: %v", err)
	}
}

// What a policy may allow beyond the strict default.
func TestReadOCSPPolicies(t *testing.T) {
	b := newOCSPBench(t)
	for name, tt := range map[string]struct {
		spec   testpki.OCSPSpec
		policy mtls.OCSPPolicy
	}{
		"no nonce":              {testpki.OCSPSpec{WithoutNonce: true}, mtls.OCSPPolicy{Nonce: mtls.NonceIfPresent}},
		"old":                   {testpki.OCSPSpec{ThisUpdate: crlNow.Add(-30 * time.Hour), WithoutNext: true}, mtls.OCSPPolicy{MaxAge: 48 * time.Hour}},
		"clock ahead":           {testpki.OCSPSpec{ThisUpdate: crlNow.Add(time.Minute)}, mtls.OCSPPolicy{}},
		"delegate not knowable": {testpki.OCSPSpec{Delegate: b.delegate(t, b.ca, without(testpki.ExtensionOCSPNoCheck))}, mtls.OCSPPolicy{UncheckedResponders: mtls.Accept}},
	} {
		if _, err := mtls.ReadOCSP(b.answer(t, tt.spec), b.question, tt.policy, crlNow); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzReadOCSP: whatever is accepted, golang.org/x/crypto/ocsp reads alike.
func FuzzReadOCSP(f *testing.F) {
	b := newOCSPBench(f)
	for _, spec := range []testpki.OCSPSpec{
		{}, {Outer: testpki.OCSPTryLater}, {ByKey: true}, {Status: testpki.Revoked}, {Delegate: b.delegate(f, b.ca, nil)},
		{WithoutNonce: true, WithoutNext: true}, {Status: testpki.Unknown},
	} {
		f.Add(b.answer(f, spec))
	}
	f.Fuzz(func(t *testing.T, der []byte) {
		answer, err := mtls.ReadOCSP(der, b.question, mtls.OCSPPolicy{}, crlNow)
		if err != nil {
			return
		}
		theirs, err := ocsp.ParseResponseForCert(der, &x509.Certificate{SerialNumber: b.serial}, nil)
		if err != nil {
			t.Fatal(err)
		}
		status := map[int]mtls.OCSPStatus{ocsp.Good: mtls.OCSPGood, ocsp.Revoked: mtls.OCSPRevoked, ocsp.Unknown: mtls.OCSPUnknown}[theirs.Status]
		if answer.Status != status || !answer.ThisUpdate.Equal(theirs.ThisUpdate) {
			t.Errorf("%+v, %+v", answer, theirs)
		}
	})
}
