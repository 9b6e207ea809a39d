package rp

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Mode is how much an attestation must prove.
type Mode string

// The modes.
const (
	// ModeRecord (also the empty Mode) keeps what the authenticator says of
	// itself, and demands nothing.
	ModeRecord Mode = "record"
	// ModeRequireKnown demands an AAGUID of AllowedAAGUIDs, not zero, and an
	// attestation statement of some format. The AAGUID is a claim: packed self
	// attestation passes.
	ModeRequireKnown Mode = "require-known"
	// ModeRequireTrustedRoots demands attestation certificates that chain to
	// Roots, an AAGUID that is not zero, and one of AllowedAAGUIDs if there are any.
	ModeRequireTrustedRoots Mode = "require-trusted-roots"
)

// The verdicts left in identity.Passkey.AttestationVerdict: the strongest that
// the attestation earned under the options, whatever the mode demanded.
const (
	VerdictTrusted  = "trusted"  // chains to Roots
	VerdictKnown    = "known"    // claims a model of AllowedAAGUIDs
	VerdictRecorded = "recorded" // neither
)

// SignCountPolicy is what happens when a sign count does not rise
// (WebAuthn L3 §7.2 step 22).
type SignCountPolicy string

// The sign count policies.
const (
	// SignCountRefuse (also the empty policy) refuses the login.
	SignCountRefuse SignCountPolicy = "refuse"
	// SignCountRecord lets it pass and says so in Assertion.SignCountRegressed.
	SignCountRecord SignCountPolicy = "record"
)

// Options make a RelyingParty. ID, Name and Origins are needed; the rest is
// useful at zero.
type Options struct {
	ID      string   // the RP ID: a domain name, in its ASCII form
	Name    string   // shown by browsers
	Origins []string // https://host or https://host:port, matched exactly
	// RelatedOrigins permits origins outside the domain of ID (WebAuthn L3 §5.11).
	RelatedOrigins bool

	AttestationMode Mode
	AllowedAAGUIDs  [][16]byte
	Roots           *x509.CertPool // anchors of attestation certificates
	SignCount       SignCountPolicy

	Timeout time.Duration    // a ceremony's length; 0 = 5 minutes (L3 §15.1)
	Now     func() time.Time // for Begin; nil = time.Now
}

// RelyingParty runs ceremonies for one RP ID. It is immutable and safe for
// concurrent use.
type RelyingParty struct {
	o        Options
	rpIDHash [sha256.Size]byte
}

const defaultTimeout = 5 * time.Minute

// New refuses options under which a ceremony could not succeed, or would prove
// less than its mode promises.
func New(o Options) (*RelyingParty, error) {
	if err := checkRPID(o.ID); err != nil {
		return nil, fmt.Errorf("RP ID %q: %w", o.ID, err)
	}
	if o.Name == "" {
		o.Name = o.ID
	}
	if len(o.Origins) == 0 {
		return nil, errors.New("no origin: nobody could sign in")
	}
	for _, origin := range o.Origins {
		if err := checkOrigin(origin, o.ID, o.RelatedOrigins); err != nil {
			return nil, fmt.Errorf("origin %q: %w", origin, err)
		}
	}
	if err := o.checkPolicy(); err != nil {
		return nil, err
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Origins, o.AllowedAAGUIDs = slices.Clone(o.Origins), slices.Clone(o.AllowedAAGUIDs)
	return &RelyingParty{o: o, rpIDHash: sha256.Sum256([]byte(o.ID))}, nil
}

func (o *Options) checkPolicy() error {
	if o.AttestationMode == "" {
		o.AttestationMode = ModeRecord
	}
	if o.SignCount == "" {
		o.SignCount = SignCountRefuse
	}
	if slices.Contains(o.AllowedAAGUIDs, [16]byte{}) {
		return errors.New("the zero AAGUID names no model, it cannot be allowed")
	}
	switch o.AttestationMode {
	case ModeRecord:
	case ModeRequireKnown:
		if len(o.AllowedAAGUIDs) == 0 {
			return fmt.Errorf("mode %s needs a list of AAGUIDs", o.AttestationMode)
		}
	case ModeRequireTrustedRoots:
		if o.Roots == nil || o.Roots.Equal(x509.NewCertPool()) {
			return fmt.Errorf("mode %s needs attestation roots", o.AttestationMode)
		}
	default:
		return fmt.Errorf("unknown attestation mode %q", o.AttestationMode)
	}
	if o.SignCount != SignCountRefuse && o.SignCount != SignCountRecord {
		return fmt.Errorf("unknown sign count policy %q", o.SignCount)
	}
	if o.Timeout < 0 {
		return fmt.Errorf("timeout %v is negative", o.Timeout)
	}
	return nil
}

// checkOrigin accepts an origin as browsers write it (RFC 6454 §6.2): anything
// else would never match, and its owner should hear of it at start-up.
func checkOrigin(origin, rpID string, related bool) error {
	u, err := url.Parse(origin)
	if err != nil {
		return fmt.Errorf("parsing: %w", err)
	}
	host := u.Hostname()
	switch {
	case u.Scheme != "https" && !(u.Scheme == "http" && isLoopback(host)):
		return errors.New("not https")
	case host == "":
		return errors.New("no host")
	case u.Scheme+"://"+u.Host != origin:
		return errors.New("an origin is scheme, host and port, in lower case and nothing after them")
	case strings.ToLower(u.Host) != u.Host:
		return errors.New("not in lower case")
	case u.Scheme == "https" && u.Port() == "443", u.Scheme == "http" && u.Port() == "80":
		return errors.New("browsers leave out the default port")
	case strings.HasSuffix(u.Host, ":"):
		return errors.New("the port is empty")
	case !related && host != rpID && !strings.HasSuffix(host, "."+rpID):
		return fmt.Errorf("outside the domain %s", rpID)
	}
	return nil
}

// isLoopback: where browsers allow WebAuthn without TLS.
func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}
