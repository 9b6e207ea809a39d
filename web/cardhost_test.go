package web_test

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/internal/testpki"
)

// TestCardHostTransport: names, connections and certificates of the card host.
func TestCardHostTransport(t *testing.T) {
	h := newHouse(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	t.Run("an unknown path is a page", func(t *testing.T) {
		b.get(cardOrigin+"/nowhere").says(t, http.StatusNotFound, "Cette page n’existe pas")
	})
	t.Run("a Host that is not the name of the handshake", func(t *testing.T) {
		r, err := http.NewRequest(http.MethodGet, cardOrigin+"/cps", nil)
		must(t, err)
		r.Host = "other.cps.hopital.test"
		b.send(r).says(t, http.StatusMisdirectedRequest, "Cette adresse n’est pas la bonne")
	})
	t.Run("two labels below", func(t *testing.T) {
		raw := h.handshake(b.inside, "cps.hopital.test")
		a := roundTrip(t, raw, "GET /cps HTTP/1.1\r\nHost: a.b.cps.hopital.test\r\n\r\n")
		if !strings.HasPrefix(a, "HTTP/1.1 421 ") {
			t.Errorf("answer: %.60s", a)
		}
	})
	t.Run("one answer a connection", func(t *testing.T) {
		raw := h.handshake(b.inside, "cps.hopital.test")
		ask := "GET /cps HTTP/1.1\r\nHost: cps.hopital.test\r\n\r\n"
		a := roundTrip(t, raw, ask+ask)
		if strings.Count(a, "HTTP/1.1 ") != 1 || !strings.Contains(a, "Connection: close") {
			t.Errorf("%d answers:\n%.300s", strings.Count(a, "HTTP/1.1 "), a)
		}
	})
	t.Run("a handshake that is no longer fresh", func(t *testing.T) {
		host, path := beginFlow(t, b)
		raw := h.handshake(b.inside, host)
		h.pass(time.Minute)
		a := roundTrip(t, raw, "GET "+path+" HTTP/1.1\r\nHost: "+host+"\r\n\r\n")
		if !strings.HasPrefix(a, "HTTP/1.1 403 ") || !strings.Contains(a, "La lecture de votre carte est trop ancienne") {
			t.Errorf("answer:\n%.2000s", a)
		}
		h.refusedFor(audit.KindLoginCPS, "certificate-stale")
	})
}

// TestNoWildcard: one name for all attempts, and a page that says what that
// means for a browser that remembers its choice.
func TestNoWildcard(t *testing.T) {
	h := newHouse(t, plan{options: withoutWildcard})
	b := h.browser()
	a := b.signIn()
	a.says(t, http.StatusForbidden, "Nous n’avons pas vu votre carte", "fermez toutes ses fenêtres et rouvrez-le avant de réessayer")
	if a.header.Get("Strict-Transport-Security") == "" {
		t.Error("a name that stays is not held to TLS")
	}
	if a.url.Host != "cps.hopital.test" {
		t.Errorf("the attempt went to %s", a.url)
	}
	b.get("https://label.cps.hopital.test/cps").says(t, http.StatusMisdirectedRequest)
	b.with(h.card(testpki.CardSpec{})).signIn().says(t, http.StatusOK, "Mon compte")
}

// beginFlow starts an attempt and gives where it leads.
func beginFlow(t *testing.T, b *browser) (host, path string) {
	t.Helper()
	a := b.get("/login/card")
	to, err := a.url.Parse(a.header.Get("Location"))
	must(t, err)
	return to.Host, to.RequestURI()
}

// handshake opens a TLS connection to the card host by hand.
func (h *house) handshake(pair *testpki.Pair, host string) net.Conn {
	h.t.Helper()
	config := &tls.Config{RootCAs: h.roots(), ServerName: host, Certificates: []tls.Certificate{pair.TLS()}}
	connection, err := (&tls.Dialer{Config: config}).DialContext(context.Background(), "tcp", h.cardAddr)
	must(h.t, err)
	h.t.Cleanup(func() { connection.Close() })
	return connection
}

func roundTrip(t *testing.T, connection net.Conn, ask string) string {
	t.Helper()
	must(t, connection.SetDeadline(time.Now().Add(5*time.Second)))
	_, err := io.WriteString(connection, ask)
	must(t, err)
	b, err := io.ReadAll(connection)
	must(t, err)
	return string(b)
}
