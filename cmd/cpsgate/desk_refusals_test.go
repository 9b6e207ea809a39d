//go:build linux && cgo

package main

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/cardside"
	"cpsgate/cardside/desk"
	"cpsgate/cardside/pkcs11"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// refused wants an enrolment that the server refused for a reason, told with
// its number, and nothing of it that counts.
func (p *person) refused(o desk.Options, reason string) *desk.Unfinished {
	p.t.Helper()
	_, err := desk.Enrol(p.t.Context(), o)
	var refusal *desk.Refusal
	if !errors.As(err, &refusal) || refusal.Reason != reason || refusal.Event == "" || refusal.Title == "" || len(refusal.Do) == 0 {
		p.t.Fatalf("got %v (%+v); want the refusal %s", err, refusal, reason)
	}
	if e := desk.Explain(err, cardside.French); e.Title != refusal.Title || e.Server.Event != refusal.Event || e.Reason != cardside.ReasonServerRefused {
		p.t.Errorf("explained as %+v", e)
	}
	if active := p.passkeys(p.card.IdNat)[identity.PasskeyActive]; active != 0 {
		p.t.Errorf("%d active passkeys", active)
	}
	var begun *desk.Unfinished
	errors.As(err, &begun)
	return begun
}

// recorded wants a refusal in the audit.
func (g *guichet) recorded(kind, reason string) {
	g.t.Helper()
	if e := g.event(kind); e.Outcome != audit.Refused || e.Reason != reason || e.Workstation != "GUICHET-2" {
		g.t.Errorf("the audit's last %s: %s %s at %q; want the refusal %s", kind, e.Outcome, e.Reason, e.Workstation, reason)
	}
}

// TestDeskRefusesCodes: codes that open nothing leave card and ticket as they
// are.
func TestDeskRefusesCodes(t *testing.T) {
	g := openDesk(t)
	p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	before := p.chip.Engine().State()
	spared := func(begun *desk.Unfinished) {
		t.Helper()
		if begun != nil {
			t.Errorf("a sitting began: %+v", begun)
		}
	}
	_, old := g.ticket("")
	g.offset.Add(int64(16 * time.Minute))
	spared(p.refused(p.options(old), "ticket-expired"))
	g.recorded(audit.KindTicketClaim, "ticket-expired")

	id, cancelled := g.ticket("")
	if err := g.p.registry.CancelTicket(t.Context(), console, id); err != nil {
		t.Fatal(err)
	}
	spared(p.refused(p.options(cancelled), "ticket-cancelled"))

	_, code := g.ticket("")
	for range 8 { // with the two above: as many as an address may
		spared(p.refused(p.options("AAAA-AAAA"), "ticket-unknown"))
	}
	spared(p.refused(p.options(code), "ticket-locked")) // the right one, too
	g.recorded(audit.KindTicketClaim, "ticket-locked")
	p.untouched(before)
	g.offset.Add(int64(6 * time.Minute))
	if _, err := desk.Enrol(t.Context(), p.options(code)); err != nil {
		t.Errorf("after the lock: %v", err)
	}
	p.reopens(code)
}

// untouched wants the applet as it was.
func (p *person) untouched(before authenticator.State) {
	p.t.Helper()
	if !reflect.DeepEqual(p.chip.Engine().State(), before) {
		p.t.Error("the card was written to")
	}
}

// reopens wants a code that was used refused, whoever types it.
func (p *person) reopens(code string) {
	p.t.Helper()
	o := p.options(code)
	_, err := desk.Enrol(p.t.Context(), o)
	var refusal *desk.Refusal
	if !errors.As(err, &refusal) || refusal.Reason != "ticket-used" {
		p.t.Errorf("a used code: %v", err)
	}
}

// TestDeskRefusesCards: a certificate that does not prove the ticket's person,
// each refused before anything is written to the card.
func TestDeskRefusesCards(t *testing.T) {
	g := openDesk(t)
	now := g.now()
	for name, c := range map[string]struct {
		spec   testpki.CardSpec
		ticket func(*person) string
		spoil  func(*person)
		reason string
		ends   enroll.TicketState
	}{
		"of another person than the ticket's": {
			ticket: func(*person) string { return "899900000011" }, reason: "ticket-of-another", ends: enroll.TicketAbandoned,
		},
		"revoked": {spoil: func(p *person) {
			p.card.Revoke(now.Add(-time.Hour), testpki.ReasonKeyCompromise)
			p.offset.Add(int64(time.Minute)) // a CRL is newer by its time, too
			if err := p.issueCRLs(); err != nil {
				t.Fatal(err)
			}
			p.restart() // and has read it
		}, reason: "revoked", ends: enroll.TicketAbandoned},
		"expired": {spec: testpki.CardSpec{NotBefore: now.AddDate(-3, 0, 0), NotAfter: now.AddDate(0, 0, -1)}, reason: "expired", ends: enroll.TicketAbandoned},
		"lost": {spoil: func(p *person) {
			_, code := p.ticket("")
			if _, err := desk.Enrol(t.Context(), p.options(code)); err != nil {
				t.Fatal(err)
			}
			if err := p.p.registry.Revoke(t.Context(), console, p.card.TokenID); err != nil {
				t.Fatal(err)
			}
		}, reason: "card-revoked", ends: enroll.TicketAbandoned},
	} {
		t.Run(name, func(t *testing.T) {
			g.t = t
			p := g.comes(c.spec, virtualcard.Options{})
			if c.spoil != nil {
				c.spoil(p)
			}
			who := ""
			if c.ticket != nil {
				who = c.ticket(p)
				if _, err := g.p.registry.Grant(t.Context(), console, identity.PSIdNat(who), identity.RoleAuditor); err != nil { // makes the person known
					t.Fatal(err)
				}
			}
			id, code := g.ticket(who)
			before := p.chip.Engine().State()
			begun := p.refused(p.options(code), c.reason)
			if begun == nil || !begun.Told || begun.Left != (desk.Remains{}) {
				t.Errorf("%+v", begun)
			}
			p.untouched(before)
			g.recorded(audit.KindTicketCard, c.reason)
			if state, steps := g.state(id); state != c.ends || !strings.Contains(steps, "card!"+c.reason) {
				t.Errorf("%s: %s", state, steps)
			}
		})
	}
}

// TestTwoDesksWithOneTicket: while one sits, another gets nothing; the first is
// not disturbed.
func TestTwoDesksWithOneTicket(t *testing.T) {
	g := openDesk(t)
	p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	_, code := g.ticket("")
	other := p.options(code)
	other.Workstation = "GUICHET-9"
	o := p.options(code)
	var second error
	o.Tell = func(at desk.Progress) {
		if at.Step == desk.StepPIN {
			_, second = desk.Enrol(t.Context(), other)
		}
	}
	outcome, err := desk.Enrol(t.Context(), o)
	if err != nil || outcome.Passkey.State != "active" {
		t.Errorf("the first desk: %+v, %v", outcome, err)
	}
	var refusal *desk.Refusal
	if !errors.As(second, &refusal) || refusal.Reason != "ticket-used" {
		t.Errorf("the second desk: %v", second)
	}
	if e := g.event(audit.KindTicketClaim); e.Workstation != "GUICHET-9" || e.Reason != "ticket-used" {
		t.Errorf("audit: %+v", e)
	}
}

// TestWrongHolderCode: the card's own PIN, wrong, ends the sitting and nothing
// was written.
func TestWrongHolderCode(t *testing.T) {
	g := openDesk(t)
	p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	id, code := g.ticket("")
	o := p.options(code)
	o.Person.CardPIN = func(context.Context, pkcs11.Token) ([]byte, error) { return bytes.Repeat([]byte("9"), 4), nil }
	_, err := desk.Enrol(t.Context(), o)
	var begun *desk.Unfinished
	if cardside.ReasonOf(err) != cardside.ReasonCPxWrong || !errors.As(err, &begun) || begun.Left != (desk.Remains{}) || !begun.Told {
		t.Errorf("%v, %+v", err, begun)
	}
	if state, steps := g.state(id); state != enroll.TicketAbandoned || !strings.HasSuffix(steps, "abandoned!cpx-pin-wrong") {
		t.Errorf("%s: %s", state, steps)
	}
}

// TestHolderCodeTypedAgain: where a person types, a wrong one is asked for again,
// and the desk sees why it takes longer.
func TestHolderCodeTypedAgain(t *testing.T) {
	g := openDesk(t)
	p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	id, code := g.ticket("")
	o := p.options(code)
	o.Person.Again = true
	typed := []string{"9999", holderCode}
	o.Person.CardPIN = func(context.Context, pkcs11.Token) ([]byte, error) {
		pin := typed[0]
		typed = typed[1:]
		return []byte(pin), nil
	}
	if outcome, err := desk.Enrol(t.Context(), o); err != nil || outcome.Passkey.State != "active" {
		t.Fatalf("%+v, %v", outcome, err)
	}
	if _, steps := g.state(id); steps != "opened claimed card-pin card-pin!cpx-pin-wrong card options pin registered active" {
		t.Error(steps)
	}
}
