package demo

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

// ClientOptions describe an OpenID client. All but Dial are needed.
type ClientOptions struct {
	Issuer string // the provider's
	Origin string // this application's, as browsers write it
	ID     string
	Secret string
	Roots  *x509.CertPool // above the provider's server certificate
	Dial   Dial           // nil: by name
}

// Where the client is reached.
const (
	pathCallback  = "/callback"
	pathLoggedOut = "/backchannel-logout"
)

// The client's cookies.
const (
	cookieVisit   = "__Host-visit"   // a session here
	cookieAttempt = "__Host-attempt" // signing in, until the callback
)

// How long signing in may take, and how long a session lasts.
const (
	attemptTime = 10 * time.Minute
	visitTime   = time.Hour
)

// providerTime bounds each talk with the provider.
const providerTime = 10 * time.Second

// Client is an application that signs people in by OpenID Connect: code flow
// with PKCE (RFC 7636), RP-initiated and back-channel logout. Its sessions are
// in memory.
type Client struct {
	o        ClientOptions
	http     *http.Client
	visits   shelf[visit]
	attempts shelf[attempt]

	mu       sync.Mutex
	provider *oidc.Provider // nil until it could be discovered
}

// visit is a session here.
type visit struct {
	subject, sid string // the provider's words for who, and for its session
	name         string
	claims       string // JSON, for people to read
	token        string // the ID token, a hint for signing out
}

// attempt is signing in that has begun.
type attempt struct{ state, nonce, verifier string }

// NewClient makes a client. The provider need not be there yet.
func NewClient(o ClientOptions) (*Client, error) {
	if _, err := originOf(o.Origin); err != nil {
		return nil, err
	}
	return &Client{
		o: o,
		http: &http.Client{
			Timeout:       providerTime,
			Transport:     &http.Transport{DialContext: o.Dial, TLSClientConfig: &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12}, ForceAttemptHTTP2: true},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

// Handler serves the application.
func (c *Client) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /style.css", serveStyle)
	mux.HandleFunc("GET /{$}", c.home)
	mux.HandleFunc("GET /sign-in", c.answering(c.signIn))
	mux.HandleFunc("GET "+pathCallback, c.answering(c.callback))
	mux.HandleFunc("POST /sign-out", c.answering(c.signOut))
	mux.HandleFunc("POST "+pathLoggedOut, c.loggedOut)
	// Signing in comes back from another site; signing out may not.
	guard := http.NewCrossOriginProtection()
	guard.AddInsecureBypassPattern("POST " + pathLoggedOut) // no browser: a signed token
	return guard.Handler(mux)
}

// clientPage is what a visitor sees; of somebody unknown, nothing.
type clientPage struct {
	Name   string
	Claims string // JSON, for people to read
	Failed bool   // signing in or out did not end well; the log says why
}

func (c *Client) home(w http.ResponseWriter, r *http.Request) {
	v, ok := c.visits.see(cookieOf(r, cookieVisit))
	if !ok {
		show(w, http.StatusOK, "client.html", clientPage{})
		return
	}
	show(w, http.StatusOK, "client.html", clientPage{Name: v.name, Claims: v.claims})
}

// answering shows that something went wrong, and logs what.
func (c *Client) answering(next func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := next(w, r); err != nil {
			slog.Warn("signing in or out", "path", r.URL.Path, "error", err)
			show(w, http.StatusBadGateway, "client.html", clientPage{Failed: true})
		}
	}
}

// discovered is the provider, found when first asked for.
func (c *Client) discovered() (*oidc.Provider, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.provider != nil {
		return c.provider, nil
	}
	// Not the request's context: the provider keeps it for its keys.
	p, err := oidc.NewProvider(oidc.ClientContext(context.Background(), c.http), c.o.Issuer)
	if err != nil {
		return nil, fmt.Errorf("discovering %s: %w", c.o.Issuer, err)
	}
	c.provider = p
	return p, nil
}

func (c *Client) oauth(p *oidc.Provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: c.o.ID, ClientSecret: c.o.Secret, Endpoint: p.Endpoint(),
		RedirectURL: c.o.Origin + pathCallback, Scopes: []string{oidc.ScopeOpenID, "profile"},
	}
}

// signIn sends the browser to the provider.
func (c *Client) signIn(w http.ResponseWriter, r *http.Request) error {
	p, err := c.discovered()
	if err != nil {
		return err
	}
	a := attempt{state: random(), nonce: random(), verifier: oauth2.GenerateVerifier()}
	plant(w, cookieAttempt, c.attempts.put(a, time.Now().Add(attemptTime)), attemptTime)
	to := c.oauth(p).AuthCodeURL(a.state, oidc.Nonce(a.nonce), oauth2.S256ChallengeOption(a.verifier))
	http.Redirect(w, r, to, http.StatusSeeOther)
	return nil
}

// callback takes the code, in the browser that asked for it.
func (c *Client) callback(w http.ResponseWriter, r *http.Request) error {
	a, ok := c.attempts.take(cookieOf(r, cookieAttempt))
	q := r.URL.Query()
	switch {
	case !ok || q.Get("state") != a.state:
		return errors.New("not begun in this browser, or too long ago")
	case q.Get("error") != "":
		return fmt.Errorf("the provider says %s: %s", q.Get("error"), q.Get("error_description"))
	}
	p, err := c.discovered()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(oidc.ClientContext(r.Context(), c.http), providerTime)
	defer cancel()
	v, err := c.redeem(ctx, p, a, q.Get("code"))
	if err != nil {
		return err
	}
	plant(w, cookieVisit, c.visits.put(v, time.Now().Add(visitTime)), 0)
	plant(w, cookieAttempt, "", -time.Second)
	http.Redirect(w, r, "/", http.StatusSeeOther)
	return nil
}

// redeem turns a code into what is known of the visitor.
func (c *Client) redeem(ctx context.Context, p *oidc.Provider, a attempt, code string) (v visit, err error) {
	tokens, err := c.oauth(p).Exchange(ctx, code, oauth2.VerifierOption(a.verifier))
	if err != nil {
		return v, fmt.Errorf("redeeming the code: %w", err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	id, err := p.Verifier(&oidc.Config{ClientID: c.o.ID, SupportedSigningAlgs: []string{oidc.ES256, oidc.RS256}}).Verify(ctx, raw)
	if err != nil {
		return v, fmt.Errorf("the ID token: %w", err)
	}
	if id.Nonce != a.nonce {
		return v, errors.New("the ID token answers another question")
	}
	info, err := p.UserInfo(ctx, oauth2.StaticTokenSource(tokens))
	if err != nil {
		return v, fmt.Errorf("asking for userinfo: %w", err)
	}
	if info.Subject != id.Subject { // OpenID Connect Core 1.0 §5.3.2
		return v, errors.New("the userinfo is about somebody else")
	}
	var standard struct {
		Name string `json:"name"`
		SID  string `json:"sid"`
	}
	var all struct{ IDToken, UserInfo json.RawMessage }
	if err := errors.Join(id.Claims(&standard), info.Claims(&standard), id.Claims(&all.IDToken), info.Claims(&all.UserInfo)); err != nil {
		return v, err
	}
	both, err := json.MarshalIndent(map[string]any{"id_token": all.IDToken, "userinfo": all.UserInfo}, "", "  ")
	return visit{subject: id.Subject, sid: standard.SID, name: standard.Name, claims: string(both), token: raw}, err
}

// plant sets a cookie; a negative life takes it away.
func plant(w http.ResponseWriter, name, value string, life time.Duration) {
	http.SetCookie(w, &http.Cookie{
		Name: name, Value: value, Path: "/", MaxAge: int(life.Seconds()), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}

func cookieOf(r *http.Request, name string) string {
	cookies := r.CookiesNamed(name)
	i := slices.IndexFunc(cookies, func(c *http.Cookie) bool { return c.Value != "" })
	if len(cookies) != 1 || i < 0 {
		return ""
	}
	return cookies[0].Value
}
