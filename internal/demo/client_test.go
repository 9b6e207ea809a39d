package demo_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"cpsgate/internal/demo"
)

// provider is the far end: an OpenID provider of a few lines, which a test makes
// answer wrongly.
type provider struct {
	*httptest.Server
	key       *ecdsa.PrivateKey
	challenge string
	nonce     string
	spoil     func(claims map[string]any) // of the ID token
	algorithm jose.SignatureAlgorithm
	signer    any // nil: the key
}

const clientSecret = "a secret of some length, for this test alone"

func newProvider(t *testing.T) *provider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{key: key, algorithm: jose.ES256}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		tell(w, map[string]any{
			"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"userinfo_endpoint": p.URL + "/userinfo", "end_session_endpoint": p.URL + "/end", "id_token_signing_alg_values_supported": []string{"ES256", "HS256"},
		})
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		tell(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: p.key.Public(), KeyID: "k", Algorithm: "ES256", Use: "sig"}}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		id, secret, _ := r.BasicAuth()
		secret, _ = url.QueryUnescape(secret)
		sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
		if id != "agenda" || secret != clientSecret || r.FormValue("code") != "the-code" || base64.RawURLEncoding.EncodeToString(sum[:]) != p.challenge {
			w.WriteHeader(http.StatusBadRequest)
			tell(w, map[string]any{"error": "invalid_grant"})
			return
		}
		claims := p.claims()
		claims["nonce"] = p.nonce
		if p.spoil != nil {
			p.spoil(claims)
		}
		tell(w, map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 60, "id_token": p.sign(t, claims)})
	})
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, _ *http.Request) {
		tell(w, map[string]any{"sub": "sacha", "name": "EXEMPLE Sacha"})
	})
	p.Server = httptest.NewTLSServer(mux)
	t.Cleanup(p.Close)
	return p
}

func tell(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (p *provider) claims() map[string]any {
	now := time.Now().Unix()
	return map[string]any{"iss": p.URL, "aud": "agenda", "sub": "sacha", "sid": "session-1", "iat": now, "exp": now + 60}
}

func (p *provider) sign(t *testing.T, claims map[string]any) string {
	t.Helper()
	key := p.signer
	if key == nil {
		key = p.key
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: p.algorithm, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "k"))
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
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

// browser is a visitor of the client, which is served over TLS.
type browser struct {
	*http.Client
	t      *testing.T
	origin string
}

func visit(t *testing.T, p *provider) *browser {
	t.Helper()
	var h http.Handler
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { h.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	roots := x509.NewCertPool()
	roots.AddCert(p.Certificate())
	client, err := demo.NewClient(demo.ClientOptions{Issuer: p.URL, Origin: server.URL, ID: "agenda", Secret: clientSecret, Roots: roots})
	if err != nil {
		t.Fatal(err)
	}
	h = client.Handler()
	jar, _ := cookiejar.New(nil)
	return &browser{t: t, origin: server.URL, Client: &http.Client{
		Jar: jar, Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}, // httptest's
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (b *browser) do(method, address string, form url.Values) (status int, location *url.URL, page string) {
	b.t.Helper()
	request, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		b.t.Fatal(err)
	}
	if method == http.MethodPost {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	response, err := b.Do(request)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	location, _ = response.Location()
	return response.StatusCode, location, string(text)
}

// begin goes to the provider and gives the callback that it would send back.
func (b *browser) begin(p *provider) url.Values {
	b.t.Helper()
	status, to, _ := b.do(http.MethodGet, b.origin+"/sign-in", nil)
	if status != http.StatusSeeOther || to == nil || to.Path != "/authorize" {
		b.t.Fatalf("signing in leads to %v (%d)", to, status)
	}
	q := to.Query()
	if q.Get("code_challenge_method") != "S256" || q.Get("redirect_uri") != b.origin+"/callback" || q.Get("response_type") != "code" {
		b.t.Errorf("asked with %v", q)
	}
	p.challenge, p.nonce = q.Get("code_challenge"), q.Get("nonce")
	return url.Values{"code": {"the-code"}, "state": {q.Get("state")}}
}

// signedIn tells whether the client knows the visitor.
func (b *browser) signedIn() bool {
	b.t.Helper()
	_, _, page := b.do(http.MethodGet, b.origin+"/", nil)
	return strings.Contains(page, `class="claims"`)
}

func TestClientSignsInAndOut(t *testing.T) {
	p := newProvider(t)
	b := visit(t, p)
	if b.signedIn() {
		t.Fatal("somebody is signed in from the beginning")
	}
	back := b.begin(p)
	if status, to, page := b.do(http.MethodGet, b.origin+"/callback?"+back.Encode(), nil); status != http.StatusSeeOther || to.Path != "/" {
		t.Fatalf("the callback: %d %s", status, page)
	}
	if _, _, page := b.do(http.MethodGet, b.origin+"/", nil); !strings.Contains(page, "EXEMPLE Sacha") || !strings.Contains(page, "session-1") {
		t.Fatalf("not signed in:\n%s", page)
	}
	if status, _, _ := b.do(http.MethodGet, b.origin+"/callback?"+back.Encode(), nil); status != http.StatusBadGateway {
		t.Errorf("a code taken twice: %d", status)
	}
	status, to, _ := b.do(http.MethodPost, b.origin+"/sign-out", nil)
	if status != http.StatusSeeOther || to.Path != "/end" || to.Query().Get("id_token_hint") == "" || to.Query().Get("post_logout_redirect_uri") != b.origin+"/" {
		t.Errorf("signing out: %d %v", status, to)
	}
	if b.signedIn() {
		t.Error("signed in after signing out")
	}
	if status, to, _ := b.do(http.MethodPost, b.origin+"/sign-out", nil); status != http.StatusSeeOther || to.Path != "/" {
		t.Errorf("signing out of nothing: %d %v", status, to)
	}
}

// TestClientRefuses: what comes back wrong signs nobody in.
func TestClientRefuses(t *testing.T) {
	another, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	claim := func(name string, value any) func(*provider, url.Values) {
		return func(p *provider, _ url.Values) { p.spoil = func(c map[string]any) { c[name] = value } }
	}
	for name, spoil := range map[string]func(*provider, url.Values){
		"another state":              func(_ *provider, back url.Values) { back.Set("state", "other") },
		"no state":                   func(_ *provider, back url.Values) { back.Del("state") },
		"another code":               func(_ *provider, back url.Values) { back.Set("code", "other") },
		"another verifier":           func(p *provider, _ url.Values) { p.challenge = "other" },
		"the provider's own refusal": func(_ *provider, back url.Values) { back.Set("error", "access_denied") },
		"another nonce":              func(p *provider, _ url.Values) { p.nonce = "other" },
		"another issuer":             claim("iss", "https://other.localhost"),
		"another audience":           claim("aud", "other"),
		"a token that is over":       claim("exp", time.Now().Add(-time.Minute).Unix()),
		"another subject's userinfo": claim("sub", "camille"),
		"another key":                func(p *provider, _ url.Values) { p.signer = another },
		"a MAC by our secret":        func(p *provider, _ url.Values) { p.algorithm, p.signer = jose.HS256, []byte(clientSecret) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t)
			b := visit(t, p)
			back := b.begin(p)
			spoil(p, back)
			if status, _, page := b.do(http.MethodGet, b.origin+"/callback?"+back.Encode(), nil); status != http.StatusBadGateway || !strings.Contains(page, `role="alert"`) {
				t.Errorf("%d:\n%s", status, page)
			}
			if b.signedIn() {
				t.Error("signed in")
			}
		})
	}
}

// TestCallbackInAnotherBrowser: a code sent to somebody else signs them in to
// nothing.
func TestCallbackInAnotherBrowser(t *testing.T) {
	p := newProvider(t)
	b := visit(t, p)
	back := b.begin(p)
	b.Jar, _ = cookiejar.New(nil)
	if status, _, _ := b.do(http.MethodGet, b.origin+"/callback?"+back.Encode(), nil); status != http.StatusBadGateway || b.signedIn() {
		t.Errorf("%d", status)
	}
}

// TestBackChannelLogout: a logout token ends the session it names, and nothing
// else does.
func TestBackChannelLogout(t *testing.T) {
	p := newProvider(t)
	b := visit(t, p)
	back := b.begin(p)
	b.do(http.MethodGet, b.origin+"/callback?"+back.Encode(), nil)
	good := p.claims()
	good["events"] = map[string]any{"http://schemas.openid.net/event/backchannel-logout": map[string]any{}}
	with := func(name string, value any) map[string]any {
		c := maps.Clone(good)
		if value == nil {
			delete(c, name)
		} else {
			c[name] = value
		}
		return c
	}
	for name, tc := range map[string]struct {
		claims map[string]any
		status int
	}{
		"no event":                  {with("events", nil), http.StatusBadRequest},
		"another event":             {with("events", map[string]any{"other": map[string]any{}}), http.StatusBadRequest},
		"a nonce: an ID token":      {with("nonce", "n"), http.StatusBadRequest},
		"another audience":          {with("aud", "other"), http.StatusBadRequest},
		"another issuer":            {with("iss", "https://other.localhost"), http.StatusBadRequest},
		"over":                      {with("exp", time.Now().Add(-time.Minute).Unix()), http.StatusBadRequest},
		"of another session":        {with("sid", "session-2"), http.StatusOK},
		"of another, by its holder": {with("sub", "camille"), http.StatusOK},
	} {
		if name == "of another, by its holder" {
			delete(tc.claims, "sid")
		}
		status, _, _ := b.do(http.MethodPost, b.origin+"/backchannel-logout", url.Values{"logout_token": {p.sign(t, tc.claims)}})
		if status != tc.status || !b.signedIn() {
			t.Errorf("%s: %d, still signed in: %t", name, status, b.signedIn())
		}
	}
	if status, _, _ := b.do(http.MethodPost, b.origin+"/backchannel-logout", url.Values{"logout_token": {"x"}}); status != http.StatusBadRequest {
		t.Errorf("no token: %d", status)
	}
	if status, _, _ := b.do(http.MethodPost, b.origin+"/backchannel-logout", url.Values{"logout_token": {p.sign(t, good)}}); status != http.StatusOK || b.signedIn() {
		t.Errorf("the good one: %d", status)
	}
}

// TestProviderAway: the page says so, and heals by itself.
func TestProviderAway(t *testing.T) {
	p := newProvider(t)
	b := visit(t, p)
	handler := p.Config.Handler
	p.Config.Handler = http.NotFoundHandler()
	if status, _, page := b.do(http.MethodGet, b.origin+"/sign-in", nil); status != http.StatusBadGateway || !strings.Contains(page, `role="alert"`) {
		t.Errorf("%d", status)
	}
	p.Config.Handler = handler
	b.begin(p)
}

func TestClientOrigin(t *testing.T) {
	for _, origin := range []string{"", "http://app.localhost", "https://app.localhost/", "app.localhost", "https://app.localhost?x"} {
		if _, err := demo.NewClient(demo.ClientOptions{Issuer: "https://sso.localhost", Origin: origin}); err == nil {
			t.Errorf("%q is taken for an origin", origin)
		}
	}
}
