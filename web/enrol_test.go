package web_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
)

// TestEnrolment is the whole protocol: claim, card, register, prove, active;
// then the passkey signs in.
func TestEnrolment(t *testing.T) {
	h := newHouse(t)
	card := h.card(testpki.CardSpec{})
	id, code := h.ticket("")
	w := h.workstation(card)

	a := w.claims(strings.ToLower(strings.ReplaceAll(code, "-", " ")))
	if a.status != http.StatusOK || w.Sitting == "" || w.Ticket != id || w.Holder != "" || w.Origin != mainOrigin ||
		w.Policy.Reset != "no" || w.Policy.SameCard != "required" || time.Until(w.Expires) < 14*time.Minute {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if !strings.HasSuffix(w.CardURL, ".cps.hopital.test/enroll/card") || strings.HasPrefix(w.CardURL, "https://cps.") {
		t.Errorf("card host: %s", w.CardURL)
	}
	if strings.Contains(a.header.Get("Set-Cookie"), "cps") || a.header.Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", a.header)
	}
	a = w.call(w.CardURL, "{}")
	var d due
	a.decode(t, &d)
	if d.Holder != "EXEMPLE Camille — Infirmier — "+card.IdNat {
		t.Errorf("holder %q", d.Holder)
	}
	a = w.call("/enroll/register", w.creates(a))
	a.decode(t, &d)
	if d.Passkey.State != "pending" || !strings.HasPrefix(d.Passkey.Name, "Carte CPS n°") {
		t.Errorf("%s", a.body)
	}
	a = w.call("/enroll/prove", w.signs(a))
	a.decode(t, &d)
	if a.status != http.StatusOK || d.Passkey.State != "active" || d.Ticket != id {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if state, steps := h.state(t, id); state != enroll.TicketDone || steps != "opened claimed card options registered active" {
		t.Errorf("%s: %s", state, steps)
	}

	p, err := h.registry.Passkey(t.Context(), w.applet.Credentials()[0])
	must(t, err)
	if p.State != identity.PasskeyActive || p.CardTokenID != card.TokenID || p.Proof.Kind != identity.ProofSameCard || p.AAGUID != model {
		t.Errorf("%+v", p)
	}
	if e := h.last(audit.KindPasskeyActive); e.Workstation != "GUICHET-2" || e.Reader == "" || e.Address != "127.0.0.1" || e.Proof != "same-card" {
		t.Errorf("audit: %+v", e)
	}
	b := h.browser()
	if a := b.useKey(w.applet); a.status != http.StatusOK {
		t.Errorf("signing in: %s", a.body)
	}
	b.signedIn()
	if c, err := h.registry.Card(t.Context(), card.TokenID); err != nil || c.Generation != identity.GenerationCPS4 {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestACardThatWasProvedIsNotTold: workstations of before take no member that they
// do not know, and one that read the certificate needs none.
func TestACardThatWasProvedIsNotTold(t *testing.T) {
	h := newHouse(t)
	_, code := h.ticket("")
	w := h.workstation(h.card(testpki.CardSpec{}))
	for name, a := range map[string]answer{"by its certificate": w.upToProved(code), "asked again": w.call("/enroll/options", "{}")} {
		var members map[string]json.RawMessage
		a.decode(t, &members)
		if known := slices.Sorted(maps.Keys(members)); !slices.Equal(known, []string{"ceremony", "holder", "options"}) {
			t.Errorf("%s: %v", name, known)
		}
	}
}

// TestClaimRefuses: codes that open nothing.
func TestClaimRefuses(t *testing.T) {
	h := newHouse(t)
	claim := func(t *testing.T, code string) answer {
		w := h.workstation(nil)
		w.t, h.t = t, t
		return w.claims(code)
	}
	t.Run("used", func(t *testing.T) {
		h.t = t
		_, code := h.ticket("")
		claim(t, code)
		claim(t, code).refuses(t, http.StatusConflict, "ticket-used") // two desks with one ticket
		h.refusedFor(audit.KindTicketClaim, "ticket-used")
	})
	t.Run("expired", func(t *testing.T) {
		h.t = t
		_, code := h.ticket("")
		h.pass(15 * time.Minute)
		claim(t, code).refuses(t, http.StatusGone, "ticket-expired")
	})
	t.Run("cancelled", func(t *testing.T) {
		h.t = t
		id, code := h.ticket("")
		must(t, h.registry.CancelTicket(t.Context(), console, id))
		claim(t, code).refuses(t, http.StatusGone, "ticket-cancelled")
	})
	t.Run("at two desks at once, one gets it", func(t *testing.T) {
		h.t = t
		_, code := h.ticket("")
		answers := make(chan answer)
		for range 4 {
			w := h.workstation(nil)
			go func() { answers <- w.claims(code) }()
		}
		got := 0
		for range 4 {
			if a := <-answers; a.status == http.StatusOK {
				got++
			} else {
				a.refuses(t, http.StatusConflict, "ticket-used")
			}
		}
		if got != 1 {
			t.Errorf("%d desks have the ticket", got)
		}
	})
	t.Run("guessed, then locked, the right one too", func(t *testing.T) {
		h.t = t
		h.pass(10 * time.Minute)
		_, code := h.ticket("")
		for range 10 {
			claim(t, "AAAA-AAAA").refuses(t, http.StatusNotFound, "ticket-unknown")
		}
		a := claim(t, code)
		a.refuses(t, http.StatusTooManyRequests, "ticket-locked")
		if after := a.header.Get("Retry-After"); after != "300" && after != "301" && after != "299" {
			t.Errorf("Retry-After %q", after)
		}
		h.refusedFor(audit.KindTicketClaim, "ticket-locked")
		h.pass(6 * time.Minute)
		if a := claim(t, code); a.status != http.StatusOK {
			t.Errorf("after the lock: %d %s", a.status, a.body)
		}
	})
	h.t = t
	for _, e := range h.events() {
		if e.Kind == audit.KindTicketClaim && e.Outcome == audit.Refused && (e.Workstation != "GUICHET-2" || strings.Contains(e.Detail, "AAAA")) {
			t.Errorf("audit: %+v", e)
		}
	}
}

// TestProtocolIsStrict: bodies, secrets and senders.
func TestProtocolIsStrict(t *testing.T) {
	h := newHouse(t)
	_, code := h.ticket("")
	w := h.workstation(nil)
	for name, body := range map[string]string{
		"an unknown member":           `{"code":"AAAA-AAAA","more":1}`,
		"a member twice":              `{"code":"AAAA-AAAA","code":"AAAA-AAAA"}`,
		"bytes after it":              `{"code":"AAAA-AAAA"} {}`,
		"no object":                   `["AAAA-AAAA"]`,
		"an unknown member of applet": `{"code":"AAAA-AAAA","applet":{"blank":true,"pin":"123456"}}`,
		"an applet of another type":   `{"code":"AAAA-AAAA","applet":[]}`,
		"a code of another type":      `{"code":7}`,
	} {
		t.Run(name, func(t *testing.T) {
			w.t = t
			w.call("/enroll/claim", body).refuses(t, http.StatusBadRequest, "bad-request")
		})
	}
	t.Run("too large", func(t *testing.T) {
		w.t = t
		w.call("/enroll/claim", `{"code":"`+strings.Repeat("A", 70_000)+`"}`).refuses(t, http.StatusRequestEntityTooLarge, "too-large")
	})
	t.Run("no JSON, and answered in JSON all the same", func(t *testing.T) {
		r, err := http.NewRequest(http.MethodPost, mainOrigin+"/enroll/claim", strings.NewReader("code=AAAA-AAAA"))
		must(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Accept", "text/html")
		w.send(r).refuses(t, http.StatusUnsupportedMediaType, "unsupported-media-type")
	})
	t.Run("from another site's page", func(t *testing.T) {
		r, err := http.NewRequest(http.MethodPost, mainOrigin+"/enroll/claim", strings.NewReader(`{"code":"`+code+`"}`))
		must(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Origin", "https://evil.example")
		w.send(r).refuses(t, http.StatusForbidden, "cross-origin")
	})
	t.Run("without its secret, a session's cookie or not", func(t *testing.T) {
		h.t = t
		b, _ := h.staff(identity.RoleOperator, identity.RoleAdmin)
		b.t = t
		for _, path := range []string{"/enroll/options", "/enroll/register", "/enroll/prove", "/enroll/step", "/enroll/abandon", cardOrigin + "/enroll/card"} {
			a := b.script(path, struct{}{})
			a.refuses(t, http.StatusUnauthorized, "bearer")
			if a.header.Get("WWW-Authenticate") != "Bearer" {
				t.Errorf("%s: %v", path, a.header)
			}
		}
	})
	t.Run("with a made-up secret", func(t *testing.T) {
		w.t, h.t = t, t
		w.Sitting = strings.Repeat("A", 43)
		w.call("/enroll/options", "{}").refuses(t, http.StatusNotFound, "sitting-unknown")
		h.refusedFor(audit.KindTicketProve, "sitting-unknown")
		w.Sitting = ""
	})
	t.Run("by GET", func(t *testing.T) {
		w.t = t
		if a := w.get("/enroll/claim"); a.status != http.StatusMethodNotAllowed {
			t.Errorf("%d", a.status)
		}
	})
	h.t, w.t = t, t
	if a := w.claims(code); a.status != http.StatusOK {
		t.Errorf("the code was used up: %s", a.body)
	}
}
