package web_test

import (
	"encoding/pem"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"cpsgate/audit"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
	"cpsgate/web"
)

// behindProxy believes loopback, where the tests' requests come from.
func behindProxy(t *testing.T) plan {
	t.Helper()
	proxies, err := mtls.NewProxies(mtls.ProxyOptions{From: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Form: mtls.ProxyNginx})
	must(t, err)
	return plan{options: func(o *web.Options) { o.Proxies = proxies }}
}

// escaped is a certificate as nginx's $ssl_client_escaped_cert writes it.
func escaped(pair testpki.Pair) string {
	return url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.DER})))
}

// through asks for the address as a proxy does that ends TLS, with headers.
func (b *browser) through(to string, headers ...string) answer {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, address(to), nil)
	must(b.t, err)
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1]) // as spelt: Set would mend it
	}
	return b.send(r)
}

// attempt is the address of a fresh attempt on the card host.
func attempt(t *testing.T, b *browser) string {
	t.Helper()
	return b.get("/login/card").header.Get("Location")
}

func TestCertificateBehindProxy(t *testing.T) {
	h := newHouse(t, behindProxy(t))
	card := h.card(testpki.CardSpec{})
	t.Run("signs in", func(t *testing.T) {
		b := h.browser()
		a := b.through(attempt(t, b), "X-Ssl-Client-Cert", escaped(card.Authentication))
		b.follow(a).says(t, http.StatusOK, "Mon compte", card.IdNat)
	})
	t.Run("is judged like any other", func(t *testing.T) {
		lost := h.card(testpki.CardSpec{})
		lost.Authentication.Revoke(h.now(), testpki.ReasonKeyCompromise)
		h.publish()
		b := h.browser()
		b.through(attempt(t, b), "X-Ssl-Client-Cert", escaped(lost.Authentication)).says(t, http.StatusForbidden, "Votre carte a été mise en opposition")
	})
	t.Run("none was sent", func(t *testing.T) {
		b := h.browser()
		b.through(attempt(t, b)).says(t, http.StatusForbidden, "Nous n’avons pas vu votre carte")
	})
	t.Run("beside one of the connection's own", func(t *testing.T) {
		b := h.browser().with(card)
		b.through(attempt(t, b), "X-Ssl-Client-Cert", escaped(card.Authentication)).says(t, http.StatusBadGateway)
		h.refusedFor(audit.KindProxyHeader, "forwarded-certificate")
	})
	t.Run("twice", func(t *testing.T) {
		b := h.browser()
		b.through(attempt(t, b), "X-Ssl-Client-Cert", escaped(card.Authentication), "X-Ssl-Client-Cert", escaped(card.Authentication)).says(t, http.StatusBadGateway)
	})
	t.Run("misspelt", func(t *testing.T) {
		b := h.browser()
		b.through(attempt(t, b), "X_SSL_Client_Cert", escaped(card.Authentication)).says(t, http.StatusBadGateway)
	})
	t.Run("that is none", func(t *testing.T) {
		b := h.browser()
		b.through(attempt(t, b), "X-Ssl-Client-Cert", "hello").says(t, http.StatusBadGateway)
	})
}

// TestForgedCertificateHeader: with no proxy named, on either host, in any
// spelling, the header is nothing to us and an attack to the audit.
func TestForgedCertificateHeader(t *testing.T) {
	h := newHouse(t)
	card := h.card(testpki.CardSpec{})
	for _, name := range []string{"X-Ssl-Client-Cert", "x_ssl_client_cert", "Client-Cert", "X-Forwarded-Tls-Client-Cert", "X-SSL-Client-DER"} {
		t.Run(name, func(t *testing.T) {
			b := h.browser()
			before := len(h.events())
			b.through(attempt(t, b), name, escaped(card.Authentication)).says(t, http.StatusForbidden, "Nous n’avons pas vu votre carte")
			e := h.refusedFor(audit.KindProxyHeader, "forged-header")
			if len(h.events()) == before || !strings.EqualFold(e.Detail, name) {
				t.Errorf("the audit names %q", e.Detail)
			}
			b.through("/", name, escaped(card.Authentication)).says(t, http.StatusOK, "Se connecter")
			if after := h.refusedFor(audit.KindProxyHeader, "forged-header"); after.Sequence == e.Sequence {
				t.Error("on the main host it went unnoticed")
			}
			b.signedOut()
		})
	}
}
