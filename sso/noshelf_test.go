package sso_test

import (
	"context"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
	"cpsgate/sso"
)

// noShelf keeps nothing and has nobody: for fuzzing what is judged before
// anything is kept.
type noShelf struct{ sso.Shelf }

func (noShelf) SSOClients(context.Context) ([]sso.ClientRecord, error)          { return nil, nil }
func (noShelf) SaveSSOClient(context.Context, sso.ClientRecord) error           { return nil }
func (noShelf) RemoveSSOClient(context.Context, string) error                   { return nil }
func (noShelf) Put(context.Context, string, any, time.Duration) (string, error) { return "", nil }
func (noShelf) Take(context.Context, string, string, any) error                 { return sessions.ErrNoSuch }
func (noShelf) OfHolder(context.Context, identity.PSIdNat) ([]sessions.Session, error) {
	return nil, nil
}

func (noShelf) HandlesOf(context.Context, ...identity.PSIdNat) (map[string]bool, error) {
	return nil, nil
}
func (noShelf) First(context.Context, [32]byte, time.Time) (bool, error) { return true, nil }
