//go:build linux && cgo

package main

import (
	"testing"
	"time"

	"cpsgate/cardside/desk"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
)

// TestAFirstPINIsSignedWithOnce: a card whose first PIN is to be changed signs no
// second time, so the one proof arrives whatever becomes of message, answer and
// server.
func TestAFirstPINIsSignedWithOnce(t *testing.T) {
	g := openDesk(t, func(g *guichet) { g.config.Desk.ForcePINChange = true })
	for name, lost := range map[string]fault{"the message is lost": loseMessage, "the answer is lost": loseAnswer} {
		t.Run(name, func(t *testing.T) {
			g.t = t
			p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
			id, code := g.ticket("")
			o := p.options(code)
			o.Tell = at(desk.StepProving, func() { g.loses("/enroll/prove", lost) })
			away := 0
			o.Away = func(time.Duration) {
				if away++; away == 1 {
					g.restart()
				}
			}
			outcome, err := desk.Enrol(t.Context(), o)
			if err != nil || outcome.Passkey.State != "active" || outcome.PIN != desk.PINDrawn || away == 0 {
				t.Errorf("%+v, %v; away %d times", outcome, err, away)
			}
			if state, _ := g.state(id); state != enroll.TicketDone {
				t.Error(state)
			}
			if !p.chip.Engine().State().ForceChange {
				t.Error("the first PIN is not to be changed")
			}
		})
	}
}

// TestAFirstPINOutlastsAServerThatFails: a proof that the server could not judge or
// keep is sent again until it can; where it never can, nothing half enrolled stays.
func TestAFirstPINOutlastsAServerThatFails(t *testing.T) {
	g := openDesk(t, func(g *guichet) { g.config.Desk.ForcePINChange = true })
	enters := func(t *testing.T) (p *person, id string, o desk.Options) {
		g.t = t
		p = g.comes(testpki.CardSpec{}, virtualcard.Options{})
		id, code := g.ticket("")
		o = p.options(code)
		o.Tell = at(desk.StepProving, func() { g.loses("/enroll/prove", unjudged) })
		return p, id, o
	}
	t.Run("for a while", func(t *testing.T) {
		_, id, o := enters(t)
		away := 0
		o.Away = func(time.Duration) { away++ }
		outcome, err := desk.Enrol(t.Context(), o)
		if err != nil || outcome.Passkey.State != "active" || outcome.PIN != desk.PINDrawn || away != 1 {
			t.Errorf("%+v, %v; away %d times", outcome, err, away)
		}
		if state, _ := g.state(id); state != enroll.TicketDone {
			t.Error(state)
		}
	})
	t.Run("for good", func(t *testing.T) {
		p, id, o := enters(t)
		o.Patience = time.Second
		o.Away = func(time.Duration) { g.loses("/enroll/prove", unjudged) }
		p.refused(o, "internal")
		if state, _ := g.state(id); state != enroll.TicketAbandoned {
			t.Error(state)
		}
		if held := g.passkeys(p.card.IdNat); held[identity.PasskeyActive]+held[identity.PasskeyPending] != 0 {
			t.Errorf("half enrolled: %v", held)
		}
	})
}
