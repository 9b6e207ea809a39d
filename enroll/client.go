package enroll

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
)

// Client is a machine that acts by the API under a name of its own.
type Client struct {
	Name       string
	TokenHash  string `json:"-"` // SHA-256 of its bearer token, in hex
	Scopes     []Scope
	CreatedAt  time.Time
	CreatedBy  identity.PSIdNat
	ExpiresAt  time.Time // zero: never
	LastUsedAt time.Time // to the hour
	RevokedAt  time.Time
	RevokedBy  identity.PSIdNat
}

// Good reports that the client is neither revoked nor expired.
func (c Client) Good(now time.Time) bool {
	return c.RevokedAt.IsZero() && (c.ExpiresAt.IsZero() || now.Before(c.ExpiresAt))
}

// tokenPrefix lets scanners for leaked secrets know ours.
const tokenPrefix = "cpsgate_"

// AddClient makes a client and gives its bearer token, once. An empty life is
// for ever; a revoked client's name is not given again.
func (r *Registry) AddClient(ctx context.Context, act Act, name string, scopes []Scope, life time.Duration) (Client, string, error) {
	if err := clientNamed(name, scopes); err != nil {
		return Client{}, "", err
	}
	now := r.o.Now()
	secret, _ := newSecret()
	token := tokenPrefix + secret
	c := Client{Name: name, TokenHash: hashSecret(token), Scopes: slices.Clone(scopes), CreatedAt: now, CreatedBy: act.Actor()}
	if life > 0 {
		c.ExpiresAt = now.Add(life)
	}
	err := r.records.Change(ctx, func(u Unit) error {
		if err := r.may(ctx, u, act, rightClients); err != nil {
			return err
		}
		if _, err := u.Client(ctx, name); !errors.Is(err, ErrNotFound) {
			return errors.Join(err, &Refusal{Reason: ReasonClientExists, Detail: name})
		}
		if err := u.SaveClient(ctx, c); err != nil {
			return err
		}
		e := r.event(act, audit.KindClientAdd)
		e.Detail = fmt.Sprintf("%s, scopes %v", name, scopes)
		return r.record(ctx, u, e)
	})
	if err != nil {
		return Client{}, "", err
	}
	return c, token, nil
}

func clientNamed(name string, scopes []Scope) error {
	if name == "" || len(name) > 48 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return &Refusal{Reason: ReasonText, Detail: "a client's name is of a-z, 0-9 and hyphens, 48 at most"}
	}
	if len(scopes) == 0 {
		return &Refusal{Reason: ReasonScopeMissing, Detail: "none given"}
	}
	for _, s := range scopes {
		if !slices.Contains(Scopes(), s) {
			return &Refusal{Reason: ReasonScopeMissing, Detail: fmt.Sprintf("no such scope: %q", s)}
		}
	}
	return nil
}

// ClientOf finds the client of a bearer token; one that is unknown, revoked or
// expired is a Refusal.
func (r *Registry) ClientOf(ctx context.Context, token string) (Client, error) {
	c, err := r.records.ClientByToken(ctx, hashSecret(token))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Client{}, err
	}
	now := r.o.Now()
	if err != nil || !c.Good(now) {
		return Client{}, &Refusal{Reason: ReasonClientUnknown, Detail: c.Name}
	}
	if now.Sub(c.LastUsedAt) < time.Hour {
		return c, nil
	}
	return c, r.records.Change(ctx, func(u Unit) error {
		if c, err = u.Client(ctx, c.Name); err != nil {
			return err
		}
		c.LastUsedAt = now
		return u.SaveClient(ctx, c)
	})
}

// Clients lists the machine clients, revoked ones too, by name.
func (r *Registry) Clients(ctx context.Context) ([]Client, error) { return r.records.Clients(ctx) }

// RevokeClient ends a client for good.
func (r *Registry) RevokeClient(ctx context.Context, act Act, name string) error {
	return r.records.Change(ctx, func(u Unit) error {
		if err := r.may(ctx, u, act, rightClients); err != nil {
			return err
		}
		c, err := u.Client(ctx, name)
		if errors.Is(err, ErrNotFound) {
			return &Refusal{Reason: ReasonClientUnknown, Detail: name, Err: err}
		}
		if err != nil || !c.RevokedAt.IsZero() {
			return err
		}
		c.RevokedAt, c.RevokedBy = r.o.Now(), act.Actor()
		if err := u.SaveClient(ctx, c); err != nil {
			return err
		}
		e := r.event(act, audit.KindClientRevoke)
		e.Detail = name
		return r.record(ctx, u, e)
	})
}
