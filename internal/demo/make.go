package demo

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"cpsgate/internal/testpki"
)

// Places are the folders in which Make leaves what it makes: one for each
// container, so that none sees another's secrets.
type Places struct {
	Server string // cpsgate: certificates and keys, trust, passwords
	Edge   string // the proxy: its certificate and key
	Redis  string // the store: who may come in
	Client string // application 2: its secret
	Desk   string // the workstation: the card's keys
	Public string // for everybody: the server root, sample cards
}

// PlacesIn are folders side by side.
func PlacesIn(folder string) Places {
	in := func(name string) string { return filepath.Join(folder, name) }
	return Places{Server: in("server"), Edge: in("edge"), Redis: in("redis"), Client: in("client"), Desk: in("desk"), Public: in("public")}
}

// Names are the hosts of the stack, all of *.localhost so that browsers find
// them on this machine.
type Names struct {
	SignOn string   // main host
	Card   string   // card host; *.Card too
	Edge   []string // what the proxy serves by itself
}

// Files within the places.
const (
	cardsFolder  = "cards"
	rootFile     = "root.pem"
	doneFile     = "made"
	passwordFile = "redis-password"
	secretFile   = "client-secret"
)

// CardPassword opens the sample cards' files. It is no secret: the cards are
// of nobody.
const CardPassword = "demo"

// Redis, as the server finds it, and whom the server is to it.
const (
	redisHost = "redis.localhost"
	redisUser = "cpsgate"
)

// Make makes what is not there yet: nothing, when it was all made before.
// Secrets are random, of this stack alone, and readable by their owner only.
func (p Places) Make(n Names, now func() time.Time) (made bool, err error) {
	if _, err := os.Stat(filepath.Join(p.Public, doneFile)); err == nil {
		return false, nil
	}
	pki, err := newPKI(now)
	if err != nil {
		return false, err
	}
	for _, step := range []func() error{
		p.makeFolders,
		func() error { return p.certificates(n, now()) },
		func() error { return p.trust(pki) },
		p.passwords,
		func() error { return p.cards(pki, now()) },
		func() error { return write(filepath.Join(p.Public, doneFile), nil) },
	} {
		if err := step(); err != nil {
			return false, err
		}
	}
	return true, nil
}

// Configure puts the server's configuration into its place.
func (p Places) Configure(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return write(filepath.Join(p.Server, "cpsgate.yaml"), text)
}

func newPKI(now func() time.Time) (*testpki.PKI, error) {
	return testpki.New(testpki.Options{Test: true, Now: now, BaseURL: "http://pki:8080", LDAPURL: "ldap://pki:3890"})
}

func (p Places) makeFolders() error {
	for _, folder := range []string{
		filepath.Join(p.Server, "anchors"), filepath.Join(p.Server, "authorities"), filepath.Join(p.Public, cardsFolder),
		p.Edge, p.Redis, p.Client, p.Desk,
	} {
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return err
		}
	}
	return nil
}

// certificates are several, so that no connection to one host serves another: a
// browser may share one between all hosts of a certificate.
func (p Places) certificates(n Names, now time.Time) error {
	a, err := newAuthority(now)
	if err != nil {
		return err
	}
	for _, one := range []struct {
		folder, name string
		hosts        []string
	}{
		{p.Server, "sso", []string{n.SignOn}},
		{p.Server, "cps", []string{n.Card, "*." + n.Card}},
		{p.Edge, "edge", n.Edge},
		{p.Redis, "redis", []string{redisHost}},
	} {
		if err := a.issue(one.folder, one.name, one.hosts...); err != nil {
			return err
		}
	}
	for _, folder := range []string{p.Server, p.Edge, p.Client, p.Desk, p.Public} {
		if err := writePEM(filepath.Join(folder, rootFile), "CERTIFICATE", a.certificate.Raw); err != nil {
			return err
		}
	}
	return nil
}

// trust: the two authorities of persons' cards are the anchors; the roots above
// them are there for their CRLs.
func (p Places) trust(pki *testpki.PKI) error {
	for folder, certificates := range map[string][]*x509.Certificate{"anchors": pki.CardIssuers(), "authorities": pki.Roots()} {
		for i, c := range certificates {
			if err := writePEM(filepath.Join(p.Server, folder, fmt.Sprintf("%d.pem", i+1)), "CERTIFICATE", c.Raw); err != nil {
				return err
			}
		}
	}
	return nil
}

// passwords that two containers share: the one who shows it holds it, the one
// who checks it holds its hash where it can.
func (p Places) passwords() error {
	password, secret := rand.Text(), random()
	hash := sha256.Sum256([]byte(password))
	// Its own keys and channels, no administration.
	acl := "user default off\nuser " + redisUser + " on #" + hex.EncodeToString(hash[:]) +
		" ~cpsgate:* &cpsgate:* +@all -@admin -@dangerous +info\n"
	for file, content := range map[string]string{
		filepath.Join(p.Server, passwordFile): password + "\n",
		filepath.Join(p.Redis, "users.acl"):   acl,
		filepath.Join(p.Client, secretFile):   secret + "\n",
		filepath.Join(p.Server, secretFile):   secret + "\n",
	} {
		if err := write(file, []byte(content)); err != nil {
			return err
		}
	}
	return nil
}

func write(file string, content []byte) error { return os.WriteFile(file, content, 0o600) }

func writePEM(file, kind string, blocks ...[]byte) error {
	var out []byte
	for _, der := range blocks {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	return write(file, out)
}

func writeKey(file string, key any) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(file, "PRIVATE KEY", der)
}
