package web_test

import (
	"net/http"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
	"cpsgate/rp"
	"cpsgate/web"
)

// TestCardStepRefuses: cards that do not prove who is there.
func TestCardStepRefuses(t *testing.T) {
	h := newHouse(t)
	t.Run("no card", func(t *testing.T) {
		h.t = t
		id, code := h.ticket("")
		h.workstation(nil).upToProved(code).refuses(t, http.StatusForbidden, "no-certificate")
		h.refusedFor(audit.KindTicketCard, "no-certificate")
		if state, steps := h.state(t, id); state != enroll.TicketClaimed || steps != "opened claimed card!no-certificate" {
			t.Errorf("%s: %s", state, steps)
		}
	})
	t.Run("somebody else's, which ends the sitting", func(t *testing.T) {
		h.t = t
		_, who := h.staff()
		id, code := h.ticket(string(who))
		w := h.workstation(h.card(testpki.CardSpec{}))
		w.upToProved(code).refuses(t, http.StatusForbidden, "ticket-of-another")
		if e := h.refusedFor(audit.KindTicketCard, "ticket-of-another"); e.Subject != who {
			t.Errorf("%+v", e)
		}
		if state, _ := h.state(t, id); state != enroll.TicketAbandoned {
			t.Errorf("%s", state)
		}
		w.call("/enroll/options", "{}").refuses(t, http.StatusConflict, "ticket-ended")
	})
	t.Run("a revoked one", func(t *testing.T) {
		h.t = t
		card := h.card(testpki.CardSpec{})
		h.pki.Issuer(testpki.Fort, testpki.Persons).Revoke(card.Authentication.Certificate.SerialNumber, h.now().Add(-time.Hour), 1)
		h.publish()
		_, code := h.ticket("")
		h.workstation(card).upToProved(code).refuses(t, http.StatusForbidden, "revoked")
		if e := h.refusedFor(audit.KindTicketCard, "revoked"); e.Card != card.TokenID || e.Workstation != "GUICHET-2" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("an expired one", func(t *testing.T) {
		h.t = t
		card := h.card(testpki.CardSpec{NotBefore: h.now().AddDate(-3, 0, 0), NotAfter: h.now().AddDate(0, 0, -1)})
		_, code := h.ticket("")
		h.workstation(card).upToProved(code).refuses(t, http.StatusForbidden, "expired")
	})
	t.Run("one suspended here", func(t *testing.T) {
		h.t = t
		card := h.card(testpki.CardSpec{})
		h.browser().with(card).signIn()
		must(t, h.registry.Suspend(t.Context(), console, card.TokenID))
		_, code := h.ticket("")
		h.workstation(card).upToProved(code).refuses(t, http.StatusForbidden, "card-suspended")
	})
	t.Run("asked for a passkey before any card", func(t *testing.T) {
		h.t = t
		_, code := h.ticket("")
		w := h.workstation(nil)
		w.claims(code)
		w.call("/enroll/options", "{}").refuses(t, http.StatusForbidden, "card-unproved")
		h.refusedFor(audit.KindTicketProve, "card-unproved")
	})
}

// TestRegisterStepRefuses: passkeys that are not believed, and what comes twice.
func TestRegisterStepRefuses(t *testing.T) {
	h := newHouse(t)
	for name, c := range map[string]struct {
		lies   []softkey.Lie
		reason rp.Reason
	}{
		"for another challenge": {[]softkey.Lie{softkey.Challenge(make([]byte, 32))}, rp.ReasonChallenge},
		"on another site":       {[]softkey.Lie{softkey.Origin("https://evil.example")}, rp.ReasonOrigin},
		"without its PIN":       {[]softkey.Lie{softkey.Clear(softkey.FlagUV)}, rp.ReasonUserVerification},
		"an assertion for it":   {[]softkey.Lie{softkey.Type("webauthn.get")}, rp.ReasonType},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			id, code := h.ticket("")
			w := h.workstation(h.card(testpki.CardSpec{}))
			w.call("/enroll/register", w.creates(w.upToProved(code), c.lies...)).refuses(t, http.StatusForbidden, string(c.reason))
			h.refusedFor(audit.KindPasskeyAdd, string(c.reason))
			if _, steps := h.state(t, id); steps != "opened claimed card options registered!"+string(c.reason) {
				t.Error(steps)
			}
			// and the sitting goes on
			a := w.call("/enroll/register", w.creates(w.call("/enroll/options", "{}")))
			if a := w.call("/enroll/prove", w.signs(a)); a.status != http.StatusOK {
				t.Errorf("%s", a.body)
			}
		})
	}
	t.Run("twice", func(t *testing.T) {
		h.t = t
		_, code := h.ticket("")
		w := h.workstation(h.card(testpki.CardSpec{}))
		message := w.creates(w.upToProved(code))
		a := w.call("/enroll/register", message)
		w.call("/enroll/register", message).refuses(t, http.StatusConflict, "sitting-phase")
		proof := w.signs(w.call("/enroll/options", "")) // the answer with the question was lost
		if a.status != http.StatusOK {
			t.Fatal(a.body)
		}
		if a := w.call("/enroll/prove", proof); a.status != http.StatusOK {
			t.Fatal(a.body)
		}
		w.call("/enroll/prove", proof).refuses(t, http.StatusConflict, "ticket-used")
	})
	t.Run("of another model than was read", func(t *testing.T) {
		h.t = t
		_, code := h.ticket("")
		w := h.workstation(h.card(testpki.CardSpec{}))
		a := w.call("/enroll/claim", `{"code":"`+code+`","workstation":"X","reader":"Y","generation":"cps4","applet":{"aaguid":"01010101-0101-0101-0101-010101010101"}}`)
		a.decode(t, w)
		w.call("/enroll/register", w.creates(w.call(w.CardURL, "{}"))).refuses(t, http.StatusForbidden, "aaguid")
	})
}

// TestAttestationAtTheDesk: what the policy demands of the evidence.
func TestAttestationAtTheDesk(t *testing.T) {
	known := func(mode rp.Mode) plan {
		return plan{options: func(o *web.Options) {
			var err error
			o.RelyingParty, err = rp.New(rp.Options{ID: "hopital.test", Name: "Hôpital", Origins: []string{mainOrigin}, AttestationMode: mode, AllowedAAGUIDs: [][16]byte{model}})
			if err != nil {
				panic(err)
			}
		}}
	}
	h := newHouse(t, known(rp.ModeRequireKnown))
	for name, c := range map[string]struct {
		applet softkey.Options
		lies   []softkey.Lie
		reason string
	}{
		"a known model":                   {softkey.Options{AAGUID: model, Attestation: softkey.Self}, nil, ""},
		"a model that is not allowed":     {softkey.Options{AAGUID: [16]byte{7}, Attestation: softkey.Self}, nil, "aaguid"},
		"none where evidence is demanded": {softkey.Options{AAGUID: model}, nil, "attestation"},
		"a statement that is not its own": {softkey.Options{AAGUID: model, Attestation: softkey.Self}, []softkey.Lie{forged}, "attestation"},
	} {
		t.Run(name, func(t *testing.T) {
			h.t = t
			_, code := h.ticket("")
			w := h.workstation(h.card(testpki.CardSpec{}))
			w.applet = softkey.New(c.applet)
			a := w.call("/enroll/register", w.creates(w.upToProved(code), c.lies...))
			if c.reason == "" {
				if a.status != http.StatusOK {
					t.Error(a.body)
				}
				return
			}
			a.refuses(t, http.StatusForbidden, c.reason)
			h.refusedFor(audit.KindPasskeyAdd, c.reason)
		})
	}
}

func flip(b []byte) []byte { b[len(b)-1] ^= 1; return b }

// TestProveStepRefuses: uses that prove nothing.
func TestProveStepRefuses(t *testing.T) {
	h := newHouse(t)
	t.Run("by another credential", func(t *testing.T) {
		h.t = t
		_, code := h.ticket("")
		_, other := h.ticket("")
		w, x := h.workstation(h.card(testpki.CardSpec{})), h.workstation(h.card(testpki.CardSpec{}))
		mine, theirs := w.upToRegistered(code), x.upToRegistered(other)
		w.signs(mine)
		w.call("/enroll/prove", x.signs(theirs)).refuses(t, http.StatusForbidden, "passkey-unknown")
	})
	t.Run("with a signature that is not its key's", func(t *testing.T) {
		h.t = t
		id, code := h.ticket("")
		w := h.workstation(h.card(testpki.CardSpec{}))
		w.call("/enroll/prove", w.signs(w.upToRegistered(code), forged)).refuses(t, http.StatusForbidden, "signature")
		h.refusedFor(audit.KindTicketProve, "signature")
		if _, steps := h.state(t, id); steps != "opened claimed card options registered prove!signature" {
			t.Error(steps)
		}
		w.call("/enroll/prove", `{"response":{}}`).refuses(t, http.StatusConflict, "ceremony-taken")
		if a := w.call("/enroll/prove", w.signs(w.call("/enroll/options", "{}"))); a.status != http.StatusOK {
			t.Errorf("again: %s", a.body)
		}
	})
	t.Run("once its card was reported lost", func(t *testing.T) {
		h.t = t
		card := h.card(testpki.CardSpec{})
		_, code := h.ticket("")
		w := h.workstation(card)
		proof := w.signs(w.upToRegistered(code))
		must(t, h.registry.Suspend(t.Context(), console, card.TokenID))
		w.call("/enroll/prove", proof).refuses(t, http.StatusForbidden, "card-suspended")
	})
	t.Run("before there is a passkey", func(t *testing.T) {
		h.t = t
		_, code := h.ticket("")
		w := h.workstation(h.card(testpki.CardSpec{}))
		message := w.creates(w.upToProved(code))
		w.call("/enroll/prove", `{"response":{}}`).refuses(t, http.StatusConflict, "sitting-phase")
		if a := w.call("/enroll/register", message); a.status != http.StatusOK {
			t.Errorf("the registration was lost: %s", a.body)
		}
	})
}

// TestTheSittingsOwnWords: progress, and giving up at each place.
func TestTheSittingsOwnWords(t *testing.T) {
	h := newHouse(t)
	t.Run("steps are shown, once in a row, and none of the server's", func(t *testing.T) {
		h.t = t
		id, code := h.ticket("")
		w := h.workstation(nil)
		w.claims(code)
		for range 3 {
			a := w.call("/enroll/step", `{"step":"reset-needed"}`)
			var now struct {
				Phase  string
				Policy struct{ Reset, SameCard string }
			}
			a.decode(t, &now)
			if a.status != http.StatusOK || now.Phase != "claimed" || now.Policy.Reset != "no" {
				t.Errorf("%d %s", a.status, a.body)
			}
		}
		w.call("/enroll/step", `{"step":"pin-set","ok":false,"detail":"pins-differ"}`)
		w.call("/enroll/step", `{"step":"active"}`).refuses(t, http.StatusBadRequest, "bad-request")
		w.call("/enroll/step", `{"step":"<b>"}`).refuses(t, http.StatusBadRequest, "bad-request")
		w.call("/enroll/step", `{"step":"making","ok":false,"detail":"Tout va bien, portez-vous garant"}`).refuses(t, http.StatusBadRequest, "bad-request")
		if _, steps := h.state(t, id); steps != "opened claimed reset-needed pin-set!pins-differ" {
			t.Error(steps)
		}
	})
	t.Run("over, save that a card was emptied, once", func(t *testing.T) {
		h.t = t
		card := h.card(testpki.CardSpec{})
		id, code := h.ticket("")
		w := h.workstation(card)
		w.upToProved(code)
		must(t, h.registry.CancelTicket(t.Context(), console, id))
		for _, step := range []string{"making", "reset-done", "reset-done", "<b>"} {
			w.call("/enroll/step", `{"step":"`+step+`"}`).refuses(t, http.StatusGone, "ticket-cancelled")
		}
		if state, steps := h.state(t, id); state != enroll.TicketCancelled || steps != "opened claimed card options cancelled!test reset-done" {
			t.Errorf("%s: %s", state, steps)
		}
		e := h.last(audit.KindEmptied)
		if e.Outcome != audit.Done || e.Card != card.TokenID || e.Workstation != "GUICHET-2" || e.Detail != "ticket "+id+" without leave after its end" {
			t.Errorf("%+v", e)
		}
	})
	for place, up := range map[string]func(*workstation, string) answer{
		"claimed": (*workstation).claims, "proved": (*workstation).upToProved, "registered": (*workstation).upToRegistered,
	} {
		t.Run("giving up when "+place, func(t *testing.T) {
			h.t = t
			card := h.card(testpki.CardSpec{})
			id, code := h.ticket("")
			w := h.workstation(card)
			up(w, code)
			w.call("/enroll/abandon", `{"reason":"not a word"}`).refuses(t, http.StatusBadRequest, "bad-request")
			if a := w.call("/enroll/abandon", `{"reason":"card-removed"}`); a.status != http.StatusNoContent {
				t.Errorf("%d %s", a.status, a.body)
			}
			if state, _ := h.state(t, id); state != enroll.TicketAbandoned {
				t.Errorf("%s", state)
			}
			w.call("/enroll/step", `{"step":"making"}`).refuses(t, http.StatusConflict, "ticket-ended")
			if list, err := h.registry.Passkeys(t.Context(), identity.PSIdNat(card.IdNat)); err != nil || len(list) != 0 {
				t.Errorf("left behind: %+v %v", list, err)
			}
		})
	}
}

// forged spoils a signature.
func forged(d *softkey.Draft) { d.AlterSignature = flip }
