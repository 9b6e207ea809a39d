package web_test

import (
	"context"
	"html"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/sessions"
	"cpsgate/sso"
	"cpsgate/web"
)

const appOrigin = "https://app.hopital.test"

// signedKeys are made once for all houses: RSA keys take their time.
var keyRecords = sync.OnceValues(func() (*shelf, error) { return &shelf{}, nil })

// shelf keeps signing keys in memory, for all houses.
type shelf struct {
	mu   sync.Mutex // guards kept
	kept []sso.KeyRecord
}

func (s *shelf) SigningKeys(context.Context) ([]sso.KeyRecord, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]sso.KeyRecord(nil), s.kept...), nil
}

func (s *shelf) ChangeSigningKeys(_ context.Context, change func([]sso.KeyRecord) ([]sso.KeyRecord, []string, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	add, _, err := change(s.kept)
	s.kept = append(s.kept, add...)
	return err
}

var sealing struct {
	sync.Once
	key sso.SealingKey
	err error
}

// signOn is single sign-on in a house.
type signOn struct {
	h        *house
	provider *sso.Provider
}

// plan adds single sign-on to what a house is to be.
func (o *signOn) plan(t testing.TB, change ...func(*sso.Options)) plan {
	sealing.Do(func() {
		sealing.key, sealing.err = sso.LoadOrMakeSealingKey(filepath.Join(t.TempDir(), "key"), false)
	})
	must(t, sealing.err)
	keep, err := keyRecords()
	must(t, err)
	return plan{
		ended: func(ctx context.Context, s sessions.Session, reason string) {
			must(t, o.provider.SessionEnded(ctx, s, reason))
		},
		options: func(w *web.Options) {
			keys, err := sso.OpenKeys(t.Context(), sso.KeysOptions{Shelf: keep, Seal: sealing.key, Now: w.Now})
			must(t, err)
			tell := func(ctx context.Context, e sso.Event) (string, error) {
				outcome := audit.Done
				if e.Refused {
					outcome = audit.Refused
				}
				event := &audit.Event{Kind: e.Kind, Outcome: outcome, Reason: e.Reason, Subject: e.Holder, Session: e.Session, Detail: e.Client + " " + e.Detail}
				err := w.Audit.Record(ctx, event)
				return event.ID, err
			}
			clients, err := sso.NewClients(sso.ClientsOptions{Shelf: o.h.store, Tell: tell})
			must(t, err)
			options := sso.Options{
				Issuer: w.MainOrigin, Keys: keys, Clients: clients, Shelf: o.h.store, Once: o.h.once, Sessions: w.Sessions, Tell: tell, Now: w.Now,
				Person: w.Registry.Professional,
			}
			for _, c := range change {
				c(&options)
			}
			o.provider, err = sso.New(options)
			must(t, err)
			w.SSO = o.provider
		},
	}
}

// ssoHouse is a house that signs people in to applications.
func ssoHouse(t testing.TB, change ...func(*sso.Options)) *signOn {
	t.Helper()
	return ssoHouseUnder(t, enroll.Policy{}, change...)
}

// ssoHouseUnder is one that enrols by a policy of its own.
func ssoHouseUnder(t testing.TB, policy enroll.Policy, change ...func(*sso.Options)) *signOn {
	t.Helper()
	o := &signOn{h: quietHouse(t)}
	o.h.publish()
	p := o.plan(t, change...)
	p.policy = policy
	o.h.wire(p)
	o.h.mainAddr = o.h.listen(o.h.web.Main(), false)
	o.h.cardAddr = o.h.listen(o.h.web.Card(), true)
	return o
}

// app is an application: an OpenID client that nobody here wrote.
type app struct {
	o        *signOn
	config   oauth2.Config
	provider *oidc.Provider
	ctx      context.Context
}

// app makes one known, and has it read the discovery document.
func (o *signOn) app(change ...func(*sso.Client)) *app {
	o.h.t.Helper()
	client := sso.Client{
		ID: "app", Name: "Application d’essai", RedirectURIs: []string{appOrigin + "/callback"}, PostLogoutURIs: []string{appOrigin + "/bye"},
		Claims: sso.ShapePSC,
	}
	for _, c := range change {
		c(&client)
	}
	secret, err := o.provider.Clients().Add(o.h.t.Context(), client)
	must(o.h.t, err)
	ctx := oidc.ClientContext(o.h.t.Context(), o.h.browser().client)
	provider, err := oidc.NewProvider(ctx, mainOrigin)
	must(o.h.t, err)
	return &app{o: o, provider: provider, ctx: ctx, config: oauth2.Config{
		ClientID: client.ID, ClientSecret: secret, Endpoint: provider.Endpoint(), RedirectURL: appOrigin + "/callback",
		Scopes: []string{oidc.ScopeOpenID, "profile"},
	}}
}

const pkce = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B

func (a *app) start(options ...oauth2.AuthCodeOption) string {
	return a.config.AuthCodeURL("a state", append(options, oauth2.S256ChallengeOption(pkce), oidc.Nonce("a nonce"))...)
}

// redeem takes what came back to the application, and gives its verified ID
// token.
func (a *app) redeem(back *url.URL) (*oauth2.Token, *oidc.IDToken) {
	t := a.o.h.t
	t.Helper()
	if !strings.HasPrefix(back.String(), appOrigin+"/callback?") || back.Query().Get("state") != "a state" || back.Query().Get("iss") != mainOrigin {
		t.Fatalf("came back to %s", back)
	}
	token, err := a.config.Exchange(a.ctx, back.Query().Get("code"), oauth2.VerifierOption(pkce))
	must(t, err)
	raw, _ := token.Extra("id_token").(string)
	id, err := a.provider.Verifier(&oidc.Config{ClientID: a.config.ClientID, Now: a.o.h.now}).Verify(a.ctx, raw)
	must(t, err)
	must(t, id.VerifyAccessToken(token.AccessToken))
	if id.Nonce != "a nonce" {
		t.Errorf("nonce %q", id.Nonce)
	}
	return token, id
}

// nameID is whom an access token tells of.
func (a *app) nameID(token *oauth2.Token) string {
	t := a.o.h.t
	t.Helper()
	info, err := a.provider.UserInfo(a.ctx, oauth2.StaticTokenSource(token))
	must(t, err)
	var claims struct{ SubjectNameID string }
	must(t, info.Claims(&claims))
	return claims.SubjectNameID
}

var cardLink = regexp.MustCompile(`href="(/login/card[^"]*)"`)

// byCard signs in on the sign-in page with the card in the reader, and goes
// where that leads.
func (b *browser) byCard(a answer) answer {
	b.t.Helper()
	link := cardLink.FindStringSubmatch(a.body)
	if a.status != http.StatusOK || link == nil {
		b.t.Fatalf("no sign-in page: %d %s", a.status, a.body)
	}
	return b.follow(b.get(html.UnescapeString(link[1])))
}

var (
	waits = regexp.MustCompile(`name="request" value="([^"]+)"`)
	about = regexp.MustCompile(`name="session" value="([^"]+)"`)
)

// say answers the question of a page.
func (b *browser) say(a answer, word string, more ...string) answer {
	b.t.Helper()
	key := waits.FindStringSubmatch(a.body)
	if a.status != http.StatusOK || key == nil {
		b.t.Fatalf("no question: %d %s", a.status, a.body)
	}
	form := url.Values{"request": {key[1]}}
	path := "/oauth/leave"
	if word != "" {
		path = "/oauth/continue"
		form.Set("answer", word)
		if session := about.FindStringSubmatch(a.body); session != nil {
			form.Set("session", html.UnescapeString(session[1]))
		}
	}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return b.follow(b.submit(path, form))
}
