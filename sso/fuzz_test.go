package sso_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cpsgate/sso"
)

// fuzzed is a provider with one client, that keeps nothing.
func fuzzed(f *testing.F, client sso.Client) (*sso.Provider, *sso.Keys) {
	f.Helper()
	slog.SetDefault(slog.New(slog.DiscardHandler)) // the library's; a fuzzing process waits for who reads it
	clients, err := sso.NewClients(sso.ClientsOptions{Shelf: noShelf{}, Files: []sso.Client{client}})
	if err != nil {
		f.Fatal(err)
	}
	keys, err := onceKeys()
	if err != nil {
		f.Fatal(err)
	}
	provider, err := sso.New(sso.Options{
		Issuer: issuer, Keys: keys, Clients: clients, Shelf: noShelf{}, Once: noShelf{}, Sessions: noShelf{}, Person: nobody,
		Tell: func(context.Context, sso.Event) (string, error) { return "", nil }, Now: func() time.Time { return start },
	})
	if err != nil {
		f.Fatal(err)
	}
	return provider, keys
}

// FuzzClientAssertion: whatever stands for an assertion, it proves nothing but
// what the client's key signed, and the answer is an OAuth error.
func FuzzClientAssertion(f *testing.F) {
	key := keyPair(f)
	client := sso.Client{ID: "keyed", Auth: sso.AuthPrivateKeyJWT, JWKS: jwks(f, key.Public()), RedirectURIs: []string{"https://keyed.test/cb"}}
	provider, _ := fuzzed(f, client)
	good := assertionOf(f, key, jose.ES256, nil)
	signed, err := sso.VerifyAssertion(&client, good)
	if err != nil {
		f.Fatal(err)
	}
	parts := strings.Split(good, ".")
	for _, seed := range []string{
		good, good[:len(good)-8], "eyJhbGciOiJub25lIn0." + parts[1] + ".", parts[0] + "." + parts[1], "..", "{}", parts[0] + ".e30." + parts[2], good + ".x",
		assertionOf(f, keyPair(f), jose.ES256, nil), assertionOf(f, keyPair(f), jose.ES256, map[string]any{"aud": []any{1, nil}, "exp": "x"}),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		payload, err := sso.VerifyAssertion(&client, token)
		if err == nil && !bytes.Equal(payload, signed) {
			t.Errorf("%q proves %s", token, payload)
		}
		form := url.Values{
			"grant_type": {"authorization_code"}, "code": {"x"}, "redirect_uri": {"https://keyed.test/cb"}, "code_verifier": {verifier},
			"client_assertion": {token}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}
		r := httptest.NewRequest(http.MethodPost, issuer+sso.PathToken, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := httptest.NewRecorder()
		proven := provider.Serve(w, r)
		var told struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(w.Body.Bytes(), &told) != nil {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		want := []string{"400 invalid_request", "401 invalid_client"}
		if err == nil {
			want = []string{"400 invalid_grant"} // the client is who it is; its code is nothing
		}
		if got := fmt.Sprint(w.Code, " ", told.Error); proven != (err == nil) || !slices.Contains(want, got) {
			t.Errorf("%q: %s, proven: %v", token, got, proven)
		}
	})
}

// FuzzLogout: whatever is asked, the way leads to an address that is registered
// or to none, and a session is named by a token of ours alone.
func FuzzLogout(f *testing.F) {
	_, hash := sso.NewSecret()
	provider, keys := fuzzed(f, sso.Client{ID: "app", RedirectURIs: []string{callback}, PostLogoutURIs: []string{"https://app.hopital.test/bye"}, SecretHash: hash})
	sign := func(typ string, claims map[string]any) string {
		token, err := keys.Sign(f.Context(), sso.ES256, typ, claims)
		if err != nil {
			f.Fatal(err)
		}
		return token
	}
	claims := map[string]any{"iss": issuer, "sub": "someone", "aud": "app", "sid": "a session"}
	hint := sign("JWT", claims)
	parts := strings.Split(hint, ".")
	bye := "&post_logout_redirect_uri=https%3A%2F%2Fapp.hopital.test%2Fbye"
	for _, seed := range []string{
		"", "client_id=app" + bye, "client_id=app" + bye + "&state=x", "client_id=app&client_id=app", "post_logout_redirect_uri=javascript%3Aalert(1)",
		"id_token_hint=" + hint + bye, "client_id=other&id_token_hint=" + hint, "id_token_hint=" + hint[:len(hint)-5], "id_token_hint=" + sign("logout+jwt", claims),
		"id_token_hint=eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0." + parts[1] + ".", "id_token_hint=" + parts[0] + "." + parts[1] + ".AAAA", "client_id=app&state=%00",
		"id_token_hint=" + sign("JWT", map[string]any{"iss": "https://elsewhere.test", "sub": "someone", "aud": "app", "sid": "a session"}) + bye,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		form, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		l, err := provider.BeginLogout(t.Context(), form)
		var refused *sso.Refusal
		if err != nil {
			if !errors.As(err, &refused) || refused.Back != "" || l != (sso.Logout{}) {
				t.Errorf("%+v, %v", l, err)
			}
			return
		}
		if to, _, _ := strings.Cut(l.Back, "?state="); to != "" && to != "https://app.hopital.test/bye" {
			t.Errorf("goes to %s", l.Back)
		}
		if l.Session != "" {
			payload, err := keys.Verify(t.Context(), form.Get("id_token_hint"), "JWT")
			if err != nil || !bytes.Contains(payload, []byte(`"sid":"a session"`)) || l.Session != "a session" || l.Client != "app" {
				t.Errorf("%+v by %s, %v", l, payload, err)
			}
		}
	})
}

// An assertion serves once, however many try at once and on whichever node; one
// client's jti says nothing of another's (RFC 7523 §3).
func TestAnAssertionServesOnce(t *testing.T) {
	key := keyPair(t)
	keyed := func(id string) sso.Client {
		return app(func(c *sso.Client) {
			c.ID, c.Auth, c.JWKS, c.RedirectURIs = id, sso.AuthPrivateKeyJWT, jwks(t, key.Public()), []string{"https://keyed.test/cb"}
		})
	}
	p := newPlace(t, nil, keyed("keyed"), keyed("other"))
	second, err := sso.New(sso.Options{
		Issuer: issuer, Keys: signing(t), Clients: p.provider.Clients(), Shelf: p.store, Once: noShelf{}, Sessions: p.sessions,
		Person: nobody, Tell: p.tell, Now: p.clock.now,
	})
	if err != nil {
		t.Fatal(err)
	}
	send := func(on *sso.Provider, assertion string) bool {
		w := httptest.NewRecorder()
		return on.Serve(w, p.request(sso.PathIntrospect, url.Values{
			"token": {"x"}, "client_assertion": {assertion}, "client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		}, "", ""))
	}
	assertion := assertionOf(t, key, jose.ES256, map[string]any{"jti": "1"})
	var mu sync.Mutex
	var wg sync.WaitGroup
	served := 0
	for i := range 100 {
		wg.Go(func() {
			if send([]*sso.Provider{p.provider, second}[i%2], assertion) {
				mu.Lock()
				defer mu.Unlock()
				served++
			}
		})
	}
	wg.Wait()
	if served != 1 {
		t.Errorf("%d served", served)
	}
	if send(second, assertionOf(t, key, jose.ES256, map[string]any{"jti": "1", "nonce": "another"})) {
		t.Error("another assertion of the same name serves")
	}
	if !send(p.provider, assertionOf(t, key, jose.ES256, map[string]any{"jti": "1", "iss": "other", "sub": "other"})) {
		t.Error("another client's assertion of that name does not serve")
	}
	// It is remembered for as long as it would be taken.
	p.clock.add(2*time.Minute + 59*time.Second)
	if err := p.store.SweepGrants(t.Context(), p.clock.now()); err != nil {
		t.Fatal(err)
	}
	if send(p.provider, assertion) {
		t.Error("serves again once it is swept")
	}
}
