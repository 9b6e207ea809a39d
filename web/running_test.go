package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
	"cpsgate/web"
)

// brokenVerifier stands for a fault of ours.
type brokenVerifier struct{}

func (brokenVerifier) Verify(mtls.Leaf, time.Time) (identity.Cardholder, error) {
	panic("secret detail of a fault")
}
func (brokenVerifier) Recheck(identity.Certificate, time.Time) error { return nil }

// TestFaultsOfOurs: a page without detail, and the detail in the log.
func TestFaultsOfOurs(t *testing.T) {
	h := newHouse(t, plan{options: func(o *web.Options) { o.Verifier = brokenVerifier{} }})
	a := h.browser().with(h.card(testpki.CardSpec{})).signIn()
	a.says(t, http.StatusInternalServerError, "Quelque chose n’a pas fonctionné chez nous", "Ni vous ni votre carte n’êtes en cause")
	if strings.Contains(a.body, "secret detail") {
		t.Error("the page tells the fault's detail")
	}
	if log := h.log.String(); !strings.Contains(log, "secret detail") || !strings.Contains(log, eventNumber.FindStringSubmatch(a.body)[1]) {
		t.Error("the log does not tell the fault under its number")
	}
}

// TestNoAuditNoEntry: an act that cannot be recorded does not happen.
func TestNoAuditNoEntry(t *testing.T) {
	h := newHouse(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	code := upToCode(t, b)
	must(t, h.store.Close())
	b.get(code).says(t, http.StatusInternalServerError)
	if b.cookie("__Host-cps-session") != "" {
		t.Error("a session was opened")
	}
	b.with(h.card(testpki.CardSpec{})).signIn().says(t, http.StatusInternalServerError, "Quelque chose n’a pas fonctionné chez nous")
}

// TestTooManyAttempts: by address and by person, with the time to wait.
func TestTooManyAttempts(t *testing.T) {
	t.Run("of one address", func(t *testing.T) {
		h := newHouse(t, plan{options: func(o *web.Options) { o.Limits.AttemptsPerMinute = 3 }})
		b := h.browser()
		for range 3 {
			b.get("/login/card")
		}
		a := b.get("/login/card")
		a.says(t, http.StatusTooManyRequests, "Trop d’essais", "Attendez 1 minute")
		if a.header.Get("Retry-After") != "21" && a.header.Get("Retry-After") != "20" {
			t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
		}
		h.refusedFor("request.rate", "too-many-attempts")
		before := len(h.events())
		b.script("/login/passkey/options", struct{}{}).refuses(t, http.StatusTooManyRequests, "too-many-attempts")
		if n := len(h.events()) - before; n != 0 { // it must not fill the audit either
			t.Errorf("%d events of one more", n)
		}
		b.get("/").says(t, http.StatusOK, "Se connecter")
		h.pass(time.Minute)
		if a := b.get("/login/card"); a.status != http.StatusSeeOther {
			t.Errorf("a minute later: %d", a.status)
		}
	})
	t.Run("of one person, from any address", func(t *testing.T) {
		h := newHouse(t, plan{options: func(o *web.Options) { o.Limits.SignInsPerMinute = 2 }})
		card := h.card(testpki.CardSpec{})
		for range 2 {
			h.browser().with(card).signIn().says(t, http.StatusOK, "Mon compte")
		}
		h.browser().with(card).signIn().says(t, http.StatusTooManyRequests, "Trop d’essais")
		h.refusedFor("login.cps", "too-many-attempts")
		h.browser().with(h.card(testpki.CardSpec{})).signIn().says(t, http.StatusOK, "Mon compte")
	})
	t.Run("of any request", func(t *testing.T) {
		h := newHouse(t, plan{options: func(o *web.Options) { o.Limits.RequestsPerMinute = 2 }})
		b := h.browser()
		b.get("/")
		b.get("/")
		b.get("/nothing").says(t, http.StatusTooManyRequests, "Trop d’essais")
	})
}

func TestLimiter(t *testing.T) {
	now := time.Now()
	l := web.NewLimiter(2, 3)
	for range 2 {
		if l.Wait("a", now) != 0 {
			t.Error("the allowance does not come at once")
		}
	}
	if wait := l.Wait("a", now); wait <= 0 || wait > 30*time.Second {
		t.Errorf("waits %v", wait)
	}
	if l.Wait("b", now) != 0 {
		t.Error("one key counts for another")
	}
	for _, key := range []string{"c", "d", "e"} {
		l.Wait(key, now)
	}
	if l.Len() != 3 {
		t.Errorf("remembers %d keys", l.Len())
	}
	for given, key := range map[string]string{
		"192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "::ffff:192.0.2.1": "::ffff:192.0.2.1", "": "",
	} {
		if got := web.AddressKey(given); got != key {
			t.Errorf("%s counts as %s", given, got)
		}
	}
}

// TestLog: one line a request, and nothing in it that opens anything.
func TestLog(t *testing.T) {
	h := newHouse(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	b.signIn().says(t, http.StatusOK, "Mon compte")
	token := b.cookie("__Host-cps-session")
	b.get("/login/cps?code=secretcode")
	b.get("/some/private/path?and=query")
	b.script("/login/passkey/finish", map[string]any{"ceremony": "secretceremony", "response": map[string]string{"id": "secretid"}})
	log := h.log.String()
	for _, secret := range []string{token, "secretcode", "secretceremony", "secretid", "private", "query", "flow=", "?code"} {
		if strings.Contains(log, secret) {
			t.Errorf("the log holds %q:\n%s", secret, log)
		}
	}
	for _, line := range strings.Split(strings.TrimSpace(log), "\n") {
		var entry struct {
			Msg, Event, Listener, Method, Route, Address string
			Status                                       int
		}
		must(t, json.Unmarshal([]byte(line), &entry))
		if entry.Msg != "request" || entry.Event == "" || entry.Listener == "" || entry.Status == 0 || entry.Address != "127.0.0.1" {
			t.Errorf("%s", line)
		}
	}
	if lines := strings.Count(log, "\n"); lines != 7 {
		t.Errorf("%d lines for 7 requests:\n%s", lines, log)
	}
}

func TestAdmin(t *testing.T) {
	ready := errors.New("the store does not answer")
	h := newHouse(t, plan{options: func(o *web.Options) { o.Ready = func(context.Context) error { return ready } }})
	ask := func(path string) (int, string) {
		w := httptest.NewRecorder()
		h.web.Admin().ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
		return w.Code, w.Body.String()
	}
	if status, _ := ask("/livez"); status != http.StatusOK {
		t.Errorf("/livez: %d", status)
	}
	if status, body := ask("/readyz"); status != http.StatusServiceUnavailable || strings.Contains(body, "store") {
		t.Errorf("/readyz: %d %q", status, body)
	}
	ready = nil
	if status, _ := ask("/readyz"); status != http.StatusOK {
		t.Errorf("/readyz: %d", status)
	}
	if status, _ := ask("/account"); status != http.StatusNotFound {
		t.Errorf("/account: %d", status)
	}
}
