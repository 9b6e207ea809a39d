//go:build linux && cgo

package main

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"cpsgate/audit"
	"cpsgate/cardside/desk"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
)

// TestEnrolment walks from a blank card to an active passkey, on both
// transmission protocols.
func TestEnrolment(t *testing.T) {
	variant, err := hex.DecodeString(virtualcard.ATRCPS4Variant)
	if err != nil {
		t.Fatal(err)
	}
	for name, chip := range map[string]virtualcard.Options{
		"T1": {}, "T0": {Protocol: virtualcard.T0, ATR: variant},
	} {
		t.Run(name, func(t *testing.T) {
			g := openDesk(t)
			p := g.comes(testpki.CardSpec{}, chip)
			id, code := g.ticket("")
			var steps []desk.Step
			o := p.options(code)
			o.Tell = func(p desk.Progress) { steps = append(steps, p.Step) }
			outcome, err := desk.Enrol(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if outcome.Ticket != id || outcome.Passkey.State != "active" || outcome.Proof != desk.ProofSameCard || outcome.PIN != desk.PINChosen ||
				outcome.TokenID != p.card.TokenID || !strings.Contains(outcome.Holder, p.card.IdNat) {
				t.Errorf("%+v", outcome)
			}
			// The card host's request goes past the wire.
			if seen := len(g.messages()) + 1; seen > 6 || outcome.Requests != seen {
				t.Errorf("%d requests to the server, said to be %d; 6 at most", seen, outcome.Requests)
			}
			want := []desk.Step{desk.StepCard, desk.StepApplet, desk.StepClaimed, desk.StepCardPIN, desk.StepProved, desk.StepPIN, desk.StepMaking, desk.StepProving, desk.StepActive}
			if !slices.Equal(steps, want) {
				t.Errorf("steps %v", steps)
			}
			if state, steps := g.state(id); state != enroll.TicketDone || steps != "opened claimed card-pin card options pin registered active" {
				t.Errorf("%s: %s", state, steps)
			}
			if held := g.passkeys(p.card.IdNat); held[identity.PasskeyActive] != 1 || len(held) != 1 {
				t.Errorf("%v", held)
			}
			if e := g.event(audit.KindPasskeyActive); e.Proof != "same-card" || e.Workstation != "GUICHET-2" || e.Reader != g.reader.Name || e.Card != p.card.TokenID {
				t.Errorf("%+v", e)
			}
		})
	}
}
