package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cpsgate/mtls"
)

// CRLConfig is where CRLs come from, and when. Whatever it says, files put into
// trust.crls are taken too.
type CRLConfig struct {
	// Fetch turns fetching on (the default) or off, for networks that are cut off.
	Fetch *bool `yaml:"fetch"`
	// Sources name addresses for authorities that the trust holds. Without an
	// entry, the production authorities of the IGC-Santé have those that ANS
	// publishes, and others none.
	Sources []CRLSourceConfig `yaml:"sources"`
	// Deltas fetches the IGC-Santé's delta CRLs too, over LDAP.
	Deltas bool `yaml:"deltas"`
	// Every is the longest time between two fetches; default 24h.
	Every time.Duration `yaml:"every"`
	// Alarm is how long before nextUpdate an alarm sounds; default 48h.
	Alarm time.Duration `yaml:"alarm"`
	// Proxy is an HTTP proxy, http://host:port.
	Proxy string `yaml:"proxy"`
	// MaxBytes and MaxEntries bound a CRL; default 512 MiB and 10 million.
	MaxBytes   int64 `yaml:"max_bytes"`
	MaxEntries int   `yaml:"max_entries"`
	// MaxLDAPBytes bounds a CRL that comes over LDAP; default 2 MiB.
	MaxLDAPBytes int64 `yaml:"max_ldap_bytes"`

	look time.Duration // how often what is due is looked for: tests move the clock
}

// CRLSourceConfig is one authority's addresses.
type CRLSourceConfig struct {
	// Issuer is the authority's common name, or the SHA-256 of its certificate
	// in hexadecimal where two bear one name.
	Issuer string `yaml:"issuer"`
	// URLs of the complete CRL, tried in turn: http, https, ldap or ldaps.
	URLs []string `yaml:"urls"`
	// DeltaURLs of its delta CRL.
	DeltaURLs []string `yaml:"delta_urls"`
}

// maxLDAPBytes bounds crl.max_ldap_bytes.
const maxLDAPBytes = 64 << 20

// crlFolderName is below the data folder: the last good copies, the bypass.
const crlFolderName = "crls"

func (c *Config) crlFolder() string { return filepath.Join(c.Data, crlFolderName) }

// check refuses what no refresher could run with.
func (c CRLConfig) check() error {
	switch {
	case c.Every < 0 || c.Every > 0 && c.Every < 10*time.Minute:
		return errors.New("crl.every: ten minutes at least")
	case c.Alarm < 0:
		return errors.New("crl.alarm: negative")
	case c.MaxBytes < 0 || c.MaxEntries < 0 || c.MaxLDAPBytes < 0:
		return errors.New("crl.max_bytes, crl.max_entries and crl.max_ldap_bytes: negative")
	case c.MaxLDAPBytes > maxLDAPBytes:
		return fmt.Errorf("crl.max_ldap_bytes: %d at most, it is held in memory; larger CRLs are fetched over HTTP", maxLDAPBytes)
	}
	if _, err := c.proxy(); err != nil {
		return err
	}
	for i, s := range c.Sources {
		if s.Issuer == "" || len(s.URLs)+len(s.DeltaURLs) == 0 {
			return fmt.Errorf("crl.sources[%d]: an issuer and an address are needed", i)
		}
		for _, address := range slices.Concat(s.URLs, s.DeltaURLs) {
			if _, err := hostOfCRL(address); err != nil {
				return fmt.Errorf("crl.sources[%d]: %w", i, err)
			}
		}
	}
	return nil
}

func (c CRLConfig) proxy() (*url.URL, error) {
	if c.Proxy == "" {
		return nil, nil
	}
	u, err := url.Parse(c.Proxy)
	if err != nil || u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("crl.proxy: %q is not http://host:port", c.Proxy)
	}
	return u, nil
}

// hostOfCRL is the host, as mtls.Fetcher wants it named.
func hostOfCRL(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	port, known := map[string]string{"http": "80", "https": "443", "ldap": "389", "ldaps": "636"}[u.Scheme]
	if !known || u.Hostname() == "" {
		return "", fmt.Errorf("%q is not an http, https, ldap or ldaps address", address)
	}
	if u.Port() == port {
		return strings.ToLower(u.Hostname()), nil
	}
	return strings.ToLower(u.Host), nil
}

// sources are the authorities whose CRLs the trust needs, with their addresses.
func (c CRLConfig) sources(trust *mtls.Trust) ([]mtls.CRLSource, error) {
	sources, err := trust.CRLSources(c.Deltas)
	if err != nil {
		return nil, err
	}
	for i, configured := range c.Sources {
		at := slices.IndexFunc(sources, func(s mtls.CRLSource) bool { return configured.names(s.Issuer) })
		if at < 0 {
			return nil, fmt.Errorf("crl.sources[%d]: no authority of the trust is %q", i, configured.Issuer)
		}
		sources[at].URLs, sources[at].DeltaURLs = configured.URLs, configured.DeltaURLs
	}
	return sources, nil
}

func (s CRLSourceConfig) names(issuer *x509.Certificate) bool {
	return s.Issuer == issuer.Subject.CommonName || strings.EqualFold(s.Issuer, mtls.Fingerprint(issuer))
}

// hosts are those that may be talked to: of these sources, and of those that a
// reload of the trust may bring.
func (c CRLConfig) hosts(sources []mtls.CRLSource) ([]string, error) {
	builtIn, err := mtls.DefaultTrust()
	if err != nil {
		return nil, err
	}
	published, err := builtIn.CRLSources(c.Deltas)
	if err != nil {
		return nil, err
	}
	var hosts []string
	for _, s := range slices.Concat(sources, published) {
		for _, address := range slices.Concat(s.URLs, s.DeltaURLs) {
			host, err := hostOfCRL(address)
			if err != nil {
				return nil, err
			}
			hosts = append(hosts, host)
		}
	}
	return hosts, nil
}

// openRefresher opens the CRLs of the data folder, and what keeps them fresh.
// complete may fill in what the caller wants told.
func openRefresher(c *Config, trust *mtls.Trust, log *slog.Logger, now func() time.Time, complete ...func(*mtls.RefreshOptions)) (*mtls.Refresher, error) {
	sources, err := c.CRL.sources(trust)
	if err != nil {
		return nil, err
	}
	proxy, err := c.CRL.proxy()
	if err != nil {
		return nil, err
	}
	options := mtls.RefreshOptions{
		Sources: sources, Folder: c.crlFolder(), Drop: c.Trust.CRLs,
		Limits:    mtls.CRLLimits{MaxBytes: c.CRL.MaxBytes, MaxEntries: c.CRL.MaxEntries},
		ClockSkew: clockSkew, Every: c.CRL.Every, Margin: c.CRL.Alarm, Look: c.CRL.look, Log: log, Now: now,
	}
	if c.CRL.Fetch == nil || *c.CRL.Fetch {
		hosts, err := c.CRL.hosts(sources)
		if err != nil {
			return nil, err
		}
		options.Fetch = (&mtls.Fetcher{Hosts: hosts, MaxBytes: c.CRL.MaxBytes, MaxDirectoryBytes: c.CRL.MaxLDAPBytes, Proxy: proxy}).CRL
	}
	for _, f := range complete {
		f(&options)
	}
	if err := os.MkdirAll(options.Folder, 0o700); err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	return mtls.NewRefresher(options)
}
