package main

import (
	"cmp"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"strings"
	"time"

	"cpsgate/mtls"
)

// loadTrust makes the trust that the configuration names: the built-in
// production authorities where it names none.
func loadTrust(c *Config) (*mtls.Trust, error) {
	trust, err := configuredTrust(c)
	if err != nil {
		return nil, fmt.Errorf("trust: %w", err)
	}
	if err := trust.CheckPersons(testLeniency(c)); err != nil {
		return nil, fmt.Errorf("trust.anchors: %w", err)
	}
	return trust, nil
}

func configuredTrust(c *Config) (*mtls.Trust, error) {
	intermediates, err := readCertificateFiles(c.Trust.Intermediates)
	if err != nil {
		return nil, err
	}
	if len(c.Trust.Anchors) == 0 {
		builtIn, err := mtls.DefaultTrust()
		if err != nil {
			return nil, err
		}
		return mtls.NewTrust(builtIn.Anchors(), append(builtIn.Intermediates(), intermediates...))
	}
	anchors, err := readCertificateFiles(c.Trust.Anchors)
	if err != nil {
		return nil, err
	}
	return mtls.NewTrust(anchors, intermediates)
}

func testLeniency(c *Config) mtls.Leniency {
	if c.Mode == modeTest {
		return mtls.Accept
	}
	return mtls.Refuse
}

// loadPolicy makes the certificate policy; each leniency in it is logged.
func loadPolicy(c *Config, trust *mtls.Trust, log *slog.Logger) (mtls.Policy, error) {
	p := mtls.Policy{
		TestCards: testLeniency(c),
		// Test cards bear identifiers of the test bench too (ANS2021…).
		UnknownIdentifiers: testLeniency(c),
		ClockSkew:          clockSkew,
		OCSP:               c.OCSP.policy(log),
	}
	if c.Mode != modeProduction {
		log.Warn("leniency in force", "mode", c.Mode, "means", "TEST cards and identifiers of unknown form are accepted")
	}
	var err error
	if p.Revocation, err = revocationRule("trust", c.Trust.Revocation, c.Trust.Stale, c.Trust.OCSP, log); err != nil {
		return mtls.Policy{}, err
	}
	var unheld []string
	if p.PerIssuer, unheld, err = issuerRules(c, trust, log); err != nil {
		return mtls.Policy{}, err
	}
	if len(unheld) > 0 {
		return mtls.Policy{}, fmt.Errorf("trust.authorities: no authority of the trust is %q", unheld[0])
	}
	return p, nil
}

// issuerRules are the rules for what single authorities of the trust issued, by
// their names in every form in which those stand in certificates; unheld are the
// rules that no authority of the trust falls under.
func issuerRules(c *Config, trust *mtls.Trust, log *slog.Logger) (rules map[string]mtls.RevocationPolicy, unheld []string, err error) {
	rules = map[string]mtls.RevocationPolicy{}
	for _, a := range c.Trust.Authorities {
		rule, err := revocationRule(a.Issuer, cmp.Or(a.Revocation, c.Trust.Revocation), cmp.Or(a.Stale, c.Trust.Stale), cmp.Or(a.OCSP, c.Trust.OCSP), log)
		if err != nil {
			return nil, nil, err
		}
		whose := ""
		for _, issuer := range trust.Issuers() {
			if !isNamed(issuer, a.Issuer) {
				continue
			}
			name := mtls.FormatName(issuer.RawSubject)
			if whose != "" && whose != name {
				return nil, nil, fmt.Errorf("trust.authorities: %q is both %s and %s: name it by the SHA-256 of its certificate", a.Issuer, whose, name)
			}
			whose = name
			rules[mtls.NameKey(issuer.RawSubject)] = rule
		}
		if whose == "" {
			unheld = append(unheld, a.Issuer)
		}
	}
	return rules, unheld, nil
}

// reloadedRules are the rules for a trust that is reloaded. Those in force stay,
// whether or not their authority does: no rule is lost to an authority that
// comes back, or comes by another certificate.
func (j *judge) reloadedRules(c *Config, trust *mtls.Trust) (map[string]mtls.RevocationPolicy, error) {
	found, unheld, err := issuerRules(c, trust, j.log)
	if err != nil {
		return nil, err
	}
	for _, named := range unheld {
		j.log.Warn("trust.authorities: no authority of the trust reloaded falls under this rule", "issuer", named)
	}
	rules := maps.Clone(j.Policy().PerIssuer)
	maps.Copy(rules, found)
	return rules, nil
}

func isNamed(c *x509.Certificate, named string) bool {
	return c.Subject.CommonName == named || strings.EqualFold(mtls.Fingerprint(c), named)
}

// revocationRule makes the rules for what one authority issued, or all.
func revocationRule(whose, revocation, stale, ocsp string, log *slog.Logger) (mtls.RevocationPolicy, error) {
	mode, grace, err := parseStale(stale)
	if err != nil {
		return mtls.RevocationPolicy{}, fmt.Errorf("%s.stale: %w", whose, err)
	}
	if mtls.RevocationMode(revocation) != mtls.RevocationRequired {
		log.Warn("leniency in force", "whose", whose, "revocation", revocation, "means", "a card may sign in though its revocation is not known")
	}
	if mode != mtls.StaleRefuse {
		log.Warn("leniency in force", "whose", whose, "stale", stale, "means", "a CRL past its nextUpdate is believed")
	}
	return mtls.RevocationPolicy{Mode: mtls.RevocationMode(revocation), Stale: mode, Grace: grace, OCSP: mtls.OCSPUse(ocsp)}, nil
}

// clockSkew is how far in the future a CRL's thisUpdate may lie.
const clockSkew = 5 * time.Minute

// readCertificateFiles reads files, and the regular files of folders.
func readCertificateFiles(paths []string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for _, path := range paths {
		files, err := filesIn(path)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			raw, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			certificates, err := mtls.ReadCertificates(raw)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			all = append(all, certificates...)
		}
	}
	return all, nil
}

// openProxies is nil where no proxy is named: its Take then strips every such
// header and tells of it.
func openProxies(c ProxiesConfig) (*mtls.Proxies, error) {
	if len(c.From) == 0 && c.Form == "" && c.Header == "" {
		return nil, nil
	}
	from, err := addressPrefixes("card.proxies.from", c.From)
	if err != nil {
		return nil, err
	}
	proxies, err := mtls.NewProxies(mtls.ProxyOptions{From: from, Form: mtls.ProxyForm(c.Form), Header: c.Header})
	if err != nil {
		return nil, fmt.Errorf("card.proxies: %w", err)
	}
	return proxies, nil
}

// attestationRoots reads the anchors of authenticators' attestation.
func attestationRoots(folder string) (*x509.CertPool, error) {
	if folder == "" {
		return nil, nil
	}
	roots, err := readCertificateFiles([]string{folder})
	if err != nil {
		return nil, fmt.Errorf("passkeys.roots: %w", err)
	}
	if len(roots) == 0 {
		return nil, errors.New("passkeys.roots: no certificate in the folder")
	}
	pool := x509.NewCertPool()
	for _, c := range roots {
		pool.AddCert(c)
	}
	return pool, nil
}

// parseStale reads refuse, accept or grace:<duration>.
func parseStale(s string) (mtls.StaleMode, time.Duration, error) {
	switch s {
	case "", "refuse":
		return mtls.StaleRefuse, 0, nil
	case "accept":
		return mtls.StaleAccept, 0, nil
	}
	if period, found := strings.CutPrefix(s, "grace:"); found {
		if grace, err := time.ParseDuration(period); err == nil && grace > 0 {
			return mtls.StaleGrace, grace, nil
		}
	}
	return "", 0, fmt.Errorf("%q is none of refuse, grace:<duration>, accept", s)
}
