package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"
	_ "time/tzdata" // pages tell the hospital's time on machines without a zone database

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/mtls"
	"cpsgate/rp"
	"cpsgate/sessions"
	"cpsgate/sso"
)

// Verifier judges card certificates; *mtls.Verifier is one.
type Verifier interface {
	// Verify judges the leaf of a handshake; a refusal is an *mtls.Refusal.
	Verify(leaf mtls.Leaf, now time.Time) (identity.Cardholder, error)
	// Recheck asks whether a certificate seen before is still good.
	Recheck(cert identity.Certificate, now time.Time) error
}

// Once keeps what may be taken once, on every node or on this one; a
// *sessions.Once is one.
type Once interface {
	// Put keeps a value, as JSON, for a time and gives the key that takes it.
	Put(ctx context.Context, kind string, value any, ttl time.Duration) (key string, err error)
	// Take gives it to one taker: sessions.ErrTaken, sessions.ErrNoSuch to others.
	Take(ctx context.Context, kind, key string, into any) error
}

// Options make a Server. What has no default said is needed.
type Options struct {
	Hospital     string // shown in the top bar
	Accent       string // #rrggbb, at least 7:1 on white; "" = a deep blue-green
	SupportLabel string // who can help; "" = the IT service desk, in the page's language
	SupportPhone string // "" = none shown
	Logo         string // path of an image file of at most 256 KiB; "" = a plain cross

	MainOrigin   string // https://sso.example.fr[:port], where pages are
	CardOrigin   string // https://cps.example.fr[:port], where certificates are shown
	CardWildcard bool   // each attempt goes to a fresh name below CardOrigin's host

	Verifier     Verifier
	RelyingParty *rp.RelyingParty
	Sessions     *sessions.Manager
	Once         Once
	Registry     *enroll.Registry
	Audit        *audit.Log
	Trail        audit.Trail // what auditors search: the ledger that Audit writes to; nil: no search

	SSO *sso.Provider // nil: no single sign-on

	Revocation func() Revocation // what certificates are judged by; nil: no page tells
	// ForwardAuth serves the proxies of applications; nil: no application is
	// behind one.
	ForwardAuth *ForwardAuth
	// Workstation names the one at an address, "" where nothing is known of it;
	// nil: nothing ever is.
	Workstation func(netip.Addr) string
	// Proxies may vouch for a certificate in a header of the card host; nil: nobody.
	Proxies      *mtls.Proxies
	Limits       Limits
	Counter      Counter                     // adds up the rates of several nodes; nil: each for itself
	Spool        string                      // folder of uploaded files while they are dealt with; "" = the system's for temporary files
	HandshakeAge time.Duration               // oldest handshake a certificate is taken from; 0 = 10 s
	Zone         *time.Location              // nil = Europe/Paris
	Logger       *slog.Logger                // nil = slog.Default()
	Ready        func(context.Context) error // asked by /readyz; nil = always ready
	Now          func() time.Time            // nil = time.Now
}

// Limits bound how often requests are served, in the memory of this process.
// Zero fields take the default.
type Limits struct {
	RequestsPerMinute int // of one address, in all, and as many of its applications that prove nothing; 1200
	AttemptsPerMinute int // of one address, steps of a sign-in; 240
	SignInsPerMinute  int // of one person, proven; 12
}

const defaultHandshakeAge = 10 * time.Second

// complete checks the options and fills in the defaults.
func (o *Options) complete() error {
	if o.Hospital == "" {
		return errors.New("the hospital's name is missing")
	}
	if o.Verifier == nil || o.RelyingParty == nil || o.Sessions == nil || o.Once == nil || o.Registry == nil || o.Audit == nil {
		return errors.New("verifier, relying party, sessions, once, registry and audit are all needed")
	}
	if o.Accent == "" {
		o.Accent = defaultAccent
	}
	if o.HandshakeAge == 0 {
		o.HandshakeAge = defaultHandshakeAge
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Ready == nil {
		o.Ready = func(context.Context) error { return nil }
	}
	if o.Workstation == nil {
		o.Workstation = func(netip.Addr) string { return "" }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Zone == nil {
		zone, err := time.LoadLocation("Europe/Paris")
		if err != nil {
			return fmt.Errorf("time zone: %w", err)
		}
		o.Zone = zone
	}
	return o.Limits.complete()
}

func (l *Limits) complete() error {
	for _, f := range []struct {
		value    *int
		standard int
	}{{&l.RequestsPerMinute, 1200}, {&l.AttemptsPerMinute, 240}, {&l.SignInsPerMinute, 12}} {
		if *f.value < 0 {
			return errors.New("a rate limit is negative")
		}
		if *f.value == 0 {
			*f.value = f.standard
		}
	}
	return nil
}

// parseOrigin takes scheme, host and port only, as a browser writes them.
func parseOrigin(what, origin string) (*url.URL, error) {
	u, err := url.Parse(origin)
	if err != nil {
		return nil, fmt.Errorf("%s origin: %w", what, err)
	}
	if u.Scheme != "https" || u.Hostname() == "" || origin != "https://"+u.Host ||
		u.Host != strings.ToLower(u.Host) || u.Port() == "443" || strings.HasSuffix(u.Host, ".") || strings.HasSuffix(u.Host, ":") {
		return nil, fmt.Errorf("%s origin %q is not of the form https://host or https://host:port, in lower case", what, origin)
	}
	return u, nil
}
