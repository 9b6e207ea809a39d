package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
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
func loadPolicy(c *Config, log *slog.Logger) (mtls.Policy, error) {
	stale, grace, err := parseStale(c.Trust.Stale)
	if err != nil {
		return mtls.Policy{}, err
	}
	p := mtls.Policy{
		TestCards: testLeniency(c),
		// Test cards bear identifiers of the test bench too (ANS2021…).
		UnknownIdentifiers: testLeniency(c),
		Revocation:         mtls.RevocationPolicy{Mode: mtls.RevocationMode(c.Trust.Revocation), Stale: stale, Grace: grace},
		ClockSkew:          clockSkew,
	}
	if c.Mode != modeProduction {
		log.Warn("leniency in force", "mode", c.Mode, "means", "TEST cards and identifiers of unknown form are accepted")
	}
	if p.Revocation.Mode != mtls.RevocationRequired {
		log.Warn("leniency in force", "trust.revocation", c.Trust.Revocation, "means", "a card may sign in though its revocation is not known")
	}
	if stale != mtls.StaleRefuse {
		log.Warn("leniency in force", "trust.stale", c.Trust.Stale, "means", "a CRL past its nextUpdate is believed")
	}
	return p, nil
}

// clockSkew is how far in the future a CRL's thisUpdate may lie.
const clockSkew = 5 * time.Minute

// readCertificateFiles reads files, and the regular files of folders.
func readCertificateFiles(paths []string) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for _, path := range paths {
		files, err := regularFiles(path)
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

// regularFiles is path itself, or the regular files right below it, by name.
func regularFiles(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	var files []string
	for _, e := range entries {
		if file := filepath.Join(path, e.Name()); e.Type().IsRegular() && e.Name()[0] != '.' {
			files = append(files, file)
		}
	}
	return files, nil
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

// readCRLs reads every CRL of a folder. A file that is none is an error: a
// list silently left out would be a card wrongly let in, or a ward locked out.
func readCRLs(folder string) ([]*mtls.CRL, error) {
	if folder == "" {
		return nil, nil
	}
	files, err := regularFiles(folder)
	if err != nil {
		return nil, fmt.Errorf("trust.crls: %w", err)
	}
	var lists []*mtls.CRL
	for _, file := range files {
		list, err := readCRL(file)
		if err != nil {
			return nil, fmt.Errorf("trust.crls: %s: %w", file, err)
		}
		lists = append(lists, list)
	}
	return lists, nil
}

func readCRL(file string) (*mtls.CRL, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return mtls.ReadCRL(f, mtls.CRLLimits{})
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
	return "", 0, fmt.Errorf("trust.stale: %q is none of refuse, grace:<duration>, accept", s)
}
