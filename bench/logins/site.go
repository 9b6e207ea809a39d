package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"cpsgate/internal/testpki"
)

// site is the files that all servers and the load generator share.
type site struct {
	folder  string
	entries int
}

func (s *site) path(name string) string { return filepath.Join(s.folder, name) }
func (s *site) remove()                 { os.RemoveAll(s.folder) }

const host = "cps.localhost"

// newSite makes a PKI, a server certificate, cards, and the CRLs: of the issuer
// with that many entries, twice, and of the root.
func newSite(entries int) (s *site, err error) {
	folder, err := os.MkdirTemp("", "bench-logins")
	if err != nil {
		return nil, err
	}
	s = &site{folder, entries}
	defer func() {
		if err != nil {
			s.remove()
		}
	}()
	pki, err := testpki.New(testpki.Options{})
	if err != nil {
		return nil, err
	}
	issuer, root := pki.Issuer(testpki.Fort, testpki.Persons), pki.Root(testpki.Fort)
	server, err := pki.ServerCertificate(host)
	if err != nil {
		return nil, err
	}
	if err := s.writePair("server", server); err != nil {
		return nil, err
	}
	for i := range cards {
		card, err := pki.Card(testpki.CardSpec{WithoutSignature: true})
		if err != nil {
			return nil, err
		}
		pair := tls.Certificate{Certificate: [][]byte{card.Authentication.DER}, PrivateKey: card.Authentication.Key}
		if err := s.writePair(cardName(i), pair); err != nil {
			return nil, err
		}
	}
	authorities := [][]byte{issuer.Certificate.Raw, root.Certificate.Raw}
	return s, errors.Join(
		s.writePEM("issuer.pem", "CERTIFICATE", authorities[0]),
		s.writePEM("root.pem", "CERTIFICATE", authorities[1]),
		s.writePEM("authorities.pem", "CERTIFICATE", authorities...),
		s.writeCRLs(issuer, root),
	)
}

// cards are as many as the PKI has keys for, or near it.
const cards = 8

func cardName(i int) string { return fmt.Sprintf("card-%d", i) }

func (s *site) writePair(name string, pair tls.Certificate) error {
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		return err
	}
	return errors.Join(s.writePEM(name+".pem", "CERTIFICATE", pair.Certificate...), s.writePEM(name+"-key.pem", "PRIVATE KEY", key))
}

func (s *site) writePEM(name, kind string, blocks ...[]byte) error {
	var text []byte
	for _, der := range blocks {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	return os.WriteFile(s.path(name), text, 0o600)
}

// writeCRLs makes issuer.crl and its successor, root.crl, and for nginx both
// authorities' in one PEM file.
func (s *site) writeCRLs(issuer, root *testpki.Authority) error {
	for _, name := range []string{"issuer.crl", "issuer-next.crl"} {
		if err := s.writeLarge(name, issuer); err != nil {
			return err
		}
	}
	ofRoot, err := root.CRL(testpki.CRLSpec{})
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.path("root.crl"), ofRoot, 0o600); err != nil {
		return err
	}
	large, err := os.ReadFile(s.path("issuer.crl"))
	if err != nil {
		return err
	}
	return s.writePEM("crls.pem", "X509 CRL", large, ofRoot)
}

func (s *site) writeLarge(name string, issuer *testpki.Authority) error {
	out, err := os.Create(s.path(name))
	if err != nil {
		return err
	}
	return errors.Join(testpki.WriteLargeCRL(out, issuer, testpki.LargeCRLSpec{Entries: s.entries}), out.Close())
}
