package main

import (
	"errors"
	"path/filepath"
	"time"

	"cpsgate/sso"
)

// SSOConfig is single sign-on for the hospital's applications.
type SSOConfig struct {
	Keys SSOKeysConfig `yaml:"keys"`
}

// SSOKeysConfig is what tokens are signed with.
type SSOKeysConfig struct {
	// File holds the key that the signing keys are sealed with in the store. It
	// is made at the first start; without it the signing keys are lost. All
	// servers of one store need the same. Default: sso-sealing.key in data.
	File string `yaml:"file"`
	// Rotation is how long a signing key signs; default 2160h (90 days).
	Rotation time.Duration `yaml:"rotation"`
	// Notice is how long it is published before it signs; default 24h.
	Notice time.Duration `yaml:"notice"`
	// Grace is how long it is published after its last signature: at least the
	// longest life of a token; default 24h.
	Grace time.Duration `yaml:"grace"`
}

func (c *SSOConfig) setDefaults(data string) {
	setDefault(&c.Keys.File, filepath.Join(data, sso.SealingKeyFile))
	setDefault(&c.Keys.Rotation, sso.DefaultRotation)
	setDefault(&c.Keys.Notice, sso.DefaultNotice)
	setDefault(&c.Keys.Grace, sso.DefaultGrace)
}

func (c *SSOConfig) check() error {
	if c.Keys.Notice < time.Hour || c.Keys.Grace < time.Hour || c.Keys.Rotation < 2*c.Keys.Notice {
		return errors.New("sso.keys: notice and grace must be an hour at least, and rotation twice the notice")
	}
	return nil
}
