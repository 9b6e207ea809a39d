package testpki

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
	"math/big"
	"sync"
	"sync/atomic"
	"time"
)

// Range is a level of assurance of the IGC-Santé; each has a root of its own.
type Range int

// The three ranges.
const (
	Elementaire Range = iota
	Standard
	Fort
)

// Ranges lists the ranges.
var Ranges = [...]Range{Elementaire, Standard, Fort}

func (r Range) name() string  { return [...]string{"ELEMENTAIRE", "STANDARD", "FORT"}[r] }
func (r Range) short() string { return [...]string{"EL", "ST", "FO"}[r] }

// Audience is what an intermediate authority certifies.
type Audience int

// The two audiences.
const (
	Persons Audience = iota
	Organisations
)

// Audiences lists the audiences.
var Audiences = [...]Audience{Persons, Organisations}

func (a Audience) name() string  { return [...]string{"PERSONNES", "ORGANISATIONS"}[a] }
func (a Audience) short() string { return [...]string{"PP", "ORG"}[a] }

// The addresses that real certificates carry, when Options gives no others.
const (
	realBase = "http://igc-sante.esante.gouv.fr"
	realOCSP = "http://ocsp.esante.gouv.fr"
	realLDAP = "ldap://annuaire-igc.esante.gouv.fr"
)

// Options shape a PKI. The zero value makes production-looking names, on the
// clock of the machine, with the addresses of the real certificates.
type Options struct {
	// Now is the clock for default validities, CRLs and OCSP answers; nil = time.Now.
	Now func() time.Time
	// Test gives TEST names and the categories 80, 82 and 83.
	Test bool
	// BaseURL is where Handler is served: "http://127.0.0.1:1234". CRLs stand
	// below BaseURL/CRL/, OCSP at BaseURL/ocsp. "" = the real addresses.
	BaseURL string
	// LDAPURL replaces the directory's address: "ldap://127.0.0.1:1389".
	LDAPURL string
	// Policy is the certificate policy of leaves; nil = PolicyTest.
	Policy asn1.ObjectIdentifier
}

// PKI is an imitation IGC-Santé. Its methods may be called concurrently.
type PKI struct {
	options Options
	keys    keyring
	roots   [len(Ranges)]func() *Authority
	issuers [len(Ranges)][len(Audiences)]func() *Authority
	dealt   atomic.Uint64 // card keys handed out
	numbers atomic.Uint64 // cards made without a number of their own
	server  func() (serverRoot, error)
	fido    func() (serverRoot, error)
}

// New prepares a PKI. Nothing is signed until it is asked for.
func New(options Options) (*PKI, error) {
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.Policy == nil {
		options.Policy = PolicyTest
	}
	p := &PKI{options: options}
	for _, r := range Ranges {
		p.roots[r] = sync.OnceValue(func() *Authority { return p.newRoot(r) })
		for _, a := range Audiences {
			p.issuers[r][a] = sync.OnceValue(func() *Authority { return p.newIssuer(r, a) })
		}
	}
	p.server = sync.OnceValues(p.newServerRoot)
	p.fido = sync.OnceValues(p.newAttestationRoot)
	if _, err := keyFiles.ReadDir("keys"); err != nil {
		return nil, fmt.Errorf("reading embedded keys: %w", err)
	}
	return p, nil
}

func (p *PKI) now() time.Time { return p.options.Now() }

// Root is the root authority of a range: ACR-EL, ACR-ST, ACR-FO.
func (p *PKI) Root(r Range) *Authority { return p.roots[r]() }

// Issuer is an intermediate authority: ACI-{EL,ST,FO}-{PP,ORG}.
func (p *PKI) Issuer(r Range, a Audience) *Authority { return p.issuers[r][a]() }

// CardIssuers are the certificates of the two authorities that sign the cards
// of persons, ACI-FO-PP and ACI-ST-PP: what a relying party anchors.
func (p *PKI) CardIssuers() []*x509.Certificate {
	return []*x509.Certificate{p.Issuer(Fort, Persons).Certificate, p.Issuer(Standard, Persons).Certificate}
}

// Roots are the certificates of the three roots.
func (p *PKI) Roots() []*x509.Certificate {
	var roots []*x509.Certificate
	for _, r := range Ranges {
		roots = append(roots, p.Root(r).Certificate)
	}
	return roots
}

// Authorities lists the nine authorities, roots first.
func (p *PKI) Authorities() []*Authority {
	var all []*Authority
	for _, r := range Ranges {
		all = append(all, p.Root(r))
	}
	for _, r := range Ranges {
		for _, a := range Audiences {
			all = append(all, p.Issuer(r, a))
		}
	}
	return all
}

// Impostor bears an issuer's name and key identifier and signs with a key of
// its own: what it issues or revokes must convince nobody.
func (p *PKI) Impostor(r Range, a Audience) *Authority {
	genuine := p.Issuer(r, a)
	impostor, err := p.NewAuthority(AuthoritySpec{
		Short: genuine.Short, Name: genuine.Name, Parent: genuine.Parent, Key: p.keys.one("IMPOSTOR"), PathLen: 0,
		Alter: func(t *Template) {
			t.Set(subjectKeyID(genuine.Certificate.SubjectKeyId))
			t.Signer = p.keys.one("IMPOSTOR")
		},
	})
	mustBe(err, "making an impostor")
	return impostor
}

func (p *PKI) newRoot(r Range) *Authority {
	short := "ACR-" + r.short()
	root, err := p.NewAuthority(AuthoritySpec{
		Short: short, Name: authorityName(p.options.Test, "AC RACINE IGC-SANTE "+r.name()),
		Key: p.keys.one(short), PathLen: -1, Serial: authoritySerial(short),
	})
	mustBe(err, "making root "+short)
	return root
}

func (p *PKI) newIssuer(r Range, a Audience) *Authority {
	short := "ACI-" + r.short() + "-" + a.short()
	issuer, err := p.NewAuthority(AuthoritySpec{
		Short: short, Name: authorityName(p.options.Test, "AC IGC-SANTE "+r.name()+" "+a.name()),
		Parent: p.Root(r), Key: p.keys.one(short), PathLen: 0, Serial: authoritySerial(short),
	})
	mustBe(err, "making intermediate "+short)
	return issuer
}

// cardKey deals the pool's keys out in turn.
func (p *PKI) cardKey() crypto.Signer { return p.keys.nth("cards", p.dealt.Add(1)-1) }

// WeakKey is RSA-1024, for tests that refuse it.
func (p *PKI) WeakKey() crypto.Signer { return p.keys.one("weak") }

// authoritySerial is 18 bytes beginning 1120, as the real authorities' are.
func authoritySerial(short string) *big.Int {
	return new(big.Int).SetBytes(append([]byte{0x11, 0x20}, digest(short, 0)[:16]...))
}
