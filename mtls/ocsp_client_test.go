package mtls_test

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"slices"
	"sync"
	"testing"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// responder answers as an authority does, counts, and can be made to fail.
type responder struct {
	ca *testpki.Authority

	mu    sync.Mutex
	now   time.Time
	asked int
	spec  testpki.OCSPSpec
	fail  error
	hold  chan struct{} // answers wait for it, when it is there
}

func (r *responder) clock() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

func (r *responder) fetch(_ context.Context, _ string, question []byte) ([]byte, error) {
	r.mu.Lock()
	r.asked++
	spec, fail, hold := r.spec, r.fail, r.hold
	spec.ThisUpdate = r.now
	r.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if fail != nil {
		return nil, fail
	}
	request, err := testpki.ParseOCSPRequest(question)
	if err != nil {
		return nil, err
	}
	return r.ca.OCSPResponse(spec, request)
}

func newOCSPClient(t *testing.T) (*responder, *mtls.OCSPClient) {
	r := &responder{ca: crlAuthority(t), now: crlNow}
	return r, &mtls.OCSPClient{Fetch: r.fetch, Now: r.clock}
}

var responders = []string{"http://ocsp.example/"}

func TestOCSPClientRemembers(t *testing.T) {
	r, client := newOCSPClient(t)
	issuer := r.ca.Certificate
	ask := func(serial int64, want mtls.OCSPStatus, asked int, when string) {
		t.Helper()
		answer, err := client.Ask(t.Context(), big.NewInt(serial), issuer, responders)
		if err != nil || answer.Status != want || r.asked != asked {
			t.Errorf("%s: %s %v, asked %d times, want %s, %d", when, answer.Status, err, r.asked, want, asked)
		}
	}
	if _, found := client.Answer(big.NewInt(1), issuer); found {
		t.Error("an answer from nowhere")
	}
	ask(1, mtls.OCSPGood, 1, "first")
	ask(1, mtls.OCSPGood, 1, "again")
	ask(2, mtls.OCSPGood, 2, "another serial")
	r.ca.Revoke(big.NewInt(1), crlNow, 0)
	ask(1, mtls.OCSPGood, 2, "revoked, but remembered")
	r.now = r.now.Add(10*time.Minute + time.Second)
	if _, found := client.Answer(big.NewInt(1), issuer); found {
		t.Error("remembered for too long")
	}
	ask(1, mtls.OCSPRevoked, 3, "revoked")
	if answer, found := client.Answer(big.NewInt(1), issuer); !found || answer.Status != mtls.OCSPRevoked {
		t.Error("not remembered")
	}
	r.spec.Status = testpki.Unknown
	ask(3, mtls.OCSPUnknown, 4, "unknown")
	ask(3, mtls.OCSPUnknown, 5, "unknown is not remembered")
}

func TestOCSPClientForgetsAtNextUpdate(t *testing.T) {
	r, client := newOCSPClient(t)
	r.spec.NextUpdate = crlNow.Add(time.Minute)
	client.Policy.ClockSkew = time.Second
	if _, err := client.Ask(t.Context(), big.NewInt(1), r.ca.Certificate, responders); err != nil {
		t.Fatal(err)
	}
	r.now = r.now.Add(time.Minute + 2*time.Second)
	if _, found := client.Answer(big.NewInt(1), r.ca.Certificate); found {
		t.Error("remembered past its nextUpdate")
	}
}

// A responder that is down costs one login its deadline, and not every one.
func TestOCSPClientRests(t *testing.T) {
	r, client := newOCSPClient(t)
	r.fail = &mtls.FetchError{Fault: mtls.FetchTooSlow}
	for range 5 {
		if _, err := client.Ask(t.Context(), big.NewInt(1), r.ca.Certificate, responders); !errors.Is(err, mtls.FetchTooSlow) {
			t.Fatal(err)
		}
	}
	if r.asked != 1 {
		t.Errorf("asked %d times", r.asked)
	}
	r.fail, r.now = nil, r.now.Add(31*time.Second)
	if _, err := client.Ask(t.Context(), big.NewInt(1), r.ca.Certificate, responders); err != nil {
		t.Error("when it is back:", err)
	}
}

func TestOCSPClientAsksTheNext(t *testing.T) {
	r, client := newOCSPClient(t)
	broken := func(ctx context.Context, address string, question []byte) ([]byte, error) {
		if address == "http://first.example/" {
			return []byte("not an answer"), nil
		}
		return r.fetch(ctx, address, question)
	}
	client.Fetch = broken
	if answer, err := client.Ask(t.Context(), big.NewInt(1), r.ca.Certificate, []string{"http://first.example/", "http://second.example/"}); err != nil || answer.Status != mtls.OCSPGood {
		t.Errorf("%+v %v", answer, err)
	}
	if _, err := client.Ask(t.Context(), big.NewInt(2), r.ca.Certificate, []string{"http://first.example/"}); !errors.Is(err, mtls.OCSPMalformed) {
		t.Error(err)
	}
	if _, err := client.Ask(t.Context(), big.NewInt(2), r.ca.Certificate, nil); !errors.Is(err, mtls.ErrNoResponder) {
		t.Error(err)
	}
}

// Logins that wait for one answer ask once, and one that gives up takes
// nothing from the others.
func TestOCSPClientAsksOnce(t *testing.T) {
	r, client := newOCSPClient(t)
	r.hold = make(chan struct{})
	gone, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for i := range 8 {
		ctx := t.Context()
		if i == 0 {
			ctx = gone
		}
		group.Go(func() {
			_, err := client.Ask(ctx, big.NewInt(1), r.ca.Certificate, responders)
			if left := ctx == gone; left != errors.Is(err, context.Canceled) || !left && err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	cancel()
	time.Sleep(20 * time.Millisecond) // who has left does not wait for the answer
	close(r.hold)
	group.Wait()
	if r.asked > 2 {
		t.Errorf("asked %d times", r.asked)
	}
}

func TestOCSPClientIsBounded(t *testing.T) {
	r, client := newOCSPClient(t)
	client.CacheSize = 3
	for serial := range int64(10) {
		if _, err := client.Ask(t.Context(), big.NewInt(serial), r.ca.Certificate, responders); err != nil {
			t.Fatal(err)
		}
	}
	remembered := 0
	for serial := range int64(10) {
		if _, found := client.Answer(big.NewInt(serial), r.ca.Certificate); found {
			remembered++
		}
	}
	if remembered != 3 {
		t.Errorf("%d answers remembered", remembered)
	}
}

// A card is judged by OCSP while its CRL cannot be had: what the verifier wants
// to know is asked, and the same certificate judged again.
func TestOCSPClientAsEvidence(t *testing.T) {
	h := newHouse(t, nil)
	card, revoked := newCard(t, h.pki, testpki.CardSpec{}), newCard(t, h.pki, testpki.CardSpec{})
	h.issuer.Revoke(revoked.Certificate.SerialNumber, h.clock(), testpki.ReasonKeyCompromise)
	if err := h.refresher.Fetch(t.Context(), roots, false); err != nil {
		t.Fatal(err)
	}
	r := &responder{ca: h.issuer, now: h.clock()}
	client := &mtls.OCSPClient{Fetch: r.fetch, Now: r.clock, Responders: responders}
	evidence := struct {
		*mtls.Refresher
		*mtls.OCSPClient
	}{h.refresher, client}
	var _ mtls.OCSPEvidence = evidence
	var _ mtls.BypassEvidence = evidence
	h.verifier = newVerifier(t, trustOf(t, h.pki), mtls.Policy{Revocation: mtls.RevocationPolicy{OCSP: mtls.OCSPIfCRLUnavailable}}, evidence)
	for name, tt := range map[string]struct {
		card testpki.Pair
		want mtls.Reason
	}{"good": {card, ""}, "revoked": {revoked, mtls.Revoked}} {
		h.want(tt.card, mtls.RevocationUnavailable, name+", before anybody was asked")
		if err := client.AskAll(t.Context(), h.verifier.Questions(mtls.Leaf{DER: tt.card.DER}, h.clock())); err != nil {
			t.Error(err)
		}
		h.want(tt.card, tt.want, name)
	}
	if r.asked != 2 {
		t.Errorf("asked %d times", r.asked)
	}
}

// Whom to ask: who is configured, else whom the certificate names; about one
// that is remembered, whom others of its issuer named.
func TestWhomToAsk(t *testing.T) {
	b := newBench(t)
	v := newVerifier(t, b.trust, mtls.Policy{Revocation: mtls.RevocationPolicy{OCSP: mtls.OCSPAlways}}, freshCRLs(t, b.pki))
	shown := v.Questions(mtls.Leaf{DER: b.card.DER}, today())
	remembered := v.StoredQuestions(storedOf(b.card), today())
	if len(shown) != 2 || len(remembered) != 2 {
		t.Fatalf("%d and %d questions", len(shown), len(remembered))
	}
	want := func(rule string, c *mtls.OCSPClient, q mtls.OCSPQuestion, addresses ...string) {
		t.Helper()
		if got := c.Whom(q); !slices.Equal(got, addresses) {
			t.Errorf("%s: %q, want %q", rule, got, addresses)
		}
	}
	const named, fallback = "http://ocsp.esante.gouv.fr", "http://fallback.example/"
	client := &mtls.OCSPClient{Fallback: []string{fallback}}
	want("remembered, and no other was seen", client, remembered[0], fallback)
	want("at hand", client, shown[0], named)
	want("remembered, and another was seen", client, remembered[0], named, fallback)
	want("an authority that names none", client, shown[1])
	want("the same, of what is remembered", client, remembered[1])
	want("who is configured comes first", &mtls.OCSPClient{Responders: responders}, shown[0], responders...)
	several := shown[0]
	several.Responders = []string{"ldap://a.example/", "http://1.example", "http://2.example", "https://3.example", "http://4.example", "https://5.example"}
	want("other than HTTP, and too many", &mtls.OCSPClient{}, several, several.Responders[1:5]...)
	allowed := &mtls.OCSPClient{Check: (&mtls.Fetcher{Hosts: []string{"5.example"}}).CheckResponder}
	want("whom the hosts allow", allowed, several, "https://5.example")
	want("the same, of what is remembered", allowed, mtls.OCSPQuestion{Issuer: several.Issuer, Remembered: true}, "https://5.example")
	several.Responders = []string{named}
	want("nobody whom the hosts allow", allowed, several)
	national := &mtls.OCSPClient{Fallback: []string{fallback}, IGCFallback: []string{named}}
	foreign := &x509.Certificate{Raw: []byte{1}, Subject: pkix.Name{CommonName: "AC HOSPITAL"}}
	want("of the IGC-Santé", national, remembered[0], fallback, named)
	want("of another authority", national, mtls.OCSPQuestion{Issuer: foreign, Remembered: true}, fallback)
}

func TestCheckResponder(t *testing.T) {
	f := &mtls.Fetcher{Hosts: []string{"ocsp.example", "other.example:8080"}}
	for address, good := range map[string]bool{
		"http://ocsp.example/": true, "https://other.example:8080/x": true,
		"http://elsewhere.example": false, "http://ocsp.example:81": false, "ldap://ocsp.example/": false, "ocsp.example": false,
	} {
		if err := f.CheckResponder(address); (err == nil) != good {
			t.Errorf("%s: %v", address, err)
		}
	}
}
