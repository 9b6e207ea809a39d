//go:build cgo

package pkcs11_test

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"cpsgate/cardside/pkcs11"
	"cpsgate/internal/cardlab"
	"cpsgate/internal/testpki"
)

func giving(pin string) pkcs11.PIN {
	return func(context.Context, pkcs11.Token) ([]byte, error) { return []byte(pin), nil }
}

func openModule(t *testing.T, token cardlab.Token) *pkcs11.Module {
	t.Helper()
	module, err := pkcs11.Open(token.Module)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(module.Close)
	return module
}

// handshake has mutual TLS of one version with the key, and returns the leaf
// that the server saw.
func handshake(t *testing.T, key *pkcs11.Key, version uint16) (*x509.Certificate, error) {
	t.Helper()
	pki := newPKI(t)
	serverCert, err := pki.ServerCertificate("cps.localhost")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(pki.ServerRoot())
	ours, theirs := net.Pipe()
	server := tls.Server(theirs, &tls.Config{
		Certificates: []tls.Certificate{serverCert}, ClientAuth: tls.RequireAnyClientCert, MinVersion: version, MaxVersion: version,
	})
	client := tls.Client(ours, &tls.Config{
		Certificates: []tls.Certificate{key.TLS()}, RootCAs: roots, ServerName: "cps.localhost", MinVersion: version, MaxVersion: version,
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- server.HandshakeContext(ctx) }()
	if err := client.HandshakeContext(ctx); err != nil {
		ours.Close()
		<-done
		return nil, err
	}
	if err := <-done; err != nil {
		return nil, err
	}
	return server.ConnectionState().PeerCertificates[0], nil
}

func TestMutualTLSWithACard(t *testing.T) {
	card := newCard(t, testpki.CardSpec{})
	module := openModule(t, cardlab.NewToken(t, card, cardlab.TokenOptions{}))

	tokens, err := module.Tokens()
	if err != nil || len(tokens) != 1 || !strings.HasPrefix(tokens[0].Label, "CPS4v1-") {
		t.Fatalf("%+v, %v", tokens, err)
	}
	if found, err := module.Certificates(tokens[0]); err != nil || len(found) != 2 {
		t.Errorf("%d certificates, %v", len(found), err)
	}
	key, err := module.Authentication(pkcs11.Choice{TokenID: card.TokenID, PIN: giving("1234"), Now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	if !key.Certificate.Equal(card.Authentication.Certificate) || key.Profile.TokenID != card.TokenID {
		t.Fatalf("chose %s", key.Certificate.Subject)
	}
	digest := sha256.Sum256([]byte("x"))
	if _, err := key.Sign(nil, digest[:], crypto.SHA256); !errors.Is(err, pkcs11.ErrLocked) {
		t.Errorf("before its PIN: %v", err)
	}
	if err := key.Unlock(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, version := range map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13} {
		if leaf, err := handshake(t, key, version); err != nil || !leaf.Equal(card.Authentication.Certificate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := key.Sign(nil, digest[:20], crypto.SHA1); !errors.Is(err, pkcs11.ErrUnsupported) {
		t.Errorf("SHA-1: %v", err)
	}
	key.Close()
	if _, err := key.Sign(nil, digest[:], crypto.SHA256); !errors.Is(err, pkcs11.ErrLocked) {
		t.Errorf("after its end: %v", err)
	}
}

// A CPS3 signs PKCS#1 v1.5 alone: TLS 1.2 works, TLS 1.3 has nothing to offer.
func TestCPS3OffersNoPSS(t *testing.T) {
	card := newCard(t, testpki.CardSpec{WithoutSignature: true})
	token := cardlab.NewToken(t, card, cardlab.TokenOptions{CPS3: true})
	key, err := openModule(t, token).Authentication(pkcs11.Choice{PIN: giving(token.PIN)})
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	if err := key.Unlock(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, scheme := range key.TLS().SupportedSignatureAlgorithms {
		if scheme == tls.PSSWithSHA256 {
			t.Error("offers PSS")
		}
	}
	if _, err := handshake(t, key, tls.VersionTLS12); err != nil {
		t.Errorf("TLS 1.2: %v", err)
	}
	if _, err := handshake(t, key, tls.VersionTLS13); err == nil {
		t.Error("TLS 1.3 works without PSS")
	}
}

func TestPINIsAskedAndJudged(t *testing.T) {
	card := newCard(t, testpki.CardSpec{WithoutSignature: true})
	token := cardlab.NewToken(t, card, cardlab.TokenOptions{})
	module := openModule(t, token)
	cancelled := errors.New("the person gave up")
	tests := []struct {
		name string
		pin  pkcs11.PIN
		want error
	}{
		{"right", giving("1234"), nil},
		{"wrong", giving("9999"), pkcs11.ErrPINWrong},
		{"too short", giving("1"), pkcs11.ErrPINWrong},
		{"empty", giving(""), pkcs11.ErrPINCancelled},
		{"not given", nil, pkcs11.ErrPINCancelled},
		{"given up", func(context.Context, pkcs11.Token) ([]byte, error) { return nil, cancelled }, cancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			key, err := module.Authentication(pkcs11.Choice{PIN: tt.pin, SpendLastTry: true})
			if err != nil {
				t.Fatal(err)
			}
			defer key.Close()
			if err := key.Unlock(t.Context()); !errors.Is(err, tt.want) {
				t.Fatalf("got %v; want %v", err, tt.want)
			}
		})
	}
}

func TestCertificateOfTheRightProfileIsMissing(t *testing.T) {
	card := newCard(t, testpki.CardSpec{AlterAuth: func(t *testpki.Template) { t.Remove(testpki.ExtensionTokenID) }})
	module := openModule(t, cardlab.NewToken(t, card, cardlab.TokenOptions{}))
	// Its label still says "Certificat d'Authentification CPS".
	if _, err := module.Authentication(pkcs11.Choice{}); !errors.Is(err, pkcs11.ErrNoCertificate) {
		t.Fatalf("got %v", err)
	}
}

func TestModuleThatIsNone(t *testing.T) {
	if _, err := pkcs11.Open("/etc/hostname"); !errors.Is(err, pkcs11.ErrNoModule) {
		t.Fatalf("got %v", err)
	}
}
