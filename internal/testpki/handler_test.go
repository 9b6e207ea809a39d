package testpki_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"cpsgate/internal/testpki"
)

func get(t *testing.T, handler http.Handler, path, ifNoneMatch string) *http.Response {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, path, nil)
	if ifNoneMatch != "" {
		request.Header.Set("If-None-Match", ifNoneMatch)
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder.Result()
}

func body(t *testing.T, response *http.Response) []byte {
	t.Helper()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestEveryAddressInACertificateIsServed follows the addresses of a card's own
// certificate to the authority's CRL and certificate.
func TestEveryAddressInACertificateIsServed(t *testing.T) {
	for _, options := range []testpki.Options{{Now: atNoon, BaseURL: "http://pki.test"}, {Now: atNoon, BaseURL: "http://pki.test/", Test: true}} {
		pki := newPKI(t, options)
		card, err := pki.Card(testpki.CardSpec{WithoutSignature: true})
		if err != nil {
			t.Fatal(err)
		}
		leaf, issuer := card.Authentication.Certificate, card.Authentication.Issuer
		response := get(t, pki.Handler(), leaf.CRLDistributionPoints[0], "")
		list := parseCRL(t, body(t, response), nil)
		if err := list.CheckSignatureFrom(issuer.Certificate); err != nil {
			t.Errorf("%s: %v", leaf.CRLDistributionPoints[0], err)
		}
		if got := body(t, get(t, pki.Handler(), leaf.IssuingCertificateURL[0], "")); !bytes.Equal(got, issuer.Certificate.Raw) {
			t.Errorf("%s: not the issuer's certificate", leaf.IssuingCertificateURL[0])
		}
		list = parseCRL(t, body(t, get(t, pki.Handler(), issuer.Certificate.CRLDistributionPoints[0], "")), nil)
		if err := list.CheckSignatureFrom(issuer.Parent.Certificate); err != nil {
			t.Errorf("%s: %v", issuer.Certificate.CRLDistributionPoints[0], err)
		}
		if got := leaf.OCSPServer[0]; got != "http://pki.test/ocsp" {
			t.Errorf("OCSP at %s", got)
		}
	}
}

func TestHandlerServesTheCurrentCRL(t *testing.T) {
	now := noon
	pki := newPKI(t, testpki.Options{Test: true, Now: func() time.Time { return now }})
	issuer := pki.Issuer(testpki.Standard, testpki.Persons)
	const path = "/CRL/ACI-ST-PP-TEST.crl"
	number := func() int64 { return parseCRL(t, body(t, get(t, pki.Handler(), path, "")), nil).Number.Int64() }

	first := get(t, pki.Handler(), path, "")
	if got := first.Header.Get("Content-Type"); got != "application/pkix-crl" {
		t.Errorf("content type %s", got)
	}
	if again := get(t, pki.Handler(), path, first.Header.Get("ETag")); again.StatusCode != http.StatusNotModified {
		t.Errorf("asked again: %s, want 304", again.Status)
	}
	if got := number(); got != 1 {
		t.Errorf("number %d with nothing changed, want 1", got)
	}
	issuer.Revoke(big.NewInt(5), now, testpki.ReasonUnspecified)
	list := parseCRL(t, body(t, get(t, pki.Handler(), path, first.Header.Get("ETag"))), nil)
	if list.Number.Int64() != 2 || len(list.RevokedCertificateEntries) != 1 {
		t.Errorf("after a revocation: number %v, %d entries", list.Number, len(list.RevokedCertificateEntries))
	}
	now = now.AddDate(0, 0, 4)
	if got := number(); got != 3 {
		t.Errorf("number %d past half its life, want 3", got)
	}
	issuer.Publish([]byte("no CRL"))
	if got := body(t, get(t, pki.Handler(), path, "")); string(got) != "no CRL" {
		t.Errorf("published bytes not served: %q", got)
	}
	issuer.Publish(nil)
	if got := number(); got != 4 {
		t.Errorf("number %d after Publish(nil), want 4", got)
	}
	for _, path := range []string{"/CRL/ACI-ST-PP.crl", "/CRL/ACI-XX-PP-TEST.crl", "/AC/ACI-ST-PP-TEST.cer", "/"} {
		if got := get(t, pki.Handler(), path, ""); got.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %s, want 404", path, got.Status)
		}
	}
}

// ask sends a request the way golang.org/x/crypto/ocsp makes it.
func ask(t *testing.T, handler http.Handler, leaf, issuer *x509.Certificate, byGet bool) []byte {
	t.Helper()
	der, err := ocsp.CreateRequest(leaf, issuer, nil)
	if err != nil {
		t.Fatal(err)
	}
	if byGet {
		return body(t, get(t, handler, "/ocsp/"+url.PathEscape(base64.StdEncoding.EncodeToString(der)), ""))
	}
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodPost, "/ocsp", bytes.NewReader(der)))
	return recorder.Body.Bytes()
}

func TestOCSPAnswersFromTheRecords(t *testing.T) {
	pki := testPKI(t)
	card, err := pki.Card(testpki.CardSpec{})
	if err != nil {
		t.Fatal(err)
	}
	issuer := card.Authentication.Issuer
	card.Authentication.Revoke(noon.Add(-time.Hour), testpki.ReasonKeyCompromise)
	for _, byGet := range []bool{false, true} {
		answer, err := ocsp.ParseResponseForCert(ask(t, pki.Handler(), card.Authentication.Certificate, issuer.Certificate, byGet), card.Authentication.Certificate, issuer.Certificate)
		if err != nil {
			t.Fatal(err)
		}
		if answer.Status != ocsp.Revoked || answer.RevocationReason != ocsp.KeyCompromise || !answer.RevokedAt.Equal(noon.Add(-time.Hour)) {
			t.Errorf("status %d, reason %d, at %v", answer.Status, answer.RevocationReason, answer.RevokedAt)
		}
		if !answer.ThisUpdate.Equal(noon) || !answer.NextUpdate.Equal(noon.AddDate(0, 0, 1)) {
			t.Errorf("from %v to %v", answer.ThisUpdate, answer.NextUpdate)
		}
	}
	answer, err := ocsp.ParseResponse(ask(t, pki.OCSP(issuer), card.Signature.Certificate, issuer.Certificate, false), issuer.Certificate)
	if err != nil || answer.Status != ocsp.Good {
		t.Errorf("the other certificate of the card: %+v, %v", answer, err)
	}
	if _, err := ocsp.ParseResponse(ask(t, pki.Handler(), card.Signature.Certificate, pki.ServerRoot(), false), nil); err == nil {
		t.Error("answered for an issuer it does not know")
	}
}

func TestOCSPShapes(t *testing.T) {
	pki := testPKI(t)
	card, err := pki.Card(testpki.CardSpec{WithoutSignature: true})
	if err != nil {
		t.Fatal(err)
	}
	leaf, issuer := card.Authentication.Certificate, card.Authentication.Issuer
	delegate, err := issuer.Delegate(nil)
	if err != nil {
		t.Fatal(err)
	}
	stranger := pki.Impostor(testpki.Fort, testpki.Persons)
	for _, test := range []struct {
		name   string
		spec   testpki.OCSPSpec
		status int // -1: refused by golang.org/x/crypto/ocsp
	}{
		{"good", testpki.OCSPSpec{Status: testpki.Good}, ocsp.Good},
		{"revoked", testpki.OCSPSpec{Status: testpki.Revoked}, ocsp.Revoked},
		{"unknown", testpki.OCSPSpec{Status: testpki.Unknown}, ocsp.Unknown},
		{"responder named by key", testpki.OCSPSpec{ByKey: true}, ocsp.Good},
		{"delegated", testpki.OCSPSpec{Delegate: &delegate}, ocsp.Good},
		{"delegated, its certificate left out", testpki.OCSPSpec{Delegate: &delegate, WithoutDelegate: true}, -1},
		{"corrupt signature", testpki.OCSPSpec{CorruptSignature: true}, -1},
		{"signed by a stranger", testpki.OCSPSpec{Signer: stranger.Key}, -1},
		{"about another certificate", testpki.OCSPSpec{Serial: big.NewInt(4)}, -1},
		{"try later", testpki.OCSPSpec{Outer: testpki.OCSPTryLater}, -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer, err := ocsp.ParseResponseForCert(ask(t, issuer.OCSP(test.spec), leaf, issuer.Certificate, false), leaf, issuer.Certificate)
			switch {
			case test.status == -1 && err == nil:
				t.Error("accepted")
			case test.status >= 0 && err != nil:
				t.Error(err)
			case test.status >= 0 && answer.Status != test.status:
				t.Errorf("status %d, want %d", answer.Status, test.status)
			}
		})
	}
}

// withNonce is a request made by openssl ocsp, for serial 5 and with a nonce.
const withNonce = "MGcwZTA+MDwwOjAJBgUrDgMCGgUABBRDP/aUaPHrrZ3/Yf6Gl3c+VpbOBgQUIxrT+EXX5yenEwEEC4Ecgmufl2ECAQWiIzAhMB8GCSsGAQUFBzAB" +
	"AgQSBBAQAsoOTVKsJfIVV31B67Oz"

func TestParseOCSPRequest(t *testing.T) {
	der, err := base64.StdEncoding.DecodeString(withNonce)
	if err != nil {
		t.Fatal(err)
	}
	request, err := testpki.ParseOCSPRequest(der)
	if err != nil {
		t.Fatal(err)
	}
	if request.Serial.Int64() != 5 || hex.EncodeToString(request.Nonce) != "04101002ca0e4d52ac25f215577d41ebb3b3" ||
		hex.EncodeToString(request.IssuerKeyHash) != "231ad3f845d7e727a71301040b811c826b9f9761" {
		t.Errorf("read %+v", request)
	}
	for end := range der {
		if _, err := testpki.ParseOCSPRequest(der[:end]); err == nil {
			t.Errorf("cut at %d: accepted", end)
		}
	}
}

func TestOCSPNonce(t *testing.T) {
	pki := testPKI(t)
	issuer := pki.Issuer(testpki.Fort, testpki.Persons)
	request := testpki.OCSPRequest{CertID: []byte{0x30, 0}, Serial: big.NewInt(1), Nonce: []byte{4, 3, 0xaa, 0xbb, 0xcc}}
	for _, test := range []struct {
		name string
		spec testpki.OCSPSpec
		want []byte
	}{
		{"repeated", testpki.OCSPSpec{}, []byte{4, 5, 4, 3, 0xaa, 0xbb, 0xcc}},
		{"another one", testpki.OCSPSpec{Nonce: []byte{1, 2}}, []byte{4, 4, 4, 2, 1, 2}},
		{"left out", testpki.OCSPSpec{WithoutNonce: true}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			der, err := issuer.OCSPResponse(test.spec, request)
			if err != nil {
				t.Fatal(err)
			}
			oid := []byte{0x2b, 6, 1, 5, 5, 7, 0x30, 1, 2}
			_, after, found := bytes.Cut(der, oid)
			if found != (test.want != nil) || !bytes.HasPrefix(after, test.want) {
				t.Errorf("nonce present: %v, then %x", found, after[:min(8, len(after))])
			}
		})
	}
}

func FuzzParseOCSPRequest(f *testing.F) {
	pki, err := testpki.New(testpki.Options{Now: atNoon, Test: true})
	if err != nil {
		f.Fatal(err)
	}
	card, err := pki.Card(testpki.CardSpec{WithoutSignature: true})
	if err != nil {
		f.Fatal(err)
	}
	der, err := ocsp.CreateRequest(card.Authentication.Certificate, card.Authentication.Issuer.Certificate, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add(der[:20])
	if der, err = base64.StdEncoding.DecodeString(withNonce); err != nil {
		f.Fatal(err)
	}
	f.Add(der)
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		request, err := testpki.ParseOCSPRequest(der)
		if err == nil && (request.Serial == nil || len(request.CertID) == 0) {
			t.Errorf("half a request: %+v", request)
		}
	})
}
