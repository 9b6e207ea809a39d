package sso

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"
)

// ClientAuth is how a client proves itself at the token endpoint (OpenID
// Connect Core §9).
type ClientAuth string

// The ways. A public client (AuthNone) has no secret; PKCE, which all clients
// must use, is what protects its codes.
const (
	AuthNone          ClientAuth = "none"
	AuthSecretBasic   ClientAuth = "client_secret_basic"
	AuthSecretPost    ClientAuth = "client_secret_post"
	AuthPrivateKeyJWT ClientAuth = "private_key_jwt"
	AuthTLS           ClientAuth = "tls_client_auth" // RFC 8705 §2.1
)

// SubjectType is which sub a client is told (OpenID Connect Core §8).
type SubjectType string

// The subject types.
const (
	SubjectPairwise SubjectType = "pairwise"
	SubjectPublic   SubjectType = "public" // the PS_IdNat
)

// Shape is the form of the claims.
type Shape string

// The shapes.
const (
	ShapeStandard Shape = "standard" // OpenID Connect Core §5.1
	ShapePSC      Shape = "psc"      // as Pro Santé Connect has them, beside the standard ones
)

// Client is an application that signs people in here.
type Client struct {
	ID   string `json:"id"`
	Name string `json:"name"` // shown to people

	RedirectURIs   []string `json:"redirect_uris"` // compared byte by byte
	PostLogoutURIs []string `json:"post_logout_uris,omitempty"`
	// BackChannelLogout is told of the end of each session that signed someone
	// in there; "" = not.
	BackChannelLogout string `json:"back_channel_logout,omitempty"`

	Auth       ClientAuth      `json:"auth"`
	SecretHash string          `json:"secret_hash,omitempty"` // hex SHA-256 of 256 random bits
	JWKS       json.RawMessage `json:"jwks,omitempty"`        // private_key_jwt: the client's public keys
	// TLSSubject or TLSName, not both, is what the certificate of a client by
	// tls_client_auth has: its subject as SubjectOf writes it (CN=…,O=…,C=FR), or
	// one of its DNS names. Either is compared byte by byte.
	TLSSubject string `json:"tls_client_auth_subject_dn,omitempty"`
	TLSName    string `json:"tls_client_auth_san_dns,omitempty"`

	// Native allows http on the loopback addresses, on any port (RFC 8252 §7.3).
	Native bool `json:"native,omitempty"`
	// ThirdParty asks people before they are told of; the hospital's own are not.
	ThirdParty bool `json:"third_party,omitempty"`
	// Introspects allows asking about tokens of other clients: a resource server.
	Introspects bool `json:"introspects,omitempty"`
	// NoRefresh gives no refresh tokens.
	NoRefresh bool `json:"no_refresh,omitempty"`

	Subject   SubjectType `json:"subject"`
	Sector    string      `json:"sector,omitempty"` // of pairwise subjects; "" = the one host of its redirect URIs
	Claims    Shape       `json:"claims"`
	Algorithm Algorithm   `json:"algorithm"`        // of its ID tokens
	Groups    []string    `json:"groups,omitempty"` // of which its users hold one (see Groups); none = everybody

	AccessLife time.Duration `json:"access_life"`
	IDLife     time.Duration `json:"id_life"`
}

// The default lives of tokens; refresh tokens live as long as the session.
const (
	DefaultAccessLife = 5 * time.Minute
	DefaultIDLife     = 5 * time.Minute
	longestLife       = time.Hour
)

// ErrClient refuses a client that cannot be.
var ErrClient = errors.New("client")

// Complete fills in the defaults and refuses a client that cannot be, or that
// would open a door: each error says which setting.
func (c *Client) Complete() error {
	orDefault(&c.Name, c.ID)
	orDefault(&c.Auth, AuthSecretBasic)
	orDefault(&c.Subject, SubjectPairwise)
	orDefault(&c.Claims, ShapeStandard)
	orDefault(&c.Algorithm, RS256) // what every client knows (OpenID Connect Core §15.1)
	orDefault(&c.AccessLife, DefaultAccessLife)
	orDefault(&c.IDLife, DefaultIDLife)
	for _, check := range []func() error{c.checkWords, c.checkAddresses, c.checkAuth, c.checkSector} {
		if err := check(); err != nil {
			return fmt.Errorf("%w %q: %w", ErrClient, c.ID, err)
		}
	}
	return nil
}

func orDefault[T comparable](v *T, value T) {
	var zero T
	if *v == zero {
		*v = value
	}
}

func (c *Client) checkWords() error {
	switch {
	case c.ID == "" || len(c.ID) > 64 || strings.Trim(c.ID, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") != "":
		return errors.New("id: 1 to 64 of A-Z, a-z, 0-9, hyphen, dot and underscore")
	case len(c.Name) > 100 || strings.ContainsFunc(c.Name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return errors.New("name: 100 printable bytes at most")
	case c.Subject != SubjectPairwise && c.Subject != SubjectPublic:
		return fmt.Errorf("subject: %q is neither pairwise nor public", c.Subject)
	case c.Claims != ShapeStandard && c.Claims != ShapePSC:
		return fmt.Errorf("claims: %q is neither standard nor psc", c.Claims)
	case !slices.Contains(algorithms(), c.Algorithm):
		return fmt.Errorf("algorithm: %q is neither ES256 nor RS256", c.Algorithm)
	case c.AccessLife < time.Second || c.AccessLife > longestLife || c.IDLife < time.Second || c.IDLife > longestLife:
		return errors.New("access_life, id_life: a second to an hour")
	}
	return nil
}

func (c *Client) checkAddresses() error {
	if len(c.RedirectURIs) == 0 {
		return errors.New("redirect_uris: one is needed")
	}
	for _, address := range slices.Concat(c.RedirectURIs, c.PostLogoutURIs) {
		if err := checkAddress(address, c.Native); err != nil {
			return fmt.Errorf("address %q: %w", address, err)
		}
	}
	if c.BackChannelLogout != "" {
		if err := checkAddress(c.BackChannelLogout, false); err != nil {
			return fmt.Errorf("back_channel_logout: %w", err)
		}
	}
	return nil
}

// checkAddress takes https, and for native clients http on a loopback address;
// in the one form that is compared, without what readers read in two ways.
func checkAddress(address string, native bool) error {
	u, err := url.Parse(address)
	if err != nil || len(address) > maxAddress {
		return errors.New("not an address")
	}
	switch {
	case u.Host == "" || u.Hostname() == "" || u.User != nil || u.Opaque != "" || strings.Contains(address, "#"):
		return errors.New("needs a host, and neither user nor fragment") // RFC 6749 §3.1.2
	case strings.ContainsFunc(address, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '\\' || r == '*' }):
		return errors.New("holds characters that readers read in two ways, or a wildcard")
	case u.Host != strings.ToLower(u.Host) || u.String() != address:
		return errors.New("not in the form that browsers write")
	case u.Scheme == "https":
		return nil
	case u.Scheme == "http" && native && isLoopback(u):
		return nil
	}
	return errors.New("not https (http is for native clients, on 127.0.0.1 or [::1])")
}

func isLoopback(u *url.URL) bool {
	address, err := netip.ParseAddr(u.Hostname())
	return err == nil && address.IsLoopback()
}

func (c *Client) checkSector() error {
	if c.Subject == SubjectPublic || c.Sector != "" {
		return nil
	}
	for _, address := range c.RedirectURIs {
		if hostOf(address) != hostOf(c.RedirectURIs[0]) {
			return errors.New("sector: is needed where redirect URIs have several hosts (OpenID Connect Core §8.1)")
		}
	}
	return nil
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// sector is whom a pairwise subject is for.
func (c *Client) sector() string {
	if c.Sector != "" {
		return c.Sector
	}
	return hostOf(c.RedirectURIs[0])
}

// redirects tells whether an address is one of the client's: byte by byte, or
// for a native client on a loopback address but for its port.
func (c *Client) redirects(address string) bool {
	if slices.Contains(c.RedirectURIs, address) {
		return true
	}
	if !c.Native || checkAddress(address, true) != nil {
		return false
	}
	asked, err := url.Parse(address)
	if err != nil || !isLoopback(asked) {
		return false
	}
	return slices.ContainsFunc(c.RedirectURIs, func(registered string) bool {
		known, err := url.Parse(registered)
		if err != nil || !isLoopback(known) {
			return false
		}
		here := *asked
		here.Host = known.Host
		return asked.Hostname() == known.Hostname() && here.String() == registered
	})
}

// Origins are those that the client's pages may be at: where a form of ours
// may lead to.
func (c *Client) Origins() (origins []string) {
	for _, address := range slices.Concat(c.RedirectURIs, c.PostLogoutURIs) {
		if origin := OriginOf(address); origin != "" && !slices.Contains(origins, origin) {
			origins = append(origins, origin)
		}
	}
	return origins
}

// OriginOf is the origin of an address that is one of a client's; "" of none.
func OriginOf(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// Confidential tells whether the client can keep a secret.
func (c *Client) Confidential() bool { return c.Auth != AuthNone }

// NewSecret draws a client's secret and gives what is kept of it.
func NewSecret() (secret, hash string) {
	var random [32]byte
	rand.Read(random[:]) // never fails since Go 1.24
	secret = base64.RawURLEncoding.EncodeToString(random[:])
	return secret, HashSecret(secret)
}

// HashSecret is what is kept of a secret. It is not stretched: secrets are
// drawn here, of 256 bits.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func (c *Client) knows(secret string) bool {
	return c.SecretHash != "" && subtle.ConstantTimeCompare([]byte(HashSecret(secret)), []byte(c.SecretHash)) == 1
}
