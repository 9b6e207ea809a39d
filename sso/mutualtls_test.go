package sso_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"cpsgate/sso"
)

// authority issues certificates, a day long from the start of a test.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{t: t, key: keyPair(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: start.Add(-time.Hour), NotAfter: start.AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	a.cert = a.sign(template, template, a.key)
	return a
}

func (a *authority) sign(template, parent *x509.Certificate, key *ecdsa.PrivateKey) *x509.Certificate {
	a.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return c
}

// pair issues a certificate for a client.
func (a *authority) pair(name string, change ...func(*x509.Certificate)) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{Country: []string{"FR"}, Organization: []string{"Exemple, Éditeur"}, CommonName: name},
		NotBefore: start.Add(-time.Hour), NotAfter: start.AddDate(0, 0, 1),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range change {
		c(template)
	}
	leaf := a.sign(template, a.cert, key)
	return tls.Certificate{Certificate: [][]byte{leaf.Raw}, PrivateKey: key, Leaf: leaf}
}

const mutualOrigin = "https://mtls.hopital.test"

// mutual is a place whose clients may prove themselves by certificate, with a
// listener for it.
type mutual struct {
	*place
	authority *authority
	server    *httptest.Server
	roots     *x509.CertPool
}

// byTLS are clients by tls_client_auth: one by its subject, one by a name.
func byTLS() []sso.Client {
	return []sso.Client{
		app(),
		app(func(c *sso.Client) {
			c.ID, c.Auth, c.TLSSubject = "mutual", sso.AuthTLS, `CN=dossier,O=Exemple\, Éditeur,C=FR`
		}),
		app(func(c *sso.Client) { c.ID, c.Auth, c.TLSName = "named", sso.AuthTLS, "dossier.hopital.test" }),
	}
}

func newMutual(t *testing.T) *mutual {
	t.Helper()
	m := &mutual{place: newPlace(t, func(o *sso.Options) { o.MutualTLS = mutualOrigin }, byTLS()...), authority: newAuthority(t, "Applications")}
	servers := newAuthority(t, "Servers")
	m.roots = x509.NewCertPool()
	m.roots.AddCert(servers.cert)
	pair := servers.pair("mtls", func(c *x509.Certificate) {
		c.DNSNames, c.ExtKeyUsage = []string{"mtls.hopital.test"}, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	})
	m.server = httptest.NewUnstartedServer(m.provider.MutualTLS())
	m.server.Config.ErrorLog = log.New(io.Discard, "", 0) // refused handshakes are what is tested
	m.server.TLS = sso.MutualTLSConfig(pair, []*x509.Certificate{m.authority.cert}, m.clock.now)
	m.server.StartTLS()
	t.Cleanup(m.server.Close)
	return m
}

// client is one that shows these certificates whatever the server asks for.
func (m *mutual) client(version uint16, pairs ...tls.Certificate) *http.Client {
	transport := &http.Transport{TLSClientConfig: &tls.Config{
		RootCAs: m.roots, ServerName: "mtls.hopital.test", Time: m.clock.now, MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(4),
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			if len(pairs) == 0 {
				return new(tls.Certificate), nil
			}
			return &pairs[0], nil
		},
	}}
	m.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// ask sends a form by a client.
func (m *mutual) ask(c *http.Client, path string, form url.Values, change ...func(*http.Request)) (answer, error) {
	m.t.Helper()
	r := m.request(path, form, "", "")
	r.RequestURI = ""
	u, err := url.Parse(m.server.URL + path)
	if err != nil {
		m.t.Fatal(err)
	}
	r.URL = u
	for _, f := range change {
		f(r)
	}
	response, err := c.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}, err
	}
	a := answer{status: response.StatusCode, header: response.Header, body: string(b)}
	if json.Unmarshal(b, &a.json) != nil {
		a.json = nil
	}
	return a, nil
}

// redeems is the form by which a client redeems a code of its own.
func (m *mutual) redeems(id string) url.Values {
	m.t.Helper()
	form := exchange(m.code(asked("client_id", id), m.open(alice, cardA)).Get("code"), "client_id", id)
	m.reasons()
	return form
}

func TestMutualTLS(t *testing.T) {
	m := newMutual(t)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		c := m.client(version, m.authority.pair("dossier"))
		ask := func(path string, want int, form url.Values) answer {
			t.Helper()
			form.Set("client_id", "mutual")
			a, err := m.ask(c, path, form)
			if err != nil || a.status != want {
				t.Fatalf("TLS %x, %s: %d %s, %v", version, path, a.status, a.body, err)
			}
			return a
		}
		pushed := ask(sso.PathPushed, http.StatusCreated, asked())
		if pushed.text("request_uri") == "" {
			t.Errorf("%s", pushed.body)
		}
		tokens := ask(sso.PathToken, http.StatusOK, m.redeems("mutual"))
		tokens = ask(sso.PathToken, http.StatusOK, refresh(tokens.text("refresh_token")))
		about := url.Values{"token": {tokens.text("access_token")}}
		if a := ask(sso.PathIntrospect, http.StatusOK, about); a.json["active"] != true {
			t.Errorf("introspection: %s", a.body)
		}
		info, err := m.ask(c, sso.PathUserinfo, url.Values{}, func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+tokens.text("access_token")) })
		if err != nil || info.text("sub") == "" {
			t.Errorf("userinfo: %d %s, %v", info.status, info.body, err)
		}
		ask(sso.PathRevoke, http.StatusOK, about)
		if a := ask(sso.PathIntrospect, http.StatusOK, about); a.json["active"] != false {
			t.Errorf("after revocation: %s", a.body)
		}
	}
	named := m.client(0, m.authority.pair("whatever", func(c *x509.Certificate) { c.DNSNames = []string{"other.test", "dossier.hopital.test"} }))
	if a, err := m.ask(named, sso.PathToken, m.redeems("named")); err != nil || a.status != http.StatusOK {
		t.Errorf("by a DNS name: %d %s, %v", a.status, a.body, err)
	}
}

// What the handshake lets through is none of the endpoints' business.
func TestMutualTLSHandshakesRefused(t *testing.T) {
	m := newMutual(t)
	forged := newAuthority(t, "Applications") // of the same name, with another key
	for name, pairs := range map[string][]tls.Certificate{
		"none":          nil,
		"another CA":    {forged.pair("dossier")},
		"expired":       {m.authority.pair("dossier", func(c *x509.Certificate) { c.NotAfter = start.Add(-time.Second) })},
		"not yet":       {m.authority.pair("dossier", func(c *x509.Certificate) { c.NotBefore = start.Add(time.Hour) })},
		"of a server":   {m.authority.pair("dossier", func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })},
		"another's key": {{Certificate: m.authority.pair("dossier").Certificate, PrivateKey: keyPair(t)}},
	} {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			if a, err := m.ask(m.client(version, pairs...), sso.PathToken, m.redeems("mutual")); err == nil {
				t.Errorf("%s, TLS %x: %d %s", name, version, a.status, a.body)
			}
		}
	}
}

func TestMutualTLSRefusals(t *testing.T) {
	m := newMutual(t)
	right, wrong := m.authority.pair("dossier"), m.authority.pair("laboratoire")
	reordered := m.authority.pair("", func(c *x509.Certificate) {
		c.Subject = pkix.Name{ExtraNames: []pkix.AttributeTypeAndValue{
			{Type: []int{2, 5, 4, 3}, Value: "dossier"}, {Type: []int{2, 5, 4, 10}, Value: "Exemple, Éditeur"}, {Type: []int{2, 5, 4, 6}, Value: "FR"},
		}}
	})
	basic := func(r *http.Request) { r.SetBasicAuth("app", m.secret) }
	smuggled := func(r *http.Request) { smuggle(r, right) }
	for _, test := range []struct {
		name, client string
		pair         tls.Certificate
		change       func(*http.Request)
	}{
		{"another subject", "mutual", wrong, nil},
		{"the subject in another order", "mutual", reordered, nil},
		{"a subject where a name is registered", "named", right, nil},
		{"another subject, and the right one in headers", "mutual", wrong, smuggled},
		{"a secret besides", "mutual", right, func(r *http.Request) { r.SetBasicAuth("mutual", "x") }},
		{"a client with a secret", "app", right, basic},
		{"a client with a secret, without it", "app", right, nil},
		{"an unknown client", "nobody", right, nil},
	} {
		form := m.redeems("mutual")
		if form.Set("client_id", test.client); test.client == "app" {
			form = m.redeems("app")
		}
		change := test.change
		if change == nil {
			change = func(*http.Request) {}
		}
		a, err := m.ask(m.client(0, test.pair), sso.PathToken, form, change)
		if err != nil || a.status != http.StatusUnauthorized || a.text("error") != "invalid_client" {
			t.Errorf("%s: %d %s, %v", test.name, a.status, a.body, err)
		}
		if got := m.reasons(); len(got) != 1 {
			t.Errorf("%s: recorded %v", test.name, got)
		}
	}
}

// smuggle writes a certificate into the headers that proxies tell of one by.
func smuggle(r *http.Request, pair tls.Certificate) {
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Leaf.Raw}))
	for _, header := range []string{"X-SSL-Client-Cert", "X-Client-Cert", "Ssl-Client-Cert", "X-Forwarded-Tls-Client-Cert"} {
		r.Header.Set(header, url.QueryEscape(text))
	}
	r.Header.Set("Client-Cert", ":"+strings.Join(strings.Split(text, "\n")[1:4], "")+":") // RFC 9440 §2.2
	r.Header.Set("X-SSL-Client-Verify", "SUCCESS")
}

// Elsewhere such a client is nobody, whatever a header says.
func TestMutualTLSElsewhere(t *testing.T) {
	m := newMutual(t)
	right := m.authority.pair("dossier")
	for name, handler := range map[string]http.Handler{"the main listener": m.provider.Endpoints(), "mutual TLS without TLS": m.provider.MutualTLS()} {
		r := m.request(sso.PathToken, m.redeems("mutual"), "", "")
		r.TLS = nil
		smuggle(r, right)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusUnauthorized || !strings.Contains(w.Body.String(), "invalid_client") || len(m.reasons()) != 1 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	for _, path := range []string{sso.PathDiscovery, sso.PathKeys, sso.PathAuthorize, "/"} {
		if a, err := m.ask(m.client(0, right), path, url.Values{}); err != nil || a.status != http.StatusNotFound {
			t.Errorf("%s on the mutual TLS listener: %d, %v", path, a.status, err)
		}
	}
}

// A connection lives no longer than its certificate, and none is resumed.
func TestMutualTLSOutlived(t *testing.T) {
	m := newMutual(t)
	c := m.client(0, m.authority.pair("dossier", func(c *x509.Certificate) { c.NotAfter = start.Add(time.Minute) }))
	if a, err := m.ask(c, sso.PathToken, m.redeems("mutual")); err != nil || a.status != http.StatusOK {
		t.Fatalf("%d %s, %v", a.status, a.body, err)
	}
	form := m.redeems("mutual")
	m.clock.add(2 * time.Minute)
	if a, err := m.ask(c, sso.PathToken, form); err != nil || a.status != http.StatusUnauthorized {
		t.Errorf("on the open connection: %d %s, %v", a.status, a.body, err)
	}
	if got := m.reasons(); !slices.Equal(got, []string{"certificate-expired"}) {
		t.Errorf("recorded %v", got)
	}
	c.CloseIdleConnections()
	if a, err := m.ask(c, sso.PathToken, form); err == nil {
		t.Errorf("on a new one: %d %s", a.status, a.body)
	}
}

func TestMutualTLSDiscovery(t *testing.T) {
	read := func(p *place) answer { return p.do(httptest.NewRequest(http.MethodGet, issuer+sso.PathDiscovery, nil)) }
	told := read(newMutual(t).place)
	aliases, _ := told.json["mtls_endpoint_aliases"].(map[string]any)
	if len(aliases) != 5 || aliases["token_endpoint"] != mutualOrigin+sso.PathToken || !strings.Contains(told.body, `"tls_client_auth"`) {
		t.Errorf("%s", told.body)
	}
	if none := read(newPlace(t, nil)); strings.Contains(none.body, "mtls_endpoint_aliases") || strings.Contains(none.body, "tls_client_auth") {
		t.Errorf("without the listener: %s", none.body)
	}
}

func TestMutualTLSOriginRefused(t *testing.T) {
	var good sso.Options
	newPlace(t, func(o *sso.Options) { good = *o })
	for _, origin := range []string{"http://mtls.hopital.test", "https://mtls.hopital.test/", "mtls.hopital.test", issuer} {
		bad := good
		bad.MutualTLS = origin
		if _, err := sso.New(bad); err == nil {
			t.Errorf("%s is taken", origin)
		}
	}
}

func TestMutualTLSIntrospectsNothing(t *testing.T) {
	m := newMutual(t)
	a, err := m.ask(m.client(0, m.authority.pair("dossier")), sso.PathIntrospect, url.Values{"client_id": {"mutual"}})
	if err != nil || a.status != http.StatusBadRequest || a.text("error") != "invalid_request" || !slices.Equal(m.reasons(), []string{"token-missing"}) {
		t.Errorf("%d %s, %v", a.status, a.body, err)
	}
}
