package main

import (
	"context"
	"fmt"

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
