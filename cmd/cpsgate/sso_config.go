package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cpsgate/sso"
)

// SSOConfig is single sign-on for the hospital's applications.
type SSOConfig struct {
	Keys SSOKeysConfig `yaml:"keys"`
	// Clients are the applications known from this file, beside those that the
	// administrator's page and `cpsgate client` keep.
	Clients []SSOClientConfig `yaml:"clients"`
	// Levels are the acr values, the strongest first. Default: urn:cpsgate:acr:card
	// for a certificate and a passkey made on the same card, :registered for one
	// registered from a session by certificate, :desk for one on the desk's word.
	Levels []SSOLevelConfig `yaml:"levels"`
	// PSC fills claims of Pro Santé Connect's shape that neither card nor people
	// store knows; left out, they are not sent.
	PSC SSOPSCConfig `yaml:"psc"`
	// Confirm is when "signed in as … with …" is asked before an application is
	// entered, behind a proxy too: shared (the default: on all workstations but
	// the personal ones), always or never.
	Confirm string `yaml:"confirm"`
	// ConfirmAfter is how long nobody is asked who has proved who they are;
	// default 2m.
	ConfirmAfter time.Duration `yaml:"confirm_after"`
	// PersonalWorkstations are those of workstations that one person alone uses.
	PersonalWorkstations []string `yaml:"personal_workstations"`
	// RequirePushed refuses authorization requests that were not pushed (RFC 9126).
	RequirePushed bool `yaml:"require_pushed"`
	// BackChannelCA is a file of CA certificates trusted, beside the system's,
	// when applications are told of ended sessions.
	BackChannelCA string `yaml:"back_channel_ca"`
	// MutualTLS is a further listener, where applications prove themselves by a
	// certificate (tls_client_auth).
	MutualTLS MutualTLSConfig `yaml:"mutual_tls"`
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

// SSOClientConfig is one application.
type SSOClientConfig struct {
	ID                string   `yaml:"id"`
	Name              string   `yaml:"name"`                // as people read it
	RedirectURIs      []string `yaml:"redirect_uris"`       // https, compared byte by byte
	PostLogoutURIs    []string `yaml:"post_logout_uris"`    // where signing out may lead
	BackChannelLogout string   `yaml:"back_channel_logout"` // told of ended sessions
	// Auth is client_secret_basic (the default), client_secret_post,
	// private_key_jwt, tls_client_auth or none.
	Auth string `yaml:"auth"`
	// SecretFile holds the client's secret on one line: 32 random bytes at least,
	// as `openssl rand -base64 32` draws them.
	SecretFile string `yaml:"secret_file"`
	// JWKSFile holds the client's public keys, for private_key_jwt.
	JWKSFile string `yaml:"jwks_file"`
	// TLSSubject or TLSName, for tls_client_auth: the subject of the client's
	// certificate as "client subject" prints it, or one of its DNS names.
	TLSSubject string `yaml:"tls_subject"`
	TLSName    string `yaml:"tls_name"`
	// Subject is pairwise (the default) or public: the PS_IdNat.
	Subject string `yaml:"subject"`
	// Sector groups clients that shall see the same pairwise subjects.
	Sector string `yaml:"sector"`
	// Claims is standard (the default) or psc: Pro Santé Connect's shape.
	Claims string `yaml:"claims"`
	// IDTokenAlgorithm is RS256 (the default) or ES256.
	IDTokenAlgorithm string `yaml:"id_token_algorithm"`
	// Groups, of which people must hold one; none: everybody may.
	Groups      []string `yaml:"groups"`
	Native      bool     `yaml:"native"`      // http on loopback addresses, any port
	ThirdParty  bool     `yaml:"third_party"` // people are asked first
	Introspects bool     `yaml:"introspects"` // may ask about others' tokens
	NoRefresh   bool     `yaml:"no_refresh"`

	AccessLife time.Duration `yaml:"access_life"` // default 5m
	IDLife     time.Duration `yaml:"id_life"`     // default 5m
}

// SSOLevelConfig is one acr value and what reaches it.
type SSOLevelConfig struct {
	ACR string `yaml:"acr"`
	// Ways are certificate, passkey-same-card, passkey-certificate, passkey-desk.
	Ways []string `yaml:"ways"`
	// Answers are other acr_values that ask for this level.
	Answers []string `yaml:"answers"`
}

func (c *SSOConfig) setDefaults(data string) {
	setDefault(&c.Keys.File, filepath.Join(data, sso.SealingKeyFile))
	setDefault(&c.Keys.Rotation, sso.DefaultRotation)
	setDefault(&c.Keys.Notice, sso.DefaultNotice)
	setDefault(&c.Keys.Grace, sso.DefaultGrace)
	setDefault(&c.Confirm, string(sso.ConfirmShared))
	setDefault(&c.ConfirmAfter, sso.DefaultConfirmAfter)
}

func (c *SSOConfig) check() error {
	if c.Keys.Notice < time.Hour || c.Keys.Grace < time.Hour || c.Keys.Rotation < 2*c.Keys.Notice {
		return errors.New("sso.keys: notice and grace must be an hour at least, and rotation twice the notice")
	}
	if err := oneOf("sso.confirm", c.Confirm, string(sso.ConfirmShared), string(sso.ConfirmAlways), string(sso.ConfirmNever)); err != nil {
		return err
	}
	if c.ConfirmAfter < 10*time.Second || c.ConfirmAfter > 15*time.Minute {
		return errors.New("sso.confirm_after: between 10s and 15m")
	}
	if err := c.levels().Check(); err != nil {
		return fmt.Errorf("sso.levels: %w", err)
	}
	if err := c.PSC.said().Check(); err != nil {
		return fmt.Errorf("sso.psc.%w", err)
	}
	for i, client := range c.Clients {
		if client.Auth == string(sso.AuthTLS) && !c.MutualTLS.on() {
			return fmt.Errorf("sso.clients[%d].auth: %s needs sso.mutual_tls", i, client.Auth)
		}
	}
	return nil
}

func (c *SSOConfig) levels() (levels sso.Levels) {
	if len(c.Levels) == 0 {
		return sso.DefaultLevels()
	}
	for _, l := range c.Levels {
		level := sso.Level{ACR: l.ACR, Answers: l.Answers}
		for _, w := range l.Ways {
			level.Ways = append(level.Ways, sso.Way(w))
		}
		levels = append(levels, level)
	}
	return levels
}

// leastSecret is the fewest characters of a secret from a file: 32 bytes in
// base64.
const leastSecret = 43

// client reads what the configuration names.
func (c SSOClientConfig) client() (sso.Client, error) {
	client := sso.Client{
		ID: c.ID, Name: c.Name, RedirectURIs: c.RedirectURIs, PostLogoutURIs: c.PostLogoutURIs, BackChannelLogout: c.BackChannelLogout,
		Auth: sso.ClientAuth(c.Auth), Subject: sso.SubjectType(c.Subject), Sector: c.Sector, Claims: sso.Shape(c.Claims),
		Algorithm: sso.Algorithm(c.IDTokenAlgorithm), Groups: c.Groups, TLSSubject: c.TLSSubject, TLSName: c.TLSName,
		Native: c.Native, ThirdParty: c.ThirdParty, Introspects: c.Introspects, NoRefresh: c.NoRefresh,
		AccessLife: c.AccessLife, IDLife: c.IDLife,
	}
	if c.SecretFile != "" {
		if err := checkSecretFile(c.SecretFile); err != nil {
			return client, err
		}
		text, err := os.ReadFile(c.SecretFile)
		if err != nil {
			return client, err
		}
		secret := strings.TrimRight(string(text), "\r\n")
		if len(secret) < leastSecret {
			return client, fmt.Errorf("%s: a secret of %d characters at least is needed: openssl rand -base64 32", c.SecretFile, leastSecret)
		}
		client.SecretHash = sso.HashSecret(secret)
	}
	if c.JWKSFile != "" {
		text, err := os.ReadFile(c.JWKSFile)
		if err != nil {
			return client, err
		}
		if !json.Valid(text) {
			return client, fmt.Errorf("%s: not JSON", c.JWKSFile)
		}
		client.JWKS = text
	}
	return client, nil
}

func (c *SSOConfig) clients() (clients []sso.Client, err error) {
	for i, one := range c.Clients {
		client, err := one.client()
		if err != nil {
			return nil, fmt.Errorf("sso.clients[%d]: %w", i, err)
		}
		clients = append(clients, client)
	}
	return clients, nil
}

// confirmation is the rule of the question before an application.
func (c *SSOConfig) confirmation() sso.Confirmation {
	return sso.Confirmation{Policy: sso.ConfirmPolicy(c.Confirm), Personal: c.PersonalWorkstations, After: c.ConfirmAfter}
}

// sayLeniencies logs what is laxer than the default.
func (c *SSOConfig) sayLeniencies(log *slog.Logger) {
	if c.Confirm == string(sso.ConfirmNever) {
		log.Warn("leniency in force", "sso.confirm", c.Confirm, "means", "nobody is asked whether it is they before an application is entered")
	}
	if c.ConfirmAfter > sso.DefaultConfirmAfter {
		log.Warn("leniency in force", "sso.confirm_after", c.ConfirmAfter, "means", "who sits down within that time enters applications as the one before")
	}
}

// sayProxied logs that a personal workstation has a proxy's address.
func (c *SSOConfig) sayProxied(log *slog.Logger, known workstations, proxies []netip.Prefix) {
	over := known.over(proxies)
	for _, name := range c.PersonalWorkstations {
		if slices.Contains(over, name) {
			log.Warn("a personal workstation has the address of a forward-auth proxy", "workstation", name,
				"means", "whoever comes by that proxy may count as sitting there, and is not asked whether it is they: give the proxy's address another name in workstations")
		}
	}
}
