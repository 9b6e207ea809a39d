package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"

	"cpsgate/cardside"
	"cpsgate/cardside/ctap2"
	"cpsgate/cardside/desk"
)

type makeCommand struct {
	RP           string   `name:"rp" required:"" placeholder:"ID" help:"help.rp"`
	RPName       string   `name:"rp-name" placeholder:"NAME" help:"help.rp-name"`
	User         string   `default:"cardside" help:"help.user"`
	DisplayName  string   `placeholder:"NAME" help:"help.display-name"`
	UserID       string   `name:"user-id" placeholder:"BASE64URL" help:"help.user-id"`
	Resident     bool     `default:"true" negatable:"" help:"help.resident"`
	CredProtect  int      `enum:"0,1,2,3" default:"0" help:"help.cred-protect"`
	Exclude      []string `placeholder:"ID" help:"help.exclude"`
	Algorithm    []string `enum:"es256,es384,eddsa,rs256" default:"es256" help:"help.algorithm"`
	Enterprise   int      `enum:"0,1,2" default:"0" help:"help.enterprise"`
	MinPINLength bool     `name:"min-pin-length" help:"help.min-pin-length"`
	SetPIN       bool     `name:"set-pin" help:"help.set-pin"`
	Prove        bool     `default:"true" negatable:"" help:"help.prove"`
}

var algorithms = map[string]int{"es256": ctap2.ES256, "es384": ctap2.ES384, "eddsa": ctap2.EdDSA, "rs256": ctap2.RS256}

// creation is the credential that the flags ask for.
func (c makeCommand) creation() (ctap2.Creation, error) {
	exclude, err := credentialIDs(c.Exclude)
	if err != nil {
		return ctap2.Creation{}, err
	}
	user := ctap2.User{Name: c.User, DisplayName: c.DisplayName}
	if c.UserID == "" {
		user.ID = make([]byte, 16)
		if _, err := rand.Read(user.ID); err != nil {
			return ctap2.Creation{}, fmt.Errorf("making a user id: %w", err)
		}
	} else if user.ID, err = base64.RawURLEncoding.DecodeString(c.UserID); err != nil || len(user.ID) > 64 {
		return ctap2.Creation{}, &misuse{fmt.Sprintf("--user-id %q", c.UserID)}
	}
	creation := ctap2.Creation{
		RP: ctap2.RelyingParty{ID: c.RP, Name: c.RPName}, User: user, Exclude: exclude, ResidentKey: c.Resident,
		CredProtect: ctap2.CredProtect(c.CredProtect), Enterprise: c.Enterprise, MinPINLength: c.MinPINLength,
	}
	for _, name := range c.Algorithm {
		creation.Algorithms = append(creation.Algorithms, algorithms[name])
	}
	return creation, nil
}

func credentialIDs(all []string) ([][]byte, error) {
	var ids [][]byte
	for _, text := range all {
		id, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || len(id) == 0 {
			return nil, &misuse{fmt.Sprintf("credential id %q: base64url is wanted", text)}
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// Run makes a credential for a named relying party and proves it.
func (c makeCommand) Run(a *act) error {
	creation, err := c.creation()
	if err != nil {
		return err
	}
	card, err := a.open()
	if err != nil {
		return err
	}
	defer card.Close()
	info, err := card.Info(a.ctx)
	if err != nil {
		return err
	}
	enrolment := cardside.Enrolment{Creation: creation, Prove: c.Prove, SetPIN: c.SetPIN && info.Blank()}
	switch {
	case enrolment.SetPIN:
		enrolment.PIN, err = a.newPIN(a.ctx, a.PINFd, "prompt.new")
	case info.HasPIN():
		enrolment.PIN, err = a.pin("prompt.pin")
	case info.Blank():
		err = cardside.ErrBlank
	}
	if err != nil {
		return err
	}
	defer clear(enrolment.PIN)
	enrolled, err := card.Enrol(a.ctx, enrolment)
	if err != nil {
		return err
	}
	return a.print(enrolled, func() { a.enrolledInWords(enrolled, card) })
}

func (a *act) enrolledInWords(e cardside.Enrolled, card *cardside.Card) {
	a.say("make.made", e.Ceremony.RPID)
	rows := [][2]string{
		{a.f("label.id"), base64.RawURLEncoding.EncodeToString(e.Data.CredentialID)},
		{a.f("label.model"), e.AAGUID.String()},
		{a.f("label.attestation"), fmt.Sprintf("%s (%s)", a.f("attestation."+string(e.Attestation)), e.Format)},
	}
	if e.Certificate != nil {
		rows = append(rows, [2]string{a.f("label.attested-by"), e.Certificate.Subject})
	}
	rows = append(rows, [2]string{a.f("label.verified"), a.yesNo(e.Verified)})
	if e.Proof != nil {
		rows = append(rows, [2]string{a.f("label.proof"), a.f("signature." + e.Proof.Signature)})
	}
	if link := card.Link(a.ctx); link != nil && link.APDUs > 0 {
		rows = append(rows, [2]string{a.f("label.apdus"), fmt.Sprint(link.APDUs)})
	}
	a.table(rows)
}

type assertCommand struct {
	serverFlags
	RP        string   `name:"rp" placeholder:"ID" help:"help.assert-rp"`
	Allow     []string `placeholder:"ID" help:"help.allow"`
	PublicKey string   `name:"public-key" placeholder:"BASE64URL" help:"help.public-key"`
	Silent    bool     `help:"help.silent"`
	Stay      bool     `help:"help.stay"`
}

// Run signs for a named relying party, or signs in at a server.
func (c assertCommand) Run(a *act) error {
	if c.RP == "" {
		return c.signIn(a)
	}
	allow, err := credentialIDs(c.Allow)
	if err != nil {
		return err
	}
	var key []byte
	if c.PublicKey != "" {
		if key, err = base64.RawURLEncoding.DecodeString(c.PublicKey); err != nil {
			return &misuse{"--public-key: base64url of a COSE_Key is wanted"}
		}
	}
	card, err := a.open()
	if err != nil {
		return err
	}
	defer card.Close()
	info, err := card.Info(a.ctx)
	if err != nil {
		return err
	}
	request := ctap2.Request{RPID: c.RP, Allow: allow, Silent: c.Silent}
	if info.HasPIN() && !c.Silent {
		if request.PIN, err = a.pin("prompt.pin"); err != nil {
			return err
		}
		defer clear(request.PIN)
	}
	signed, err := card.Sign(a.ctx, request, key)
	if err != nil {
		return err
	}
	return a.print(signed, func() { a.signedInWords(signed) })
}

// signIn signs in at the server as a browser would, and out again.
func (c assertCommand) signIn(a *act) error {
	set, err := c.settings(a)
	if err != nil {
		return err
	}
	if set.Server == "" {
		return &misuse{a.f("assert.nowhere")}
	}
	if len(c.Allow) > 0 || c.PublicKey != "" || c.Silent {
		return &misuse{a.f("assert.only-rp")}
	}
	visit := desk.Visit{
		Server: set.Server, Language: a.language, Choice: a.choice(nil), Stay: c.Stay,
		PIN: func(context.Context) ([]byte, error) {
			a.waited()
			return a.pin("prompt.pin")
		},
	}
	if visit.Trust, err = set.trust(); err != nil {
		return err
	}
	var printed error
	visit.In = func(in desk.SignedIn) {
		printed = a.print(in, func() { a.say("assert.in", set.Server) })
	}
	err = desk.SignIn(a.ctx, visit)
	a.waited()
	return errors.Join(printed, err)
}

func (a *act) signedInWords(all []cardside.Signed) {
	for _, signed := range all {
		a.say("assert.signed", signed.Ceremony.RPID)
		a.table([][2]string{
			{a.f("label.id"), base64.RawURLEncoding.EncodeToString(signed.CredentialID)},
			{a.f("label.verified"), a.yesNo(signed.Verified)},
			{a.f("label.count"), fmt.Sprint(signed.SignCount)},
			{a.f("label.signature"), a.f("signature." + signed.Signature)},
		})
	}
}
