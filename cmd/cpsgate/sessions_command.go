package main

import (
	"encoding/base64"
	"fmt"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// sessionsCommand works on who is signed in.
type sessionsCommand struct {
	End sessionsEndCommand `cmd:"" help:"End all sessions of a person, card, passkey or workstation, on all nodes within a second. Nothing else changes: who can sign in may do so again."`
}

type sessionsEndCommand struct {
	dataFlag
	Person      string `xor:"whose" required:"" placeholder:"PS_IDNAT" help:"Of a person: 8<RPPS> or another PS_IdNat."`
	Card        string `xor:"whose" required:"" help:"On a card: the ten digits printed on it, or its token id."`
	Passkey     string `xor:"whose" required:"" placeholder:"ID" help:"Opened by a passkey: its id, as card show tells it."`
	Workstation string `xor:"whose" required:"" placeholder:"NAME" help:"On a workstation: its name in the configuration."`
	Reason      string `help:"Why, for the audit." required:""`
}

// Run records the act; running servers follow it.
func (c sessionsEndCommand) Run(env *environment) error {
	of, err := c.whose()
	if err != nil {
		return unusable(err)
	}
	return c.open(env, func(r *record) error {
		if err := r.EndSessions(env.ctx, act(c.Reason), of); err != nil {
			e := audit.Event{Kind: audit.KindSessionsEnd, Subject: of.Holder, Card: of.Card, CredentialHash: audit.HashCredential(of.Passkey), Workstation: of.Workstation}
			return r.refused(e, err)
		}
		ends := "recorded: running servers end all of their sessions within a second"
		if of.Workstation != "" { // names stand in the servers' configuration, which is not read here
			ends = fmt.Sprintf("recorded: running servers end all sessions on what their configuration calls %s within a second", of.Workstation)
		}
		fmt.Fprintln(env.stdout, ends)
		return nil
	})
}

func (c sessionsEndCommand) whose() (of enroll.Ending, err error) {
	switch {
	case c.Person != "":
		if of.Holder, err = identity.ParsePSIdNat(c.Person); err == nil {
			err = of.Holder.Check()
		}
	case c.Card != "":
		of.Card, err = tokenID(c.Card)
	case c.Passkey != "":
		if of.Passkey, err = base64.RawURLEncoding.DecodeString(c.Passkey); err != nil || len(of.Passkey) == 0 {
			err = fmt.Errorf("%q: not the id of a passkey", c.Passkey)
		}
	default:
		of.Workstation, err = c.Workstation, checkWorkstation(c.Workstation)
	}
	return of, err
}
