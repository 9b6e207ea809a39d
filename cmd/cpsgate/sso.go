package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"

	"cpsgate/audit"
	"cpsgate/sessions"
	"cpsgate/sso"
)

// openKeys reads the signing keys, and makes them at the first start.
func (p *program) openKeys(ctx context.Context, c *Config) error {
	kept, err := p.store.SigningKeys(ctx)
	if err != nil {
		return fmt.Errorf("sso.keys: %w", err)
	}
	seal, err := sso.LoadOrMakeSealingKey(c.SSO.Keys.File, len(kept) > 0)
	if err != nil {
		return fmt.Errorf("sso.keys.file: %w", err)
	}
	p.keys, err = sso.OpenKeys(ctx, sso.KeysOptions{
		Shelf: p.store, Seal: seal, Now: p.now, Log: p.log,
		Rotation: c.SSO.Keys.Rotation, Notice: c.SSO.Keys.Notice, Grace: c.SSO.Keys.Grace,
	})
	if err != nil {
		return fmt.Errorf("sso.keys: %w", err)
	}
	return nil
}

// openSSO makes the OpenID provider over the sessions.
func (p *program) openSSO(c *Config, log *audit.Log, once sso.Once) error {
	files, err := c.SSO.clients()
	if err != nil {
		return err
	}
	clients, err := sso.NewClients(sso.ClientsOptions{Shelf: p.store, Files: files, Tell: tellSSO(log)})
	if err != nil {
		return fmt.Errorf("sso.clients: %w", err)
	}
	channel, err := openBackChannel(c.SSO.BackChannelCA)
	if err != nil {
		return fmt.Errorf("sso.back_channel_ca: %w", err)
	}
	c.SSO.sayLeniencies(p.log)
	p.sso, err = sso.New(sso.Options{
		Issuer: c.Main.Origin, Keys: p.keys, Clients: clients, Shelf: p.store, Once: once, Sessions: p.sessions,
		Person: p.registry.Professional, Levels: c.SSO.levels(), PSC: c.SSO.PSC.said(),
		Confirm: c.SSO.confirmation(), RequirePushed: c.SSO.RequirePushed,
		MutualTLS: c.SSO.MutualTLS.Origin,
		Tell:      tellSSO(log), BackChannel: channel, Now: p.now, Log: p.log,
	})
	return err
}

// tellSSO records what the provider did in the audit.
func tellSSO(log *audit.Log) sso.Tell {
	return func(ctx context.Context, e sso.Event) (string, error) {
		event := &audit.Event{
			Kind: e.Kind, Outcome: audit.Done, Reason: e.Reason, Actor: e.Holder, Subject: e.Holder, Session: e.Session, Detail: e.Detail,
		}
		if e.Client != "" {
			event.Detail = "client " + e.Client
			if e.Detail != "" {
				event.Detail += ": " + e.Detail
			}
		}
		switch {
		case e.Refused:
			event.Outcome = audit.Refused
		case e.Failed:
			event.Outcome = audit.Failed
		case e.Kind == sso.EventSignIn:
			event.Outcome = audit.Accepted
		}
		err := log.Record(ctx, event)
		return event.ID, err
	}
}

// openBackChannel trusts the system's roots, and those of a file.
func openBackChannel(file string) (*http.Client, error) {
	if file == "" {
		return sso.NewBackChannel(nil), nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificates", file)
	}
	return sso.NewBackChannel(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}), nil
}

// sessionEnded ends what applications have of a session that has ended.
func (p *program) sessionEnded(ctx context.Context, s sessions.Session, reason string) {
	if err := p.sso.SessionEnded(ctx, s, reason); err != nil {
		p.log.ErrorContext(ctx, "applications are not told of a session's end for now; they will be within minutes", "session", s.ID, "error", err)
	}
}
