package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cpsgate/internal/testpki"
	"cpsgate/sso"
)

func TestMutualTLSConfig(t *testing.T) {
	good := MutualTLSConfig{Listen: ":8446", Origin: "https://mtls.exemple.test", ClientAuthorities: "ca.pem"}
	for _, tc := range []struct {
		name   string
		change func(*MutualTLSConfig)
		says   string
	}{
		{"good", func(*MutualTLSConfig) {}, ""},
		{"none of it", func(c *MutualTLSConfig) { *c = MutualTLSConfig{} }, ""},
		{"no address", func(c *MutualTLSConfig) { c.Listen = "" }, "sso.mutual_tls.listen"},
		{"an address without port", func(c *MutualTLSConfig) { c.Listen = "localhost" }, "sso.mutual_tls.listen"},
		{"no origin", func(c *MutualTLSConfig) { c.Origin = "" }, "sso.mutual_tls.origin"},
		{"the main origin", func(c *MutualTLSConfig) { c.Origin = "https://sso.exemple.test" }, "must differ"},
		{"no authorities", func(c *MutualTLSConfig) { c.ClientAuthorities = "" }, "client_authorities"},
	} {
		c := good
		tc.change(&c)
		err := c.check("https://sso.exemple.test", "https://cps.exemple.test")
		if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
	alone := SSOConfig{Clients: []SSOClientConfig{{ID: "dossier", Auth: string(sso.AuthTLS)}}}
	alone.setDefaults(t.TempDir())
	if err := alone.check(); err == nil || !strings.Contains(err.Error(), "sso.clients[0].auth") {
		t.Errorf("a client by certificate without the listener: %v", err)
	}
}

// applicationCA makes an authority of applications and a certificate of it.
func applicationCA(t *testing.T) (ca []byte, pair tls.Certificate) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Applications"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	if ca, err = x509.CreateCertificate(rand.Reader, template, template, key.Public(), key); err != nil {
		t.Fatal(err)
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: manyNames, NotBefore: template.NotBefore, NotAfter: template.NotAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return ca, tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// manyNames has attributes that programs write in different ways.
var manyNames = pkix.Name{
	Country: []string{"FR"}, Organization: []string{"Exemple, Éditeur"}, StreetAddress: []string{"1 rue d'Exemple"}, PostalCode: []string{"75000"},
	CommonName: "dossier", SerialNumber: "SIREN-000000000",
	ExtraNames: []pkix.AttributeTypeAndValue{
		{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "dossier@exemple.test"},
		{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 25}, Value: "exemple"},
		{Type: asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1}, Value: "dossier"},
	},
}

// subjectPrinted is what the command prints of a certificate.
func subjectPrinted(t *testing.T, pair tls.Certificate) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dossier.pem")
	write(t, file, pemOf(pair.Certificate[0]))
	code, out, errs := runCommand(t, "client", "subject", file)
	if code != 0 || !strings.Contains(out, "SERIALNUMBER=SIREN-000000000") {
		t.Fatalf("exit %d: %s%s", code, out, errs)
	}
	return strings.TrimSuffix(out, "\n")
}

// The authorities of cards, and those above them, issue no application's
// certificate.
func TestMutualTLSAuthorities(t *testing.T) {
	fresh := copies(t)
	ca, pair := applicationCA(t)
	for _, tc := range []struct {
		name string
		ders func(*demo) [][]byte
		says string
	}{
		{"an authority of their own", func(*demo) [][]byte { return [][]byte{ca} }, ""},
		{"one of cards", func(d *demo) [][]byte {
			return [][]byte{ca, d.pki.Issuer(testpki.Fort, testpki.Persons).Certificate.Raw}
		}, "issues cards"},
		{"one above cards", func(d *demo) [][]byte { return [][]byte{d.pki.Root(testpki.Fort).Certificate.Raw} }, "stands above"},
		{"no authority", func(*demo) [][]byte { return pair.Certificate }, "is no authority"},
		{"nothing", func(*demo) [][]byte { return nil }, "client_authorities"},
	} {
		d, c := fresh(t)
		var text []byte
		for _, der := range tc.ders(d) {
			text = append(text, pemOf(der)...)
		}
		write(t, d.path("applications.pem"), text)
		mutualOf(d, c)
		if tc.says == "stands above" { // the demo names the roots among its intermediates
			c.Trust.Intermediates = nil
		}
		p, err := openProgram(t.Context(), c, quiet(), time.Now)
		if err == nil {
			p.Close()
		}
		if (err == nil) != (tc.says == "") || err != nil && (!strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), "sso.mutual_tls.client_authorities")) {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// mutualOf sets the listener up, with the demo's certificate.
func mutualOf(d *demo, c *Config) {
	c.SSO.MutualTLS = MutualTLSConfig{Listen: "127.0.0.1:0", Origin: "https://sso.localhost:1", ClientAuthorities: d.path("applications.pem")}
	c.SSO.MutualTLS.setDefaults(c.Main)
}

// TestServeMutualTLS: from the configuration to an application that proves
// itself by its certificate.
func TestServeMutualTLS(t *testing.T) {
	d, c, l := demoConfig(t)
	ca, pair := applicationCA(t)
	write(t, d.path("applications.pem"), pemOf(ca))
	mutualOf(d, c)
	c.SSO.Clients = append(c.SSO.Clients, SSOClientConfig{
		ID: "dossier", Auth: string(sso.AuthTLS), TLSSubject: subjectPrinted(t, pair), Introspects: true, RedirectURIs: []string{"https://dossier.exemple.test/cb"},
	})
	p, err := openProgram(t.Context(), c, quiet(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if l.mutual, err = net.Listen("tcp", c.SSO.MutualTLS.Listen); err != nil {
		t.Fatal(err)
	}
	address := l.mutual.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.Serve(ctx, l, nil) }()

	roots, err := attestationRoots(d.Root)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(pairs ...tls.Certificate) (string, error) {
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: "sso.localhost", Certificates: pairs}}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
		response, err := client.PostForm("https://"+address+sso.PathIntrospect, url.Values{"client_id": {"dossier"}, "token": {"unknown"}})
		if err != nil {
			return "", err
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		return response.Status + " " + string(body), err
	}
	if got, err := ask(pair); err != nil || got != `200 OK {"active":false}` {
		t.Errorf("with its certificate: %s, %v", got, err)
	}
	if got, err := ask(); err == nil {
		t.Errorf("without: %s", got)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("serving ended with %v", err)
	}
}
