package sso_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cpsgate/identity"
	"cpsgate/sso"
)

var errNobody = errors.New("nobody")

func nobody(context.Context, identity.PSIdNat) (identity.Professional, error) {
	return identity.Professional{}, errNobody
}

func TestClientsRefused(t *testing.T) {
	_, hash := sso.NewSecret()
	tests := []struct {
		name   string
		change func(*sso.Client)
		says   string
	}{
		{"good", func(*sso.Client) {}, ""},
		{"a query in an address", func(c *sso.Client) { c.RedirectURIs = []string{"https://app.test/cb?x=y"} }, ""},
		{"no id", func(c *sso.Client) { c.ID = "" }, "id"},
		{"an id with a space", func(c *sso.Client) { c.ID = "a b" }, "id"},
		{"no address", func(c *sso.Client) { c.RedirectURIs = nil }, "redirect_uris"},
		{"http", func(c *sso.Client) { c.RedirectURIs = []string{"http://app.test/cb"} }, "https"},
		{"http on loopback, not native", func(c *sso.Client) { c.RedirectURIs = []string{"http://127.0.0.1/cb"} }, "https"},
		{"http on localhost, native", func(c *sso.Client) { c.Native, c.RedirectURIs = true, []string{"http://localhost/cb"} }, "https"},
		{"another scheme", func(c *sso.Client) { c.Native, c.RedirectURIs = true, []string{"app:/cb"} }, "host"},
		{"a script", func(c *sso.Client) { c.RedirectURIs = []string{"javascript:alert(1)"} }, "host"},
		{"a fragment", func(c *sso.Client) { c.RedirectURIs = []string{"https://app.test/cb#x"} }, "fragment"},
		{"an empty fragment", func(c *sso.Client) { c.RedirectURIs = []string{"https://app.test/cb#"} }, "fragment"},
		{"a user", func(c *sso.Client) { c.RedirectURIs = []string{"https://a@app.test/cb"} }, "user"},
		{"a wildcard", func(c *sso.Client) { c.RedirectURIs = []string{"https://*.app.test/cb"} }, "wildcard"},
		{"upper case", func(c *sso.Client) { c.RedirectURIs = []string{"https://App.test/cb"} }, "browsers"},
		{"a relative address", func(c *sso.Client) { c.RedirectURIs = []string{"/cb"} }, "host"},
		{"http after signing out", func(c *sso.Client) { c.PostLogoutURIs = []string{"http://app.test/"} }, "https"},
		{"http in the back channel", func(c *sso.Client) { c.Native, c.BackChannelLogout = true, "http://127.0.0.1/" }, "back_channel_logout"},
		{"no secret", func(c *sso.Client) { c.SecretHash = "" }, "secret"},
		{"an unknown way of proof", func(c *sso.Client) { c.Auth = "client_secret_jwt" }, "auth"},
		{"a certificate's subject", func(c *sso.Client) { c.Auth, c.TLSSubject = sso.AuthTLS, "CN=app" }, ""},
		{"neither subject nor name", func(c *sso.Client) { c.Auth = sso.AuthTLS }, "tls_subject"},
		{"subject and name", func(c *sso.Client) { c.Auth, c.TLSSubject, c.TLSName = sso.AuthTLS, "CN=app", "app.test" }, "tls_subject"},
		{"a certificate's subject beside a secret", func(c *sso.Client) { c.TLSSubject = "CN=app" }, "tls_subject"},
		{"no keys", func(c *sso.Client) { c.Auth = sso.AuthPrivateKeyJWT }, "jwks"},
		{"a private key", func(c *sso.Client) { c.Auth, c.JWKS = sso.AuthPrivateKeyJWT, privateJWKS(t) }, "not public"},
		{"an RSA key of 2048 bits", func(c *sso.Client) { c.Auth, c.JWKS = sso.AuthPrivateKeyJWT, rsaJWKS(t, 2048) }, ""},
		{"an RSA key of 2047 bits", func(c *sso.Client) { c.Auth, c.JWKS = sso.AuthPrivateKeyJWT, rsaJWKS(t, 2047) }, "RSA"},
		{"a symmetric key", func(c *sso.Client) {
			c.Auth, c.JWKS = sso.AuthPrivateKeyJWT, json.RawMessage(`{"keys":[{"kty":"oct","k":"AAAA"}]}`)
		}, "not public"},
		{"two hosts and no sector", func(c *sso.Client) { c.RedirectURIs = []string{"https://a.test/", "https://b.test/"} }, "sector"},
		{"an unknown algorithm", func(c *sso.Client) { c.Algorithm = "none" }, "algorithm"},
		{"an unknown shape", func(c *sso.Client) { c.Claims = "x" }, "claims"},
		{"tokens for a day", func(c *sso.Client) { c.AccessLife = 24 * time.Hour }, "access_life"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := sso.Client{ID: "app", RedirectURIs: []string{"https://app.test/cb"}, SecretHash: hash}
			tt.change(&c)
			err := c.Complete()
			if tt.says == "" && err != nil || tt.says != "" && (!errors.Is(err, sso.ErrClient) || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("%v", err)
			}
		})
	}
}

func keyPair(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func jwks(t testing.TB, key any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func privateJWKS(t *testing.T) json.RawMessage { return jwks(t, keyPair(t)) }

// rsaJWKS holds a number of so many bits: nothing is signed with it.
func rsaJWKS(t *testing.T, bits int) json.RawMessage {
	n := new(big.Int).SetBit(big.NewInt(1), bits-1, 1)
	return jwks(t, &rsa.PublicKey{N: n, E: 65537})
}

func TestClientsAreKept(t *testing.T) {
	p := newPlace(t, nil)
	clients := p.provider.Clients()
	if _, err := clients.Add(t.Context(), app()); !errors.Is(err, sso.ErrClientExists) {
		t.Errorf("added twice: %v", err)
	}
	old := p.secret
	secret, err := clients.RotateSecret(t.Context(), "app")
	if err != nil || secret == old {
		t.Fatal(secret, err)
	}
	session := p.open(alice, cardA)
	if a := p.post(sso.PathToken, exchange(p.code(asked(), session).Get("code"))); a.status != http.StatusUnauthorized {
		t.Errorf("the old secret serves: %d", a.status)
	}
	p.secret = secret
	a := p.tokens(session)
	if err := clients.Remove(t.Context(), "app"); err != nil {
		t.Fatal(err)
	}
	if got := p.userinfo(a.text("access_token")); got.status != http.StatusUnauthorized {
		t.Errorf("tokens outlive their client: %d", got.status)
	}
	if err := clients.Remove(t.Context(), "app"); !errors.Is(err, sso.ErrClientUnknown) {
		t.Errorf("%v", err)
	}
	if _, err := clients.RotateSecret(t.Context(), "app"); !errors.Is(err, sso.ErrClientUnknown) {
		t.Errorf("%v", err)
	}
	p.deaf = errors.New("disk is full")
	if _, err := clients.Add(t.Context(), app()); !errors.Is(err, p.deaf) {
		t.Errorf("added unrecorded: %v", err)
	}
	if _, err := clients.Find(t.Context(), "app"); !errors.Is(err, sso.ErrClientUnknown) {
		t.Errorf("added unrecorded: %v", err)
	}
}

func TestClientsOfTheFile(t *testing.T) {
	h := newHouse(t)
	_, hash := sso.NewSecret()
	file := sso.Client{ID: "file", RedirectURIs: []string{"https://file.test/cb"}, SecretHash: hash}
	silent := func(context.Context, sso.Event) (string, error) { return "", nil }
	clients, err := sso.NewClients(sso.ClientsOptions{Shelf: h.store, Files: []sso.Client{file}, Tell: silent})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := clients.Add(t.Context(), file); !errors.Is(err, sso.ErrClientExists) {
		t.Errorf("%v", err)
	}
	if err := clients.Remove(t.Context(), "file"); !errors.Is(err, sso.ErrClientOfFile) {
		t.Errorf("%v", err)
	}
	if _, err := clients.RotateSecret(t.Context(), "file"); !errors.Is(err, sso.ErrClientOfFile) {
		t.Errorf("%v", err)
	}
	if _, err := sso.NewClients(sso.ClientsOptions{Shelf: h.store, Files: []sso.Client{file, file}, Tell: silent}); !errors.Is(err, sso.ErrClient) {
		t.Errorf("twice: %v", err)
	}
}

// assertionOf signs a client assertion; change bends it.
func assertionOf(t testing.TB, key any, algorithm jose.SignatureAlgorithm, change map[string]any) string {
	t.Helper()
	claims := map[string]any{
		"iss": "keyed", "sub": "keyed", "aud": issuer, "jti": rand.Text(), "iat": start.Unix(), "exp": start.Add(2 * time.Minute).Unix(),
	}
	for name, value := range change {
		if claims[name] = value; value == nil {
			delete(claims, name)
		}
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: jose.JSONWebKey{Key: key, KeyID: "k"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestPrivateKeyJWT(t *testing.T) {
	key := keyPair(t)
	p := newPlace(t, nil, app(), app(func(c *sso.Client) {
		c.ID, c.Auth, c.JWKS, c.RedirectURIs = "keyed", sso.AuthPrivateKeyJWT, jwks(t, key.Public()), []string{"https://keyed.test/cb"}
	}))
	session := p.open(alice, cardA)
	send := func(assertion string) answer {
		code := p.code(asked("client_id", "keyed", "redirect_uri", "https://keyed.test/cb"), session).Get("code")
		p.reasons()
		return p.do(p.request(sso.PathToken, exchange(code, "redirect_uri", "https://keyed.test/cb", "client_assertion", assertion,
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"), "", ""))
	}
	good := assertionOf(t, key, jose.ES256, nil)
	if a := send(good); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if a := send(assertionOf(t, key, jose.ES256, map[string]any{"aud": []string{"https://elsewhere.test", issuer + sso.PathToken}})); a.status != http.StatusOK {
		t.Errorf("several audiences: %d %s", a.status, a.body)
	}
	public, err := jose.JSONWebKey{Key: key.Public()}.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	var _ crypto.Signer = key
	parts := strings.Split(good, ".")
	for name, assertion := range map[string]string{
		"used before":          good,
		"another's key":        assertionOf(t, keyPair(t), jose.ES256, nil),
		"alg none":             "eyJhbGciOiJub25lIn0." + parts[1] + ".",
		"a MAC of the key":     assertionOf(t, public, jose.HS256, nil),
		"of another client":    assertionOf(t, key, jose.ES256, map[string]any{"iss": "app", "sub": "app"}),
		"about another":        assertionOf(t, key, jose.ES256, map[string]any{"sub": "app"}),
		"for another provider": assertionOf(t, key, jose.ES256, map[string]any{"aud": "https://elsewhere.test"}),
		"for what is no text":  assertionOf(t, key, jose.ES256, map[string]any{"aud": []any{1, issuer}}),
		"for nobody":           assertionOf(t, key, jose.ES256, map[string]any{"aud": nil}),
		"over":                 assertionOf(t, key, jose.ES256, map[string]any{"exp": start.Add(-2 * time.Minute).Unix()}),
		"without end":          assertionOf(t, key, jose.ES256, map[string]any{"exp": nil}),
		"for a day":            assertionOf(t, key, jose.ES256, map[string]any{"exp": start.Add(24 * time.Hour).Unix()}),
		"not yet":              assertionOf(t, key, jose.ES256, map[string]any{"nbf": start.Add(time.Hour).Unix()}),
		"without a name":       assertionOf(t, key, jose.ES256, map[string]any{"jti": nil}),
		"truncated":            good[:len(good)-8],
		"not a JWT":            "x.y.z",
	} {
		if a := send(assertion); a.status != http.StatusUnauthorized || a.text("error") != "invalid_client" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		if got := p.reasons(); len(got) != 1 {
			t.Errorf("%s: recorded %v", name, got)
		}
	}
}

func TestPushedRequests(t *testing.T) {
	p := newPlace(t, func(o *sso.Options) { o.RequirePushed = true }, app(), app(func(c *sso.Client) { c.ID = "other" }))
	session := p.open(alice, cardA)
	if _, err := p.provider.Begin(t.Context(), asked()); codeOf(err) != sso.InvalidRequest {
		t.Errorf("not pushed: %v", err)
	}
	push := func(form url.Values) answer { return p.post(sso.PathPushed, form) }
	a := push(asked("prompt", "none"))
	uri := a.text("request_uri")
	if a.status != http.StatusCreated || !strings.HasPrefix(uri, "urn:ietf:params:oauth:request_uri:") || a.json["expires_in"] != 60.0 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	// What stands beside it counts for nothing (RFC 9126 §4).
	by := url.Values{"client_id": {"app"}, "request_uri": {uri}, "redirect_uri": {"https://evil.test"}, "scope": {"openid groups"}}
	back := p.code(by, session)
	if back.Get("state") != "af0ifjsldkj" {
		t.Errorf("%v", back)
	}
	if got := p.post(sso.PathToken, exchange(back.Get("code"))); got.status != http.StatusOK {
		t.Errorf("%s", got.body)
	}
	if _, err := p.provider.Begin(t.Context(), by); codeOf(err) != sso.InvalidRequest {
		t.Errorf("used twice: %v", err)
	}
	of := url.Values{"client_id": {"other"}, "request_uri": {push(asked()).text("request_uri")}}
	if _, err := p.provider.Begin(t.Context(), of); codeOf(err) != sso.InvalidRequest {
		t.Errorf("another's: %v", err)
	}
	late := url.Values{"client_id": {"app"}, "request_uri": {push(asked()).text("request_uri")}}
	p.clock.add(time.Minute)
	if _, err := p.provider.Begin(t.Context(), late); codeOf(err) != sso.InvalidRequest {
		t.Errorf("too old: %v", err)
	}
	for name, tt := range map[string]struct {
		form   url.Values
		secret string
		error  string
	}{
		"a wrong secret":        {asked(), "x", "invalid_client"},
		"another redirect URI":  {asked("redirect_uri", "https://evil.test"), p.secret, "invalid_request"},
		"without PKCE":          {asked("code_challenge", "", "code_challenge_method", ""), p.secret, "invalid_request"},
		"another client's name": {asked("client_id", "other"), p.secret, "invalid_request"},
		"by reference":          {asked("request_uri", uri), p.secret, "invalid_request"},
		"the implicit flow":     {asked("response_type", "token"), p.secret, "unsupported_response_type"},
	} {
		p.reasons()
		if got := p.do(p.request(sso.PathPushed, tt.form, "app", tt.secret)); got.text("error") != tt.error {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		if got := p.reasons(); len(got) != 1 {
			t.Errorf("%s: recorded %v", name, got)
		}
	}
}

func TestDiscovery(t *testing.T) {
	p := newPlace(t, nil)
	a := p.do(httptest.NewRequest(http.MethodGet, issuer+sso.PathDiscovery, nil))
	if a.status != http.StatusOK || a.text("issuer") != issuer || a.text("jwks_uri") != issuer+sso.PathKeys {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for name, want := range map[string][]string{
		"response_types_supported":              {"code"},
		"code_challenge_methods_supported":      {"S256"},
		"grant_types_supported":                 {"authorization_code", "refresh_token"},
		"id_token_signing_alg_values_supported": {"ES256", "RS256"},
		"subject_types_supported":               {"pairwise", "public"},
	} {
		var got []string
		for _, v := range a.json[name].([]any) {
			got = append(got, v.(string))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v", name, got)
		}
	}
	for _, is := range []string{"authorization_response_iss_parameter_supported", "backchannel_logout_supported", "backchannel_logout_session_supported"} {
		if a.json[is] != true {
			t.Errorf("%s: %v", is, a.json[is])
		}
	}
	keys := p.do(httptest.NewRequest(http.MethodGet, issuer+sso.PathKeys, nil))
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(keys.body), &set); err != nil || len(set.Keys) != 2 || strings.Contains(keys.body, `"d"`) {
		t.Errorf("%s", keys.body)
	}
	if got := p.do(httptest.NewRequest(http.MethodGet, issuer+"/healthz", nil)); got.status != http.StatusNotFound {
		t.Errorf("the library's own pages are open: %d", got.status)
	}
	preflight := httptest.NewRequest(http.MethodOptions, issuer+sso.PathToken, nil)
	if got := p.do(preflight); got.status != http.StatusNoContent || got.header.Get("Access-Control-Allow-Credentials") != "" {
		t.Errorf("%d %v", got.status, got.header)
	}
}

// FuzzBegin: whatever is asked, the answer is a request for an address that is
// registered, or a refusal that goes nowhere else.
func FuzzBegin(f *testing.F) {
	for _, seed := range []url.Values{asked(), asked("prompt", "none"), asked("redirect_uri", "https://evil.test"), asked("max_age", "0"), asked("request", "x")} {
		f.Add(seed.Encode())
	}
	_, hash := sso.NewSecret()
	provider, _ := fuzzed(f, sso.Client{ID: "app", RedirectURIs: []string{callback}, SecretHash: hash})
	f.Fuzz(func(t *testing.T, query string) {
		form, err := url.ParseQuery(query)
		if err != nil {
			return
		}
		r, err := provider.Begin(t.Context(), form)
		var refused *sso.Refusal
		switch {
		case err == nil && (r.Redirect != callback || r.Client != "app" || len(r.Challenge) != 43):
			t.Errorf("%+v", r)
		case err != nil && !errors.As(err, &refused):
			t.Error(err)
		case refused != nil && refused.Back != "" && !strings.HasPrefix(refused.Back, callback+"?"):
			t.Errorf("goes to %s", refused.Back)
		}
	})
}
