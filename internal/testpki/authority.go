package testpki

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"fmt"
	"math/big"
	"strings"
	"sync"
	"time"
)

// Validity of the real authorities: roots to the 25th, intermediates to the 24th.
var (
	authorityNotBefore = time.Date(2013, 6, 25, 0, 0, 0, 0, time.UTC)
	rootNotAfter       = time.Date(2033, 6, 25, 0, 0, 0, 0, time.UTC)
	issuerNotAfter     = time.Date(2033, 6, 24, 0, 0, 0, 0, time.UTC)
)

// Authority signs certificates, CRLs and OCSP answers.
type Authority struct {
	Short       string // "ACI-FO-PP"
	Name        Name
	Certificate *x509.Certificate
	Key         crypto.Signer
	Parent      *Authority // nil = itself

	pki        *PKI
	publishing sync.Mutex // held while choosing what to serve

	mu        sync.Mutex
	issued    uint64    // certificates signed; guarded by mu
	changes   []event   // revocations and their undoing, in order; guarded by mu
	crlNumber int64     // of the last CRL made; guarded by mu
	baseline  int64     // number of the last full CRL made; guarded by mu
	full      published // guarded by mu
	delta     published // guarded by mu
}

// AuthoritySpec describes an authority of one's own making.
type AuthoritySpec struct {
	Short               string // file name of its CRL
	Name                Name
	Parent              *Authority // nil = self-signed
	Key                 crypto.Signer
	Serial              *big.Int // nil = the parent's next
	PathLen             int      // negative = none
	NotBefore, NotAfter time.Time
	Alter               func(*Template)
}

// NewAuthority makes an authority with the shape of the real ones.
func (p *PKI) NewAuthority(spec AuthoritySpec) (*Authority, error) {
	a := &Authority{Short: spec.Short, Name: spec.Name, Key: spec.Key, Parent: spec.Parent, pki: p}
	t := p.authorityTemplate(a, spec)
	if spec.Alter != nil {
		spec.Alter(t)
	}
	der, err := t.DER()
	if err != nil {
		return nil, fmt.Errorf("authority %s: %w", spec.Short, err)
	}
	if a.Certificate, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("authority %s: %w", spec.Short, err)
	}
	return a, nil
}

func (p *PKI) authorityTemplate(a *Authority, spec AuthoritySpec) *Template {
	t := &Template{
		Version: 2, Serial: spec.Serial, Issuer: spec.Name.DER(), Subject: spec.Name,
		NotBefore: orTime(spec.NotBefore, authorityNotBefore), NotAfter: orTime(spec.NotAfter, rootNotAfter),
		PublicKey: spec.Key.Public(), Signer: spec.Key,
	}
	t.Extensions = []pkix.Extension{
		BasicConstraints(true, spec.PathLen),
		KeyUsage(UsageKeyCertSign | UsageCRLSign),
		Policies(policyAny, p.policyStatement()),
	}
	keyID := KeyID(spec.Key.Public())
	if parent := spec.Parent; parent == nil {
		t.Extensions = append(t.Extensions, subjectKeyID(keyID), authorityKeyID(keyID))
	} else {
		t.Issuer, t.Signer = parent.Certificate.RawSubject, parent.Key
		t.NotAfter = orTime(spec.NotAfter, issuerNotAfter)
		t.Extensions = append(t.Extensions, crlPoints(ExtensionCRLPoints, parent.CRLURL(), parent.ldapURL(true)),
			subjectKeyID(keyID), authorityKeyID(parent.Certificate.SubjectKeyId))
		if t.Serial == nil {
			t.Serial = parent.nextSerial()
		}
	}
	if t.Serial == nil {
		t.Serial = authoritySerial(spec.Short)
	}
	return t
}

// Issue signs a template: the fields left empty are filled with what this
// authority gives every certificate (serial, issuer, signer). When the result
// does not parse, Pair.Certificate is nil and Pair.DER holds it.
func (a *Authority) Issue(t *Template, key crypto.Signer) (Pair, error) {
	if t.Serial == nil {
		t.Serial = a.nextSerial()
	}
	if t.Issuer == nil {
		t.Issuer = a.Certificate.RawSubject
	}
	if t.Signer == nil {
		t.Signer = a.Key
	}
	if t.PublicKey == nil {
		t.PublicKey = key.Public()
	}
	der, err := t.DER()
	if err != nil {
		return Pair{}, fmt.Errorf("%s issuing: %w", a.Short, err)
	}
	pair := Pair{DER: der, Key: key, Issuer: a}
	if certificate, err := x509.ParseCertificate(der); err == nil {
		pair.Certificate = certificate
	}
	return pair, nil
}

// nextSerial is 16 bytes: eight fixed for the authority, eight of the certificate,
// as the real authorities' serials are. Never negative, never shorter.
func (a *Authority) nextSerial() *big.Int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.issued++
	serial := append(serialPrefix(a.Short), digest(a.Short, a.issued)[:8]...)
	return new(big.Int).SetBytes(serial)
}

func serialPrefix(short string) []byte {
	prefix := digest(short, 0)[:8]
	prefix[0] = prefix[0]&0x3f | 0x40
	return prefix
}

// digest makes bytes that look random and are always the same.
func digest(label string, n uint64) []byte {
	hash := sha256.New()
	hash.Write([]byte(label))
	hash.Write(binary.BigEndian.AppendUint64(nil, n))
	return hash.Sum(nil)
}

// file is the authority's file name: "ACI-FO-PP-TEST".
func (a *Authority) file() string { return a.pki.fileOf(a.Short) }

func (p *PKI) fileOf(short string) string {
	if p.options.Test {
		return short + "-TEST"
	}
	return short
}

// CRLPath is where Handler serves the CRL: "/CRL/ACI-FO-PP-TEST.crl".
func (a *Authority) CRLPath() string { return "/CRL/" + a.file() + ".crl" }

// CertificatePath is where Handler serves the authority's certificate, unescaped.
func (a *Authority) CertificatePath() string {
	if a.pki.options.Test {
		return "/AC TEST/" + a.file() + ".cer"
	}
	return "/AC/" + a.file() + ".cer"
}

func (a *Authority) certificateURL() string {
	return a.pki.base() + strings.ReplaceAll(a.CertificatePath(), " ", "%20")
}

// CRLURL is the HTTP distribution point put into certificates.
func (a *Authority) CRLURL() string { return a.pki.base() + a.CRLPath() }

// LDAPCRLURL is the LDAP distribution point put into leaf certificates.
func (a *Authority) LDAPCRLURL() string { return a.ldapURL(false) }

// LDAPDeltaURL is the delta CRL's address, put into freshestCRL.
func (a *Authority) LDAPDeltaURL() string {
	return a.pki.directory() + "/" + a.directoryPath() + "?deltarevocationlist;binary?base?objectClass=pkiCA"
}

// ldapURL is written in two ways by the real PKI: with the issuing root in the
// path and lower-case types in leaves, without and in capitals in intermediates.
func (a *Authority) ldapURL(inAuthority bool) string {
	if inAuthority {
		path := directoryPath(false, a.Name.Get(AttributeCommonName), a.unit(), "0002 187512751", "ASIP-SANTE", "FR")
		return a.pki.directory() + "/" + path + "?certificaterevocationlist;binary?base?objectclass=pkiCa"
	}
	return a.pki.directory() + "/" + a.directoryPath() + "?certificaterevocationlist;binary?base?objectClass=pkiCA"
}

func (a *Authority) directoryPath() string {
	values := []string{a.Name.Get(AttributeCommonName)}
	if a.Parent != nil {
		values = append(values, a.Parent.Name.Get(AttributeCommonName))
	}
	return directoryPath(true, append(values, a.unit(), "0002 187512751", "ASIP-SANTE", "FR")...)
}

// unit is the last OU of the name: "IGC-SANTE TEST".
func (a *Authority) unit() string {
	unit := ""
	for _, rdn := range a.Name {
		if rdn[0].Type.Equal(AttributeUnit) {
			unit = rdn[0].Value
		}
	}
	return unit
}

func (p *PKI) base() string {
	if p.options.BaseURL == "" {
		return realBase
	}
	return strings.TrimSuffix(p.options.BaseURL, "/")
}

func (p *PKI) ocsp() string {
	if p.options.BaseURL == "" {
		return realOCSP
	}
	return p.base() + ocspPath
}

func (p *PKI) directory() string {
	if p.options.LDAPURL == "" {
		return realLDAP
	}
	return strings.TrimSuffix(p.options.LDAPURL, "/")
}

func (p *PKI) policyStatement() string {
	if p.options.Test {
		return realBase + "/PC%20TEST"
	}
	return realBase + "/PC"
}

func orTime(at, otherwise time.Time) time.Time {
	if at.IsZero() {
		return otherwise
	}
	return at
}
