package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"cpsgate/mtls"
)

// Config is the configuration file of `cpsgate serve`, YAML, strict: an unknown
// or repeated key stops the start. Durations are written 30m, 10h. Every scalar
// can be overridden by an environment variable named after its path
// (CPSGATE_MAIN_LISTEN for main.listen); secrets are given by path only.
type Config struct {
	// Mode is "production" (the default) or "test". Production refuses TEST
	// anchors and cards of the TEST product categories.
	Mode string `yaml:"mode"`
	// Data is the folder of the SQLite database and the last good CRLs.
	// It must exist and belong to the server alone.
	Data string `yaml:"data"`

	Main     MainConfig     `yaml:"main"`
	Card     CardConfig     `yaml:"card"`
	Admin    AdminConfig    `yaml:"admin"`
	Trust    TrustConfig    `yaml:"trust"`
	CRL      CRLConfig      `yaml:"crl"`
	OCSP     OCSPConfig     `yaml:"ocsp"`
	Passkeys PasskeysConfig `yaml:"passkeys"`
	Sessions SessionsConfig `yaml:"sessions"`
	Desk     DeskConfig     `yaml:"desk"`
	Audit    AuditConfig    `yaml:"audit"`
	SSO      SSOConfig      `yaml:"sso"`

	ForwardAuth ForwardAuthConfig `yaml:"forward_auth"`
	// Workstations are those whose addresses tell which they are.
	Workstations []WorkstationConfig `yaml:"workstations"`
	Pages        PagesConfig         `yaml:"pages"`
}

// MainConfig is the listener of pages and APIs; it never asks for a certificate.
type MainConfig struct {
	Listen      string `yaml:"listen"`      // address and port to bind
	Origin      string `yaml:"origin"`      // https://sso.example.fr, as browsers write it
	Certificate string `yaml:"certificate"` // PEM chain, leaf first
	Key         string `yaml:"key"`         // PEM private key, not readable by others
	// ProxyProtocol lists the addresses of those who pass browsers' connections
	// on and announce them by the PROXY protocol; each of theirs must be.
	ProxyProtocol []string `yaml:"proxy_protocol"`
}

// CardConfig is the listener that asks for the card's certificate.
type CardConfig struct {
	Listen      string `yaml:"listen"`
	Origin      string `yaml:"origin"`      // https://cps.example.fr; attempts go to a label below it
	Wildcard    *bool  `yaml:"wildcard"`    // false where DNS has no *.cps.example.fr
	MaximumTLS  string `yaml:"maximum_tls"` // "1.2" (the default: CPS3 cards cannot sign for 1.3) or "1.3"
	Certificate string `yaml:"certificate"` // for the origin's host and, with wildcard, *.host; empty: that of main
	Key         string `yaml:"key"`

	ProxyProtocol []string      `yaml:"proxy_protocol"` // as main's
	Proxies       ProxiesConfig `yaml:"proxies"`
}

// AdminConfig is the listener of /livez and /readyz.
type AdminConfig struct {
	Listen string `yaml:"listen"`
}

// TrustConfig chooses whose cards are let in and on what evidence.
type TrustConfig struct {
	// Anchors are CA certificate files or folders. Empty: the two production
	// CAs of persons' cards built into cpsgate (ACI-FO-PP and ACI-ST-PP).
	Anchors []string `yaml:"anchors"`
	// Intermediates are CA certificates between an anchor and a card, if any.
	Intermediates []string `yaml:"intermediates"`
	// CRLs is a drop folder: CRL files put there are taken at start and whenever
	// they change.
	CRLs string `yaml:"crls"`
	// Revocation is required (the default), if-present or off.
	Revocation string `yaml:"revocation"`
	// Stale is what a CRL past its nextUpdate means: refuse (the default),
	// grace:<duration> or accept.
	Stale string `yaml:"stale"`
	// OCSP is when responders are asked: never (the default),
	// if-crl-unavailable or always.
	OCSP string `yaml:"ocsp"`
	// Authorities gives single authorities rules of their own.
	Authorities []AuthorityConfig `yaml:"authorities"`
}

// AuthorityConfig is the rules for what one authority issued; what is left out
// is as in trust.
type AuthorityConfig struct {
	// Issuer is the authority's common name, or the SHA-256 of its certificate.
	Issuer     string `yaml:"issuer"`
	Revocation string `yaml:"revocation"`
	Stale      string `yaml:"stale"`
	OCSP       string `yaml:"ocsp"`
}

// ProxiesConfig names the proxies that end TLS for the card host and vouch for
// the client's certificate in a header. They must speak TLS to cpsgate, with
// the browser's host name. Without any, such headers are an attack.
type ProxiesConfig struct {
	From   []string `yaml:"from"`   // addresses or prefixes: 192.0.2.10, 2001:db8::/64
	Form   string   `yaml:"form"`   // rfc9440, nginx, haproxy or traefik
	Header string   `yaml:"header"` // in place of the form's own
}

// PasskeysConfig is the WebAuthn relying party.
type PasskeysConfig struct {
	// RPID is the relying party id; empty: the host of main.origin.
	RPID string `yaml:"rp_id"`
	// Attestation is record (the default), require-known or require-trusted-roots.
	Attestation string `yaml:"attestation"`
	// AAGUIDs lists the authenticator models let in by require-known and
	// require-trusted-roots; 8-4-4-4-12 hexadecimal.
	AAGUIDs []string `yaml:"aaguids"`
	// Roots is a folder of attestation root certificates.
	Roots string `yaml:"roots"`
	// SignCount is what a counter that does not rise means: refuse (the default) or record.
	SignCount string `yaml:"sign_count"`
}

// PagesConfig is what a hospital sets of the pages' looks and words.
type PagesConfig struct {
	Name         string `yaml:"name"`          // the hospital's name in the top bar
	Accent       string `yaml:"accent"`        // #rrggbb; refused when its contrast is too low
	SupportLabel string `yaml:"support_label"` // who can help; default "service informatique"
	SupportPhone string `yaml:"support_phone"`
	Logo         string `yaml:"logo"`      // image file; empty: none
	TimeZone     string `yaml:"time_zone"` // default Europe/Paris
}

// Values of Config.Mode.
const (
	modeProduction = "production"
	modeTest       = "test"
)

// maxConfigFile bounds the configuration file, in bytes.
const maxConfigFile = 1 << 20

// loadConfig reads the file at path, applies environ (os.Environ form) and
// defaults, and checks what can be checked without touching other files.
func loadConfig(path string, environ []string) (*Config, error) {
	raw, err := readConfigFile(path)
	if err != nil {
		return nil, err
	}
	c, err := decodeConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if err := applyEnvironment(c, environ); err != nil {
		return nil, err
	}
	c.setDefaults()
	if err := c.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// decodeConfig reads one YAML document, strictly, and nothing after it.
func decodeConfig(raw []byte) (*Config, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(raw), yaml.DisallowUnknownField())
	c := &Config{}
	if err := decoder.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.New(oneLine(yaml.FormatError(err, false, false)))
	}
	if err := decoder.Decode(&struct{}{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("a second YAML document follows the first")
	}
	return c, nil
}

func readConfigFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxConfigFile+1))
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	if len(raw) > maxConfigFile {
		return nil, fmt.Errorf("%s: longer than %d bytes", path, maxConfigFile)
	}
	return raw, nil
}

// oneLine folds a library's message over several lines into one, for start-up
// errors that must fit a log line.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func (c *Config) setDefaults() {
	setDefault(&c.Mode, modeProduction)
	setDefault(&c.Main.Listen, ":8443")
	setDefault(&c.Card.Listen, ":8444")
	setDefault(&c.Admin.Listen, "127.0.0.1:8445")
	setDefault(&c.Card.MaximumTLS, "1.2")
	if c.Card.Wildcard == nil {
		c.Card.Wildcard = new(true)
	}
	if c.Card.Certificate == "" && c.Card.Key == "" {
		c.Card.Certificate, c.Card.Key = c.Main.Certificate, c.Main.Key
	}
	setDefault(&c.Trust.Revocation, "required")
	setDefault(&c.Trust.Stale, "refuse")
	setDefault(&c.Trust.OCSP, string(mtls.OCSPNever))
	c.OCSP.setDefaults()
	setDefault(&c.Passkeys.Attestation, "record")
	setDefault(&c.Passkeys.SignCount, "refuse")
	if u, err := url.Parse(c.Main.Origin); err == nil {
		setDefault(&c.Passkeys.RPID, u.Hostname())
	}
	c.Sessions.setDefaults()
	c.Desk.setDefaults()
	c.SSO.setDefaults(c.Data)
	c.SSO.MutualTLS.setDefaults(c.Main)
	setDefault(&c.Pages.Name, "cpsgate")
	setDefault(&c.Pages.TimeZone, "Europe/Paris")
}

func setDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

// check refuses what no server could run with; each message names the key.
func (c *Config) check() error {
	if c.Data == "" {
		return errors.New("data: a folder is needed")
	}
	if err := oneOf("mode", c.Mode, modeProduction, modeTest); err != nil {
		return err
	}
	if err := oneOf("card.maximum_tls", c.Card.MaximumTLS, "1.2", "1.3"); err != nil {
		return err
	}
	if err := c.Trust.check(); err != nil {
		return err
	}
	if err := c.OCSP.check(); err != nil {
		return err
	}
	if err := oneOf("passkeys.attestation", c.Passkeys.Attestation, "record", "require-known", "require-trusted-roots"); err != nil {
		return err
	}
	if err := oneOf("passkeys.sign_count", c.Passkeys.SignCount, "refuse", "record"); err != nil {
		return err
	}
	if err := c.CRL.check(); err != nil {
		return err
	}
	if err := c.Desk.check(); err != nil {
		return err
	}
	if err := c.Audit.check(); err != nil {
		return err
	}
	if err := checkListeners(c.Main.Listen, c.Card.Listen, c.Admin.Listen); err != nil {
		return err
	}
	if _, err := openAnnouncers(c); err != nil {
		return err
	}
	if _, err := openWorkstations(c); err != nil {
		return err
	}
	if err := checkOrigins(c); err != nil {
		return err
	}
	if c.Main.Certificate == "" || c.Main.Key == "" {
		return errors.New("main.certificate and main.key: both are needed")
	}
	if err := c.Sessions.check(); err != nil {
		return err
	}
	if err := c.SSO.check(); err != nil {
		return err
	}
	if err := c.SSO.MutualTLS.check(c.Main.Origin, c.Card.Origin); err != nil {
		return err
	}
	if err := c.ForwardAuth.check(c.SSO.levels()); err != nil {
		return err
	}
	if _, err := time.LoadLocation(c.Pages.TimeZone); err != nil {
		return fmt.Errorf("pages.time_zone: %w", err)
	}
	return nil
}

func (t TrustConfig) check() error {
	if err := checkRules("trust", t.Revocation, t.Stale, t.OCSP); err != nil {
		return err
	}
	for i, a := range t.Authorities {
		key := fmt.Sprintf("trust.authorities[%d]", i)
		if a.Issuer == "" {
			return fmt.Errorf("%s.issuer: a name or fingerprint is needed", key)
		}
		if err := checkRules(key, cmp.Or(a.Revocation, t.Revocation), a.Stale, cmp.Or(a.OCSP, t.OCSP)); err != nil {
			return err
		}
	}
	return nil
}

func checkRules(key, revocation, stale, ocsp string) error {
	if err := oneOf(key+".revocation", revocation, "required", "if-present", "off"); err != nil {
		return err
	}
	if err := oneOf(key+".ocsp", ocsp, string(mtls.OCSPNever), string(mtls.OCSPIfCRLUnavailable), string(mtls.OCSPAlways)); err != nil {
		return err
	}
	if _, _, err := parseStale(stale); err != nil {
		return fmt.Errorf("%s.stale: %w", key, err)
	}
	return nil
}

func oneOf(key, value string, allowed ...string) error {
	for _, a := range allowed {
		if value == a {
			return nil
		}
	}
	return fmt.Errorf("%s: %q is none of %s", key, value, strings.Join(allowed, ", "))
}

func checkListeners(addresses ...string) error {
	for _, a := range addresses {
		if _, _, err := net.SplitHostPort(a); err != nil {
			return fmt.Errorf("listen: %q: %w", a, err)
		}
	}
	return nil
}

func checkOrigins(c *Config) error {
	main, err := parseOrigin("main.origin", c.Main.Origin)
	if err != nil {
		return err
	}
	card, err := parseOrigin("card.origin", c.Card.Origin)
	if err != nil {
		return err
	}
	if main.Host == card.Host {
		return errors.New("card.origin: must differ from main.origin by host or port")
	}
	rpID := c.Passkeys.RPID
	if host := main.Hostname(); host != rpID && !strings.HasSuffix(host, "."+rpID) {
		return fmt.Errorf("passkeys.rp_id: %q is not the host of main.origin nor a parent of it", rpID)
	}
	return nil
}

// parseOrigin takes scheme, host and port only: https://host[:port].
func parseOrigin(key, s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	if u.Scheme != "https" || u.Hostname() == "" || s != "https://"+u.Host || u.Host != strings.ToLower(u.Host) || strings.HasSuffix(u.Hostname(), ".") {
		return nil, fmt.Errorf("%s: %q is not an origin in the form https://host or https://host:port, in lower case", key, s)
	}
	return u, nil
}
