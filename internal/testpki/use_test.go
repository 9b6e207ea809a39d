package testpki_test

import (
	"bytes"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"slices"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"cpsgate/internal/testpki"
)

// TestHandshake is the whole of it: a TLS 1.2 server that asks for a card, a
// client that sends the leaf alone.
func TestHandshake(t *testing.T) {
	pki := newPKI(t, testpki.Options{Test: true})
	card, err := pki.Card(testpki.CardSpec{WithoutSignature: true})
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := pki.ServerCertificate("cps.localhost", "*.cps.localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	server := tls.Server(near, &tls.Config{
		Certificates: []tls.Certificate{certificate}, MaxVersion: tls.VersionTLS12,
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool(pki.CardIssuers()...),
	})
	client := tls.Client(far, &tls.Config{
		RootCAs: pool(pki.ServerRoot()), ServerName: "a1b2.cps.localhost", Certificates: []tls.Certificate{card.Authentication.TLS()},
	})
	go func() {
		_, _ = io.WriteString(client, "hello") // the server's side reports a failure
		_ = client.Close()
	}()
	got, err := io.ReadAll(server)
	if err != nil || string(got) != "hello" {
		t.Fatalf("server read %q, %v", got, err)
	}
	if sent := server.ConnectionState().PeerCertificates; len(sent) != 1 || !bytes.Equal(sent[0].Raw, card.Authentication.DER) {
		t.Errorf("%d certificates sent, want the leaf alone", len(sent))
	}
}

func TestPKCS12(t *testing.T) {
	pki := testPKI(t)
	card, err := pki.Card(testpki.CardSpec{WithoutSignature: true})
	if err != nil {
		t.Fatal(err)
	}
	issuer := pki.Issuer(testpki.Fort, testpki.Persons).Certificate
	packed, err := testpki.PKCS12(card.Authentication, []*x509.Certificate{issuer}, "exemple")
	if err != nil {
		t.Fatal(err)
	}
	key, leaf, chain, err := pkcs12.DecodeChain(packed, "exemple")
	if err != nil || !leaf.Equal(card.Authentication.Certificate) || len(chain) != 1 || !chain[0].Equal(issuer) {
		t.Errorf("unpacked %v, chain of %d, %v", leaf, len(chain), err)
	}
	if private, ok := key.(*rsa.PrivateKey); !ok || !private.Equal(card.Authentication.Key) {
		t.Errorf("another key unpacked: %T", key)
	}
	if _, err := testpki.PKCS12(testpki.Pair{DER: []byte{1}}, nil, "exemple"); err == nil {
		t.Error("packed a pair without a certificate")
	}
}

func TestAttestation(t *testing.T) {
	pki := testPKI(t)
	aaguid := [16]byte{0xca, 0xfe, 15: 0x01}
	pair, err := pki.Attestation(aaguid)
	if err != nil {
		t.Fatal(err)
	}
	leaf := pair.Certificate
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: pool(pki.AttestationRoot()), CurrentTime: noon, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}); err != nil {
		t.Error(err)
	}
	if got := leaf.Subject.OrganizationalUnit; leaf.Version != 3 || leaf.IsCA || !slices.Equal(got, []string{"Authenticator Attestation"}) {
		t.Errorf("version %d, CA %v, OU %v: not as WebAuthn §8.2.1 asks", leaf.Version, leaf.IsCA, got)
	}
	if got, want := extension(leaf, testpki.ExtensionFIDOGenCEAAGUID), "0410cafe0000000000000000000000000001"; got != want {
		t.Errorf("AAGUID %s, want %s", got, want)
	}
	bent, err := pki.Attestation(aaguid, func(t *testpki.Template) { t.Remove(testpki.ExtensionFIDOGenCEAAGUID) })
	if err != nil || extension(bent.Certificate, testpki.ExtensionFIDOGenCEAAGUID) != "" {
		t.Errorf("alter did not act: %v", err)
	}
}

func BenchmarkCard(b *testing.B) {
	for b.Loop() {
		pki, err := testpki.New(testpki.Options{Test: true})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := pki.Card(testpki.CardSpec{}); err != nil {
			b.Fatal(err)
		}
	}
}
