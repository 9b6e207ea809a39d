package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"

	"cpsgate/mtls"
	"cpsgate/sso"
)

// MutualTLSConfig is the listener where applications prove themselves by a
// certificate (RFC 8705). Without listen there is none.
type MutualTLSConfig struct {
	Listen      string `yaml:"listen"`
	Origin      string `yaml:"origin"`      // https://mtls.example.fr, told in the discovery document
	Certificate string `yaml:"certificate"` // for the origin's host; empty: that of main
	Key         string `yaml:"key"`
	// ClientAuthorities is a file or folder of the CA certificates that issue the
	// applications' certificates: neither those of cards nor the ones above them.
	ClientAuthorities string   `yaml:"client_authorities"`
	ProxyProtocol     []string `yaml:"proxy_protocol"` // as main's
}

func (c *MutualTLSConfig) on() bool { return c.Listen != "" }

func (c *MutualTLSConfig) setDefaults(main MainConfig) {
	if c.on() && c.Certificate == "" && c.Key == "" {
		c.Certificate, c.Key = main.Certificate, main.Key
	}
}

// check wants all of it or nothing, at an origin of its own.
func (c *MutualTLSConfig) check(others ...string) error {
	if !c.on() {
		if !reflect.DeepEqual(*c, MutualTLSConfig{}) {
			return errors.New("sso.mutual_tls.listen: is needed with the rest of it")
		}
		return nil
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("sso.mutual_tls.listen: %q: %w", c.Listen, err)
	}
	if _, err := parseOrigin("sso.mutual_tls.origin", c.Origin); err != nil {
		return err
	}
	if slices.Contains(others, c.Origin) {
		return errors.New("sso.mutual_tls.origin: must differ from main.origin and card.origin by host or port")
	}
	if c.ClientAuthorities == "" {
		return errors.New("sso.mutual_tls.client_authorities: a file of CA certificates is needed")
	}
	return nil
}

// openMutualTLS makes the listener's side of TLS, where there is one.
func (p *program) openMutualTLS(c *Config) error {
	m := c.SSO.MutualTLS
	if !m.on() {
		return nil
	}
	pair, err := loadServerCertificate(m.Certificate, m.Key, p.now(), hostOf(m.Origin))
	if err != nil {
		return fmt.Errorf("sso.mutual_tls: %w", err)
	}
	authorities, err := readCertificateFiles([]string{m.ClientAuthorities})
	if err != nil {
		return fmt.Errorf("sso.mutual_tls.client_authorities: %w", err)
	}
	if err := checkClientAuthorities(authorities, p.judge.Trust()); err != nil {
		return fmt.Errorf("sso.mutual_tls.client_authorities: %w", err)
	}
	p.mutualTLS = sso.MutualTLSConfig(pair, authorities, p.now)
	p.mutualTLS.VerifyConnection = func(tls.ConnectionState) error { // the trust in cards may have been reloaded
		return checkClientAuthorities(authorities, p.judge.Trust())
	}
	return nil
}

// checkClientAuthorities keeps the two trusts apart: no card is an application,
// and no application a card.
func checkClientAuthorities(authorities []*x509.Certificate, cards *mtls.Trust) error {
	if len(authorities) == 0 {
		return errors.New("no certificates")
	}
	for _, a := range authorities {
		if !a.IsCA {
			return fmt.Errorf("%s is no authority", a.Subject)
		}
		for _, card := range slices.Concat(cards.Anchors(), cards.Intermediates()) {
			if bytes.Equal(a.RawSubjectPublicKeyInfo, card.RawSubjectPublicKeyInfo) {
				return fmt.Errorf("%s issues cards: applications need an authority of their own", a.Subject)
			}
			if bytes.Equal(a.RawSubject, card.RawIssuer) && card.CheckSignatureFrom(a) == nil {
				return fmt.Errorf("%s stands above an authority of cards: applications need one of their own", a.Subject)
			}
		}
	}
	return nil
}
