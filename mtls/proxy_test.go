package mtls_test

import (
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"

	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

var proxyAddress = netip.MustParseAddr("192.0.2.10")

func newProxies(t testing.TB, form mtls.ProxyForm, header string) *mtls.Proxies {
	t.Helper()
	p, err := mtls.NewProxies(mtls.ProxyOptions{From: []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32")}, Form: form, Header: header})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// How each proxy writes a certificate.
func forwarded(form mtls.ProxyForm, der []byte) string {
	text := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	switch form {
	case mtls.ProxyRFC9440:
		return ":" + base64.StdEncoding.EncodeToString(der) + ":"
	case mtls.ProxyNginx:
		return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
	}
	return base64.StdEncoding.EncodeToString(der)
}

func TestForwardedCertificates(t *testing.T) {
	pki := newPKI(t, false)
	der := newCard(t, pki, testpki.CardSpec{}).DER
	unpadded := strings.TrimRight(base64.StdEncoding.EncodeToString(der), "=")
	for _, c := range []struct {
		rule   string
		form   mtls.ProxyForm
		header string
		value  string
	}{
		{"RFC 9440", mtls.ProxyRFC9440, "Client-Cert", forwarded(mtls.ProxyRFC9440, der)},
		{"RFC 9440 without padding", mtls.ProxyRFC9440, "Client-Cert", ":" + unpadded + ":"},
		{"nginx", mtls.ProxyNginx, "X-Ssl-Client-Cert", forwarded(mtls.ProxyNginx, der)},
		{"HAProxy", mtls.ProxyHAProxy, "X-Ssl-Client-Der", forwarded(mtls.ProxyHAProxy, der)},
		{"Traefik", mtls.ProxyTraefik, "X-Forwarded-Tls-Client-Cert", forwarded(mtls.ProxyTraefik, der)},
		{"Traefik with its chain", mtls.ProxyTraefik, "X-Forwarded-Tls-Client-Cert", forwarded(mtls.ProxyTraefik, der) + ",AAAA"},
		{"Traefik of old, escaped", mtls.ProxyTraefik, "X-Forwarded-Tls-Client-Cert", url.QueryEscape(forwarded(mtls.ProxyTraefik, der))},
	} {
		t.Run(c.rule, func(t *testing.T) {
			header := http.Header{c.header: {c.value}, "X-Ssl-Client-Verify": {"SUCCESS"}, "Accept": {"*/*"}}
			f, err := newProxies(t, c.form, "").Take(proxyAddress, false, header)
			if err != nil || !bytes.Equal(f.LeafDER, der) {
				t.Errorf("%d bytes, %v", len(f.LeafDER), err)
			}
			if len(header) != 1 || header.Get("Accept") == "" || len(f.Stripped) != 2 {
				t.Errorf("left %v, stripped %v", header, f.Stripped)
			}
		})
	}
	own := http.Header{"X-Carte": {forwarded(mtls.ProxyHAProxy, der)}}
	if f, err := newProxies(t, mtls.ProxyHAProxy, "X-Carte").Take(proxyAddress, false, own); err != nil || !bytes.Equal(f.LeafDER, der) || len(own) != 0 {
		t.Errorf("a header of one's own: %v, %v", err, own)
	}
	mapped := netip.AddrFrom16(proxyAddress.As16())
	if f, err := newProxies(t, mtls.ProxyRFC9440, "").Take(mapped, false, http.Header{"Client-Cert": {forwarded(mtls.ProxyRFC9440, der)}}); err != nil || f.LeafDER == nil {
		t.Errorf("the proxy's address mapped into IPv6: %v", err)
	}
	chain := http.Header{"Client-Cert": {forwarded(mtls.ProxyRFC9440, der)}, "Client-Cert-Chain": {":AAAA:, :BBBB:", ":CCCC:"}}
	if f, err := newProxies(t, mtls.ProxyRFC9440, "").Take(proxyAddress, false, chain); err != nil || !bytes.Equal(f.LeafDER, der) || len(chain) != 0 {
		t.Errorf("with a chain: %v", err)
	}
}

func TestNoForwardedCertificate(t *testing.T) {
	p := newProxies(t, mtls.ProxyNginx, "")
	for rule, header := range map[string]http.Header{"no header": {}, "an empty one": {"X-Ssl-Client-Cert": {""}}} {
		if f, err := p.Take(proxyAddress, false, header); err != nil || f.LeafDER != nil {
			t.Errorf("%s: %v, %v", rule, f, err)
		}
	}
	if f, err := p.Take(netip.MustParseAddr("198.51.100.1"), true, http.Header{"Accept": {"*/*"}}); err != nil || f.LeafDER != nil || len(f.Stripped) != 0 {
		t.Errorf("a stranger without such headers: %v, %v", f, err)
	}
}

// From anyone else the headers are taken away and told, in every spelling.
func TestForwardedByStrangers(t *testing.T) {
	pki := newPKI(t, false)
	value := forwarded(mtls.ProxyRFC9440, newCard(t, pki, testpki.CardSpec{}).DER)
	for _, name := range []string{
		"Client-Cert", "client-cert", "Client_Cert", "CLIENT-CERT-CHAIN", "X-SSL-Client-Cert", "X_SSL_CLIENT_CERT", "x-ssl_client-der",
		"X-Forwarded-Tls-Client-Cert", "X-Forwarded-Tls-Client-Cert-Info", "X-Forwarded-Client-Cert", "X-SSL-Client-Verify", "X-SSL-Client-S-DN",
		"Ssl-Client-Cert", "X-ARR-ClientCert", "X-Amzn-Mtls-Clientcert-Leaf", "X-Client-Cert", "X-Carte", "X_Carte",
	} {
		for rule, p := range map[string]*mtls.Proxies{"a proxy named": newProxies(t, mtls.ProxyHAProxy, "X-Carte"), "none named": nil} {
			header := http.Header{name: {value}}
			if p == nil && strings.HasSuffix(name, "Carte") {
				continue // nobody told that this is such a header
			}
			f, err := p.Take(netip.MustParseAddr("192.0.2.11"), false, header)
			if !errors.Is(err, mtls.ErrForwardedByStranger) || f.LeafDER != nil || len(header) != 0 || !slices.Equal(f.Stripped, []string{name}) {
				t.Errorf("%s, %s: %v, %v, left %v", name, rule, f.Stripped, err, header)
			}
		}
	}
}

func TestForwardedRefusals(t *testing.T) {
	pki := newPKI(t, false)
	der := newCard(t, pki, testpki.CardSpec{}).DER
	rfc, nginx := forwarded(mtls.ProxyRFC9440, der), forwarded(mtls.ProxyNginx, der)
	key := strings.ReplaceAll(url.QueryEscape(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))), "+", "%20")
	for _, c := range []struct {
		rule   string
		form   mtls.ProxyForm
		direct bool
		header http.Header
		want   error
	}{
		{"two lines", mtls.ProxyRFC9440, false, http.Header{"Client-Cert": {rfc, rfc}}, mtls.ErrForwardedAmbiguous},
		{"two spellings", mtls.ProxyRFC9440, false, http.Header{"Client-Cert": {rfc}, "Client_Cert": {rfc}}, mtls.ErrForwardedAmbiguous},
		{"the underscored spelling alone", mtls.ProxyRFC9440, false, http.Header{"Client_Cert": {rfc}}, mtls.ErrForwardedAmbiguous},
		{"beside a handshake's own", mtls.ProxyRFC9440, true, http.Header{"Client-Cert": {rfc}}, mtls.ErrForwardedMixed},
		{"nginx's form where RFC 9440's is said", mtls.ProxyRFC9440, false, http.Header{"Client-Cert": {nginx}}, mtls.ErrForwardedMalformed},
		{"RFC 9440's form where nginx's is said", mtls.ProxyNginx, false, http.Header{"X-Ssl-Client-Cert": {rfc}}, mtls.ErrForwardedMalformed},
		{"one colon", mtls.ProxyRFC9440, false, http.Header{"Client-Cert": {":"}}, mtls.ErrForwardedMalformed},
		{"nothing between colons", mtls.ProxyRFC9440, false, http.Header{"Client-Cert": {"::"}}, mtls.ErrForwardedMalformed},
		{"parameters", mtls.ProxyRFC9440, false, http.Header{"Client-Cert": {rfc + ";a=1"}}, mtls.ErrForwardedMalformed},
		{"a list", mtls.ProxyRFC9440, false, http.Header{"Client-Cert": {rfc + ", " + rfc}}, mtls.ErrForwardedMalformed},
		{"a chain alone", mtls.ProxyRFC9440, false, http.Header{"Client-Cert-Chain": {rfc}}, mtls.ErrForwardedMalformed},
		{"a malformed chain", mtls.ProxyRFC9440, false, http.Header{"Client-Cert": {rfc}, "Client-Cert-Chain": {"AAAA"}}, mtls.ErrForwardedMalformed},
		{"an endless chain", mtls.ProxyRFC9440, false, http.Header{"Client-Cert": {rfc}, "Client-Cert-Chain": {strings.Repeat(":AAAA:,", 20) + ":AAAA:"}}, mtls.ErrForwardedMalformed},
		{"two certificates", mtls.ProxyNginx, false, http.Header{"X-Ssl-Client-Cert": {nginx + nginx}}, mtls.ErrForwardedMalformed},
		{"text before", mtls.ProxyNginx, false, http.Header{"X-Ssl-Client-Cert": {"a%0A" + nginx}}, mtls.ErrForwardedMalformed},
		{"a key", mtls.ProxyNginx, false, http.Header{"X-Ssl-Client-Cert": {key}}, mtls.ErrForwardedMalformed},
		{"broken escapes", mtls.ProxyNginx, false, http.Header{"X-Ssl-Client-Cert": {"%zz"}}, mtls.ErrForwardedMalformed},
		{"broken base64", mtls.ProxyHAProxy, false, http.Header{"X-Ssl-Client-Der": {"AA*A"}}, mtls.ErrForwardedMalformed},
		{"oversized", mtls.ProxyHAProxy, false, http.Header{"X-Ssl-Client-Der": {strings.Repeat("A", 1<<18)}}, mtls.ErrForwardedMalformed},
		{"too many", mtls.ProxyTraefik, false, http.Header{"X-Forwarded-Tls-Client-Cert": {strings.Repeat("AAAA,", 40)}}, mtls.ErrForwardedMalformed},
	} {
		t.Run(c.rule, func(t *testing.T) {
			f, err := newProxies(t, c.form, "").Take(proxyAddress, c.direct, c.header)
			if !errors.Is(err, c.want) || f.LeafDER != nil || len(c.header) != 0 {
				t.Errorf("%v, want %v; left %v", err, c.want, c.header)
			}
		})
	}
}

func TestProxiesNamed(t *testing.T) {
	one := []netip.Prefix{netip.MustParsePrefix("192.0.2.10/32")}
	for rule, o := range map[string]mtls.ProxyOptions{
		"no addresses":        {Form: mtls.ProxyNginx},
		"everybody":           {Form: mtls.ProxyNginx, From: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
		"everybody in IPv6":   {Form: mtls.ProxyNginx, From: []netip.Prefix{netip.MustParsePrefix("::/0")}},
		"no address":          {Form: mtls.ProxyNginx, From: []netip.Prefix{{}}},
		"no form":             {From: one},
		"unknown form":        {Form: "apache", From: one},
		"a header with _":     {Form: mtls.ProxyNginx, From: one, Header: "X_Cert"},
		"a cookie":            {Form: mtls.ProxyNginx, From: one, Header: "Cookie"},
		"RFC 9440 renamed":    {Form: mtls.ProxyRFC9440, From: one, Header: "X-Cert"},
		"a header with space": {Form: mtls.ProxyNginx, From: one, Header: "X Cert"},
	} {
		if _, err := mtls.NewProxies(o); err == nil {
			t.Errorf("%s: accepted", rule)
		}
	}
}

func FuzzForwarded(f *testing.F) {
	pki := newPKI(f, false)
	der := newCard(f, pki, testpki.CardSpec{}).DER
	forms := []mtls.ProxyForm{mtls.ProxyRFC9440, mtls.ProxyNginx, mtls.ProxyHAProxy, mtls.ProxyTraefik}
	names := []string{"Client-Cert", "X-Ssl-Client-Cert", "X-Ssl-Client-Der", "X-Forwarded-Tls-Client-Cert"}
	for _, form := range forms {
		f.Add(forwarded(form, der), ":AAAA:")
	}
	f.Fuzz(func(t *testing.T, value, chain string) {
		for i, form := range forms {
			header := http.Header{names[i]: {value}, "Client-Cert-Chain": {chain}}
			got, err := newProxies(t, form, "").Take(proxyAddress, false, header)
			if err != nil && got.LeafDER != nil || len(header) != 0 || len(got.LeafDER) > 64<<10 {
				t.Errorf("%s: %d bytes, %v, left %v", form, len(got.LeafDER), err, header)
			}
		}
	})
}
