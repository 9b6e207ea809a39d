package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"path/filepath"
	"time"
)

// serverLife is how long the servers' certificates hold: browsers take no more
// than 398 days from an authority of the system.
const serverLife = 397 * 24 * time.Hour

// authority signs the servers' certificates and is forgotten: its key is
// written nowhere, and it may speak for *.localhost alone (RFC 5280 §4.2.1.10).
// A browser that keeps trusting it risks nothing.
type authority struct {
	key         *ecdsa.PrivateKey
	certificate *x509.Certificate
	from, until time.Time
}

func newAuthority(now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	a := &authority{key: key, from: now.Add(-time.Hour), until: now.Add(serverLife)}
	template := &x509.Certificate{
		Subject:   pkix.Name{Organization: []string{"cpsgate"}, CommonName: "cpsgate demonstration " + now.UTC().Format(time.DateTime)},
		NotBefore: a.from, NotAfter: a.until,
		BasicConstraintsValid: true, IsCA: true, MaxPathLenZero: true, KeyUsage: x509.KeyUsageCertSign,
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: []string{"localhost"},
	}
	a.certificate, err = a.sign(template, template, key)
	return a, err
}

func (a *authority) sign(template, issuer *x509.Certificate, key *ecdsa.PrivateKey) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // RFC 5280 §4.1.2.2: at most 20 bytes
	if err != nil {
		return nil, err
	}
	template.SerialNumber = serial
	der, err := x509.CreateCertificate(rand.Reader, template, issuer, key.Public(), a.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// issue writes a certificate for the hosts and its new key, as name.pem and
// name-key.pem.
func (a *authority) issue(folder, name string, hosts ...string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	certificate, err := a.sign(&x509.Certificate{
		Subject:   pkix.Name{CommonName: hosts[0]},
		NotBefore: a.from, NotAfter: a.until, DNSNames: hosts, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, a.certificate, key)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(folder, name+".pem"), "CERTIFICATE", certificate.Raw); err != nil {
		return err
	}
	return writeKey(filepath.Join(folder, name+"-key.pem"), key)
}
