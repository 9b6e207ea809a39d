package sso_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
	"cpsgate/sso"
	"cpsgate/store"
)

const (
	alice  = identity.PSIdNat("899700000017")
	bob    = identity.PSIdNat("899700000025")
	cardA  = "8025000001/0000000001"
	cardB  = "8025000001/0000000002"
	issuer = "https://sso.hopital.test"

	callback = "https://app.hopital.test/callback"
	verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636 appendix B
)

// people of the tests.
func people() map[identity.PSIdNat]identity.Professional {
	return map[identity.PSIdNat]identity.Professional{
		alice: {
			IdNat: alice, FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 10, Specialties: []string{"SM54"},
			Structure: "1750000001", Employer: "Hôpital d'exemple", Roles: []identity.Role{identity.RoleOperator},
		},
		bob: {IdNat: bob, FamilyName: "MODELE", GivenName: "Dominique", Profession: 10, Training: true},
	}
}

// place is a provider with all that is real around it, and applications.
type place struct {
	*house
	t        *testing.T
	provider *sso.Provider
	sessions *sessions.Manager
	people   map[identity.PSIdNat]identity.Professional
	secret   string // of the client "app"
	fails    bool   // that an end of a session cannot be dealt with is meant

	mu     sync.Mutex
	events []sso.Event
	number int   // of events ever recorded
	deaf   error // what recording fails with
}

func (p *place) tell(_ context.Context, e sso.Event) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.deaf != nil {
		return "", p.deaf
	}
	p.events = append(p.events, e)
	p.number++
	return fmt.Sprintf("NUMBER-%d", p.number), nil
}

// reasons gives why things were refused, and forgets them.
func (p *place) reasons() (all []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.events {
		if e.Refused {
			all = append(all, e.Reason)
		}
	}
	p.events = nil
	return all
}

// signing are keys made once for all places: RSA keys take their time.
func signing(t *testing.T) *sso.Keys {
	t.Helper()
	keys, err := onceKeys()
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

var onceKeys = sync.OnceValues(func() (*sso.Keys, error) {
	folder, err := os.MkdirTemp("", "cpsgate-sso")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)
	shelf, err := store.Open(context.Background(), filepath.Join(folder, store.FileName))
	if err != nil {
		return nil, err
	}
	seal, err := sso.LoadOrMakeSealingKey(filepath.Join(folder, sso.SealingKeyFile), false)
	if err != nil {
		return nil, err
	}
	// Read once: the shelf is closed, and the clock stands.
	keys, err := sso.OpenKeys(context.Background(), sso.KeysOptions{Shelf: shelf, Seal: seal, Now: func() time.Time { return start }})
	return keys, errors.Join(err, shelf.Close())
})

func app(change ...func(*sso.Client)) sso.Client {
	c := sso.Client{
		ID: "app", Name: "Application d'essai", RedirectURIs: []string{callback}, PostLogoutURIs: []string{"https://app.hopital.test/bye"},
		Claims: sso.ShapePSC, Algorithm: sso.ES256,
	}
	for _, f := range change {
		f(&c)
	}
	return c
}

func newPlace(t *testing.T, change func(*sso.Options), clients ...sso.Client) *place {
	t.Helper()
	return newPlaceOn(t, nil, change, clients...)
}

// newPlaceOn has its sessions in a Redis; nil: in memory.
func newPlaceOn(t *testing.T, redis *sessions.Redis, change func(*sso.Options), clients ...sso.Client) *place {
	t.Helper()
	p := &place{house: newHouse(t), t: t, people: people()}
	quiet := slog.New(slog.DiscardHandler)
	var err error
	p.sessions, err = sessions.New(sessions.Options{Redis: redis, Now: p.clock.now, Log: quiet, OnEnded: func(ctx context.Context, s sessions.Session, reason string) {
		if err := p.provider.SessionEnded(ctx, s, reason); err != nil && !p.fails {
			t.Error(err)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	known, err := sso.NewClients(sso.ClientsOptions{Shelf: p.store, Tell: p.tell})
	if err != nil {
		t.Fatal(err)
	}
	o := sso.Options{
		Issuer: issuer, Keys: signing(t), Clients: known, Shelf: p.store, Once: sessions.NewOnce(sessions.OnceOptions{Now: p.clock.now}),
		Sessions: p.sessions, Tell: p.tell, Now: p.clock.now, Log: quiet,
		Person: func(_ context.Context, holder identity.PSIdNat) (identity.Professional, error) {
			who, found := p.people[holder]
			if !found {
				return identity.Professional{}, errors.New("nobody of that name")
			}
			return who, nil
		},
	}
	if change != nil {
		change(&o)
	}
	if p.provider, err = sso.New(o); err != nil {
		t.Fatal(err)
	}
	if len(clients) == 0 {
		clients = []sso.Client{app()}
	}
	for _, c := range clients {
		secret, err := p.provider.Clients().Add(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if c.ID == "app" {
			p.secret = secret
		}
	}
	p.reasons()
	return p
}

// open opens a session by certificate.
func (p *place) open(holder identity.PSIdNat, card string, change ...func(*sessions.Session)) *sessions.Session {
	p.t.Helper()
	s := sessions.Session{Holder: holder, Method: identity.MethodCPS, CardTokenID: card}
	for _, f := range change {
		f(&s)
	}
	_, opened, err := p.sessions.Open(p.t.Context(), s)
	if err != nil {
		p.t.Fatal(err)
	}
	return &opened
}

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// asked is a good authorization request; pairs change it, "" takes away.
func asked(pairs ...string) url.Values {
	form := url.Values{
		"client_id": {"app"}, "redirect_uri": {callback}, "response_type": {"code"}, "scope": {"openid profile groups"},
		"state": {"af0ifjsldkj"}, "nonce": {"n-0S6_WzA2Mj"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(pairs); i += 2 {
		if form.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			form.Del(pairs[i])
		}
	}
	return form
}

// code signs in at a client and gives the answer's parameters.
func (p *place) code(form url.Values, session *sessions.Session) url.Values {
	p.t.Helper()
	r, err := p.provider.Begin(p.t.Context(), form)
	if err != nil {
		p.t.Fatal(err)
	}
	there, err := p.provider.Issue(p.t.Context(), r, session)
	if err != nil {
		p.t.Fatal(err)
	}
	u, err := url.Parse(there)
	if err != nil {
		p.t.Fatal(err)
	}
	return u.Query()
}

// answer is what an endpoint answered.
type answer struct {
	status int
	header http.Header
	body   string
	json   map[string]any
}

func (a answer) text(name string) string {
	s, _ := a.json[name].(string)
	return s
}

func (p *place) do(r *http.Request) answer {
	p.t.Helper()
	w := httptest.NewRecorder()
	p.provider.Endpoints().ServeHTTP(w, r)
	out := w.Result()
	b, err := io.ReadAll(out.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	a := answer{status: out.StatusCode, header: out.Header, body: string(b)}
	if len(b) > 0 {
		if err := json.Unmarshal(b, &a.json); err != nil {
			a.json = nil
		}
	}
	return a
}

// post sends a form as the client "app", by client_secret_basic.
func (p *place) post(path string, form url.Values) answer {
	return p.do(p.request(path, form, "app", p.secret))
}

func (p *place) request(path string, form url.Values, id, secret string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, issuer+path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if id != "" {
		r.SetBasicAuth(url.QueryEscape(id), url.QueryEscape(secret))
	}
	return r
}

// exchange is the form that redeems a code.
func exchange(code string, pairs ...string) url.Values {
	form := url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
	for i := 0; i < len(pairs); i += 2 {
		if form.Set(pairs[i], pairs[i+1]); pairs[i+1] == "" {
			form.Del(pairs[i])
		}
	}
	return form
}

// tokens signs in and redeems the code.
func (p *place) tokens(session *sessions.Session) answer {
	p.t.Helper()
	a := p.post(sso.PathToken, exchange(p.code(asked(), session).Get("code")))
	if a.status != http.StatusOK {
		p.t.Fatalf("%d %s", a.status, a.body)
	}
	return a
}

func (p *place) userinfo(access string) answer {
	r := httptest.NewRequest(http.MethodGet, issuer+sso.PathUserinfo, nil)
	r.Header.Set("Authorization", "Bearer "+access)
	return p.do(r)
}

func refresh(token string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {token}}
}
