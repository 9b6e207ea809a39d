package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"

	"cpsgate/audit"
	"cpsgate/sso"
	"cpsgate/store"
)

// clientCommand works on the applications that sign people in here, beside a
// running server or not: it sees what changed at the next request.
type clientCommand struct {
	Add          clientAddCommand     `cmd:"" help:"Add an application; its secret is printed once."`
	List         clientListCommand    `cmd:"" help:"List the applications kept in the store."`
	Remove       clientRemoveCommand  `cmd:"" help:"Remove an application and all that it was granted."`
	RotateSecret clientRotateCommand  `cmd:"" name:"rotate-secret" help:"Give an application another secret, printed once; the old one is dead at once."`
	Subject      clientSubjectCommand `cmd:"" help:"Print the subject of an application's certificate as --tls-subject wants it."`
}

// clients opens the applications of a store. Those of the configuration file
// are not among them.
func (f dataFlag) clients(env *environment) (*sso.Clients, *store.Store, error) {
	s, err := openStore(env, f.Data)
	if err != nil {
		return nil, nil, unusable(err)
	}
	log := audit.New(s, audit.Options{Now: env.now})
	clients, err := sso.NewClients(sso.ClientsOptions{Shelf: s, Tell: tellSSO(log)})
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return clients, s, nil
}

// refusedClient is exit 1 for what cannot be done, and says why.
func refusedClient(err error) error {
	for _, known := range []error{sso.ErrClient, sso.ErrClientExists, sso.ErrClientUnknown, sso.ErrNoSecret} {
		if errors.Is(err, known) {
			return &exitError{code: exitRefused, err: err}
		}
	}
	return err
}

type clientAddCommand struct {
	dataFlag
	ID                string   `arg:"" help:"The client_id."`
	Name              string   `help:"As people read it; the id where not given." placeholder:"TEXT"`
	RedirectURI       []string `help:"Where codes are sent, https, written exactly as the application sends it; may be repeated." required:"" sep:"none" placeholder:"URL"`
	PostLogoutURI     []string `help:"Where signing out may lead; may be repeated." sep:"none" placeholder:"URL"`
	BackChannelLogout string   `help:"Told of the end of sessions." placeholder:"URL"`
	Auth              string   `help:"client_secret_basic, client_secret_post, private_key_jwt, tls_client_auth or none." default:"client_secret_basic" placeholder:"METHOD"`
	JWKS              string   `help:"File of the application's public keys, for private_key_jwt." type:"path" placeholder:"FILE"`
	TLSSubject        string   `help:"Subject of its certificate, for tls_client_auth, as client subject prints it." name:"tls-subject" placeholder:"DN"`
	TLSName           string   `help:"A DNS name of its certificate, in place of the subject." name:"tls-name" placeholder:"HOST"`
	Subject           string   `help:"pairwise or public (the PS_IdNat)." default:"pairwise"`
	Sector            string   `help:"Of pairwise subjects, where redirect URIs have several hosts." placeholder:"NAME"`
	Claims            string   `help:"standard, or psc for Pro Santé Connect's shape." default:"standard"`
	Algorithm         string   `help:"Of ID tokens: RS256 or ES256." default:"RS256"`
	Group             []string `help:"People must hold one of these; may be repeated." placeholder:"GROUP"`
	Native            bool     `help:"Allow http on loopback addresses, on any port."`
	ThirdParty        bool     `help:"Ask people before the application is told of them."`
	Introspects       bool     `help:"Let it ask about tokens of other applications."`
	NoRefresh         bool     `help:"Give no refresh tokens."`
}

// Run adds the client and prints its secret alone, so that it can be piped into
// a file.
func (c clientAddCommand) Run(env *environment) (err error) {
	clients, s, err := c.clients(env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	client := sso.Client{
		ID: c.ID, Name: c.Name, RedirectURIs: c.RedirectURI, PostLogoutURIs: c.PostLogoutURI, BackChannelLogout: c.BackChannelLogout,
		Auth: sso.ClientAuth(c.Auth), Subject: sso.SubjectType(c.Subject), Sector: c.Sector, Claims: sso.Shape(c.Claims),
		Algorithm: sso.Algorithm(c.Algorithm), Groups: c.Group, TLSSubject: c.TLSSubject, TLSName: c.TLSName,
		Native: c.Native, ThirdParty: c.ThirdParty, Introspects: c.Introspects, NoRefresh: c.NoRefresh,
	}
	if c.JWKS != "" {
		if client.JWKS, err = os.ReadFile(c.JWKS); err != nil {
			return unusable(err)
		}
	}
	secret, err := clients.Add(env.ctx, client)
	if err != nil {
		return refusedClient(err)
	}
	return printSecret(env, secret, "added "+c.ID)
}

// printSecret puts the secret on standard output and what is said on standard
// error.
func printSecret(env *environment, secret, said string) error {
	if secret == "" {
		_, err := fmt.Fprintln(env.stderr, said)
		return err
	}
	fmt.Fprintln(env.stderr, said+"; its secret follows, once:")
	_, err := fmt.Fprintln(env.stdout, secret)
	return err
}

type clientListCommand struct{ dataFlag }

// Run lists the clients, one a line.
func (c clientListCommand) Run(env *environment) (err error) {
	clients, s, err := c.clients(env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	all, err := clients.All(env.ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	for _, one := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", one.ID, one.Auth, one.Subject, one.Claims, strings.Join(one.RedirectURIs, " "))
	}
	return w.Flush()
}

type clientRemoveCommand struct {
	dataFlag
	ID string `arg:"" help:"The client_id."`
}

// Run removes the client.
func (c clientRemoveCommand) Run(env *environment) (err error) {
	clients, s, err := c.clients(env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := clients.Remove(env.ctx, c.ID); err != nil {
		return refusedClient(err)
	}
	_, err = fmt.Fprintln(env.stdout, "removed", c.ID)
	return err
}

type clientSubjectCommand struct {
	File string `arg:"" name:"FILE" help:"Certificate, DER or PEM; - for standard input."`
}

// Run prints the subject alone, so that it can be put into another command.
func (c clientSubjectCommand) Run(env *environment) error {
	der, err := readLeaf(env, c.File)
	if err != nil {
		return unusable(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return unusable(fmt.Errorf("%s: %w", c.File, err))
	}
	subject, err := sso.SubjectOf(certificate)
	if err != nil {
		return unusable(fmt.Errorf("%s: %w", c.File, err))
	}
	_, err = fmt.Fprintln(env.stdout, subject)
	return err
}

type clientRotateCommand struct {
	dataFlag
	ID string `arg:"" help:"The client_id."`
}

// Run gives the client another secret.
func (c clientRotateCommand) Run(env *environment) (err error) {
	clients, s, err := c.clients(env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	secret, err := clients.RotateSecret(env.ctx, c.ID)
	if err != nil {
		return refusedClient(err)
	}
	return printSecret(env, secret, "the old secret of "+c.ID+" is dead")
}
