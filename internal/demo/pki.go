package demo

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"cpsgate/internal/testpki"
)

// Authorities is the host that the sample cards' certificates point at: CRLs,
// OCSP and authorities' certificates over HTTP, CRLs and deltas over LDAP.
type Authorities struct{ pki *testpki.PKI }

// OpenAuthorities is the PKI that Make made cards of, with the sample cards
// revoked that are to be.
func OpenAuthorities(public string) (*Authorities, error) {
	pki, err := newPKI(time.Now)
	if err != nil {
		return nil, err
	}
	for _, s := range Samples() {
		if !s.Revoked {
			continue
		}
		certificate, err := readCertificate(filepath.Join(public, cardsFolder, s.File+".pem"))
		if err != nil {
			return nil, err
		}
		issuer := issuerOf(pki, certificate)
		if issuer == nil {
			return nil, fmt.Errorf("the card of %s is of none of our authorities", s.Holder())
		}
		issuer.Revoke(certificate.SerialNumber, certificate.NotBefore.Add(time.Hour), testpki.ReasonKeyCompromise)
	}
	return &Authorities{pki: pki}, nil
}

// Serve answers over HTTP and LDAP until ctx ends.
func (a *Authorities) Serve(ctx context.Context, web, directory net.Listener) error {
	ended := make(chan error, 2)
	go func() { ended <- a.pki.ServeLDAP(directory) }()
	go func() { ended <- Serve(ctx, web, a.pki.Handler()) }()
	err := <-ended
	return errors.Join(err, directory.Close(), <-ended)
}

func issuerOf(pki *testpki.PKI, c *x509.Certificate) *testpki.Authority {
	for _, a := range pki.Authorities() {
		if c.CheckSignatureFrom(a.Certificate) == nil {
			return a
		}
	}
	return nil
}

func readCertificate(file string) (*x509.Certificate, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("%s: no PEM", file)
	}
	return x509.ParseCertificate(block.Bytes)
}
