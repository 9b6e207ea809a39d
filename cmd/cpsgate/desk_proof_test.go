//go:build linux && cgo

package main

import (
	"testing"
	"time"

	"cpsgate/cardside/desk"
	"cpsgate/enroll"
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
