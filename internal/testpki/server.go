package testpki

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"time"

	"golang.org/x/crypto/cryptobyte"
	"software.sslmate.com/src/go-pkcs12"
)

// serverRoot is a root beside the IGC-Santé, with an ECDSA key.
type serverRoot struct {
	certificate *x509.Certificate
	name        Name
	key         crypto.Signer
}

func (p *PKI) newServerRoot() (serverRoot, error) {
	return p.newPlainRoot("server-root", Name{
		Single(AttributeOrganization, "cpsgate TEST"),
		Single(AttributeCommonName, "TEST cpsgate server root"),
	})
}

// newPlainRoot makes a self-signed root valid from a day ago for ten years.
func (p *PKI) newPlainRoot(keyFile string, name Name) (serverRoot, error) {
	key, now := p.keys.one(keyFile), p.now().UTC().Truncate(time.Second)
	id := KeyID(key.Public())
	t := &Template{
		Version: 2, Serial: new(big.Int).SetBytes(append([]byte{0x40}, digest(keyFile, 0)[:15]...)),
		Issuer: name.DER(), Subject: name, NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(10, 0, 0),
		PublicKey: key.Public(), Signer: key,
		Extensions: []pkix.Extension{
			BasicConstraints(true, -1), KeyUsage(UsageKeyCertSign | UsageCRLSign), subjectKeyID(id), authorityKeyID(id),
		},
	}
	der, err := t.DER()
	if err != nil {
		return serverRoot{}, fmt.Errorf("making %s: %w", keyFile, err)
	}
	certificate, err := x509.ParseCertificate(der)
	return serverRoot{certificate: certificate, name: name, key: key}, err
}

// ServerRoot is the root under which ServerCertificate issues. It has nothing to
// do with the IGC-Santé.
func (p *PKI) ServerRoot() *x509.Certificate {
	root, err := p.server()
	mustBe(err, "making the server root")
	return root.certificate
}

// ServerCertificate is a TLS server certificate for host names (wildcards too)
// and addresses, valid from a day ago for 90 days.
func (p *PKI) ServerCertificate(hosts ...string) (tls.Certificate, error) {
	root, err := p.server()
	if err != nil {
		return tls.Certificate{}, err
	}
	key, now := p.keys.one("server"), p.now().UTC().Truncate(time.Second)
	t := &Template{
		Version: 2, Serial: new(big.Int).SetBytes(append([]byte{0x40}, digest(fmt.Sprint(hosts, now.Unix()), 1)[:15]...)),
		Issuer: root.name.DER(), NotBefore: now.Add(-24 * time.Hour), NotAfter: now.AddDate(0, 0, 90),
		Subject:   Name{Single(AttributeOrganization, "cpsgate TEST"), Single(AttributeCommonName, "TEST server")},
		PublicKey: key.Public(), Signer: root.key,
		Extensions: []pkix.Extension{
			BasicConstraints(false, -1), KeyUsage(UsageDigitalSignature), ExtendedKeyUsage(UsageServerAuth),
			subjectKeyID(KeyID(key.Public())), authorityKeyID(root.certificate.SubjectKeyId), hostNames(hosts),
		},
	}
	der, err := t.DER()
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("server certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("server certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// hostNames is a subjectAltName of dNSName [2] and iPAddress [7].
func hostNames(hosts []string) pkix.Extension {
	value := sequence(func(b *cryptobyte.Builder) {
		for _, host := range hosts {
			tag, content := tagged(2), []byte(host)
			if ip := net.ParseIP(host); ip != nil {
				tag, content = tagged(7), shortest(ip)
			}
			b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(content) })
		}
	})
	return pkix.Extension{Id: ExtensionSubjectAltName, Value: value}
}

func shortest(ip net.IP) []byte {
	if four := ip.To4(); four != nil {
		return four
	}
	return ip
}

// PKCS12 packs a pair and its chain for import into a browser. The encryption
// is PBES2 with AES-256-CBC and HMAC-SHA-256, which NSS 3.87, OpenSSL 1.1.1 and
// Windows Server 2019 read, each and what came after it.
func PKCS12(pair Pair, chain []*x509.Certificate, password string) ([]byte, error) {
	if pair.Certificate == nil {
		return nil, fmt.Errorf("PKCS#12: no certificate")
	}
	return pkcs12.Modern2023.Encode(pair.Key, pair.Certificate, chain, password)
}
