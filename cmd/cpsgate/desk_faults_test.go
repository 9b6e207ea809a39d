//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/cardside"
	"cpsgate/cardside/desk"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
)

// sittingSteps are those after the code was taken.
func sittingSteps() []desk.Step {
	return []desk.Step{desk.StepClaimed, desk.StepCardPIN, desk.StepProved, desk.StepPIN, desk.StepMaking, desk.StepProving}
}

// at is what happens when a step is reached.
func at(step desk.Step, what func()) func(desk.Progress) {
	return func(p desk.Progress) {
		if p.Step == step {
			what()
		}
	}
}

// enrols goes the whole way with what the card is by now: what was begun badly
// ends well.
func (p *person) enrols() {
	p.t.Helper()
	_, code := p.ticket("")
	outcome, err := desk.Enrol(p.t.Context(), p.options(code))
	if err != nil || outcome.Passkey.State != "active" {
		p.t.Fatalf("a new ticket: %+v, %v", outcome, err)
	}
	if held := p.passkeys(p.card.IdNat); held[identity.PasskeyActive] != 1 || held[identity.PasskeyPending] != 0 {
		p.t.Errorf("passkeys: %v", held)
	}
	if kept := p.chip.Engine().State().Credentials; len(kept) != 1 {
		p.t.Errorf("the applet holds %d credentials", len(kept))
	}
}

// ended wants a sitting that came to nothing, told to the server for a reason.
func (p *person) ended(id string, err error, reason string) {
	p.t.Helper()
	var begun *desk.Unfinished
	if !errors.As(err, &begun) || !begun.Told || string(cardside.ReasonOf(err)) != reason {
		p.t.Fatalf("%v, %+v; want %s", err, begun, reason)
	}
	p.holds(begun.Left)
	if state, steps := p.state(id); state != enroll.TicketAbandoned || !strings.HasSuffix(steps, "abandoned!"+reason) {
		p.t.Errorf("%s: %s", state, steps)
	}
	if held := p.passkeys(p.card.IdNat); held[identity.PasskeyActive]+held[identity.PasskeyPending] != 0 {
		p.t.Errorf("half enrolled: %v", held)
	}
	if e := p.event(audit.KindTicketAbandon); e.Reason != reason || e.Workstation != "GUICHET-2" {
		p.t.Errorf("audit: %+v", e)
	}
}

// holds wants what was said to be left on the card to be there, and nothing else:
// what it may hold, it may.
func (p *person) holds(said desk.Remains) {
	p.t.Helper()
	state := p.chip.Engine().State()
	is := desk.Remains{PIN: state.PINHash != nil, Passkey: len(state.Credentials) > 0, Perhaps: said.Perhaps}
	switch said.Perhaps {
	case desk.ChangePIN:
		is.PIN = said.PIN
	case desk.ChangePasskey:
		is.Passkey = said.Passkey
	}
	if said != is {
		p.t.Errorf("says that the card holds %+v; it holds %+v", said, is)
	}
}

// TestServerRestartsAtEveryStep: the sitting goes on where it was.
func TestServerRestartsAtEveryStep(t *testing.T) {
	g := openDesk(t)
	for _, step := range sittingSteps() {
		t.Run(string(step), func(t *testing.T) {
			g.t = t
			p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
			id, code := g.ticket("")
			o := p.options(code)
			o.Tell = at(step, g.restart)
			outcome, err := desk.Enrol(t.Context(), o)
			if err != nil || outcome.Passkey.State != "active" {
				t.Fatalf("%+v, %v", outcome, err)
			}
			if state, steps := g.state(id); state != enroll.TicketDone || strings.Contains(steps, "!") {
				t.Errorf("%s: %s", state, steps)
			}
			if held := g.passkeys(p.card.IdNat); held[identity.PasskeyActive] != 1 || len(held) != 1 {
				t.Errorf("%v", held)
			}
		})
	}
}

// TestServerIsAway: what is away for a while is waited for, and what stays away
// is given up; then the ticket expires by itself and nothing half enrolled
// stays.
func TestServerIsAway(t *testing.T) {
	g := openDesk(t)
	p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	_, code := g.ticket("")
	o := p.options(code)
	waits := 0
	o.Away = func(time.Duration) {
		if waits++; waits == 2 {
			g.restart()
		}
	}
	o.Tell = at(desk.StepProving, func() { g.stop() })
	if _, err := desk.Enrol(t.Context(), o); err != nil || waits < 2 {
		t.Errorf("after %d waits: %v", waits, err)
	}
	if err := g.reader.Eject(); err != nil {
		t.Fatal(err)
	}

	next := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	id, code := g.ticket("")
	o = next.options(code)
	o.Patience = 10 * time.Millisecond
	o.Tell = at(desk.StepProving, func() { g.stop() })
	_, err := desk.Enrol(t.Context(), o)
	var begun *desk.Unfinished
	if !errors.As(err, &begun) || begun.Told || !begun.Left.Used || cardside.ReasonOf(err) != cardside.ReasonServer {
		t.Fatalf("%v, %+v", err, begun)
	}
	g.restart()
	g.offset.Add(int64(16 * time.Minute))
	if err := g.p.registry.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if state, steps := g.state(id); state != enroll.TicketExpired {
		t.Errorf("%s: %s", state, steps)
	}
	if held := g.passkeys(next.card.IdNat); held[identity.PasskeyActive]+held[identity.PasskeyPending] != 0 {
		t.Errorf("%v", held)
	}
	next.enrols()
}

// TestMessagesGetLost: each message and each answer, once; the sitting ends well
// all the same, save where the code is used up by what got lost.
func TestMessagesGetLost(t *testing.T) {
	g := openDesk(t)
	for _, path := range []string{"/enroll/step", "/enroll/register", "/enroll/prove"} {
		for _, f := range []fault{loseMessage, loseAnswer} {
			t.Run(strings.TrimPrefix(path, "/enroll/")+" "+string(f), func(t *testing.T) {
				g.t = t
				p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
				id, code := g.ticket("")
				g.loses(path, f)
				outcome, err := desk.Enrol(t.Context(), p.options(code))
				if err != nil || outcome.Passkey.State != "active" || outcome.Passkey.ID == "" {
					t.Fatalf("%+v, %v", outcome, err)
				}
				if state, _ := g.state(id); state != enroll.TicketDone {
					t.Error(state)
				}
				if held := g.passkeys(p.card.IdNat); held[identity.PasskeyActive] != 1 || len(held) != 1 {
					t.Errorf("%v", held)
				}
			})
		}
	}
	t.Run("claim answer", func(t *testing.T) {
		g.t = t
		p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
		id, code := g.ticket("")
		g.loses("/enroll/claim", loseAnswer)
		_, err := desk.Enrol(t.Context(), p.options(code))
		var begun *desk.Unfinished
		if !errors.As(err, &begun) || begun.Told || begun.Left != (desk.Remains{}) || cardside.ReasonOf(err) != cardside.ReasonServer {
			t.Fatalf("%v, %+v", err, begun)
		}
		p.reopens(code)
		if err := g.p.registry.CancelTicket(t.Context(), console, id); err != nil {
			t.Fatal(err)
		}
		p.enrols()
	})
}

// TestAClaimThatWasNotTaken: the server looked at nothing, so the code is as good
// as before, and is not called lost.
func TestAClaimThatWasNotTaken(t *testing.T) {
	g := openDesk(t)
	p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	_, code := g.ticket("")
	g.loses("/enroll/claim", tooMany)
	_, err := desk.Enrol(t.Context(), p.options(code))
	if errors.As(err, new(*desk.Unfinished)) || cardside.ReasonOf(err) != cardside.ReasonServer || desk.Explain(err, cardside.French).Title != "Trop de tentatives" {
		t.Fatalf("%v", err)
	}
	if outcome, err := desk.Enrol(t.Context(), p.options(code)); err != nil || outcome.Passkey.State != "active" {
		t.Errorf("%+v, %v", outcome, err)
	}
}

// TestRulesOutsideTheProtocol: nothing is written to a card by rules that make no
// sense, and the server is told.
func TestRulesOutsideTheProtocol(t *testing.T) {
	g := openDesk(t)
	p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	_, code := g.ticket("")
	g.loses("/enroll/claim", wrongRules)
	_, err := desk.Enrol(t.Context(), p.options(code))
	var begun *desk.Unfinished
	if !errors.As(err, &begun) || !begun.Told || begun.Left != (desk.Remains{}) || cardside.ReasonOf(err) != cardside.ReasonServerAnswer {
		t.Fatalf("%v, %+v", err, begun)
	}
	p.enrols()
}

// TestStoppedAtEveryStep: Ctrl-C, then a new ticket.
func TestStoppedAtEveryStep(t *testing.T) {
	g := openDesk(t)
	for _, step := range sittingSteps() {
		t.Run(string(step), func(t *testing.T) {
			g.t = t
			p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
			id, code := g.ticket("")
			o := p.options(code)
			ctx, stop := context.WithCancel(t.Context())
			o.Tell = at(step, stop)
			_, err := desk.Enrol(ctx, o)
			p.ended(id, err, "cancelled")
			p.enrols()
		})
	}
}

// TestRemovedAtEveryAPDU: the card leaves instead of answering its n-th APDU.
// Nothing counts; put back, it is enrolled.
func TestRemovedAtEveryAPDU(t *testing.T) {
	g := openDesk(t)
	for n := 1; ; n++ {
		removed := false
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			g.t = t
			p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
			id, code := g.ticket("")
			p.chip.EjectAfter(n)
			_, err := desk.Enrol(t.Context(), p.options(code))
			if err == nil {
				return
			}
			removed = true
			var begun *desk.Unfinished
			if errors.As(err, &begun) {
				p.ended(id, err, "card-removed")
			} else if state, _ := g.state(id); state != enroll.TicketOpen || cardside.ReasonOf(err) != cardside.ReasonCardRemoved {
				t.Errorf("%s: %v", state, err)
			}
			g.reader.Eject() // it has left by itself
			if err := g.reader.Insert(p.chip); err != nil {
				t.Fatal(err)
			}
			p.enrols()
		})
		if t.Failed() || !removed {
			if n < 10 {
				t.Errorf("only %d APDUs were tried", n)
			}
			return
		}
	}
}

// TestRemovedWhilePeopleType: a card that leaves while nothing is said to it ends
// the sitting too, even where it, or another one, is put back at once.
func TestRemovedWhilePeopleType(t *testing.T) {
	g := openDesk(t)
	for name, back := range map[string]func(*person) *virtualcard.Card{
		"and does not come back": nil,
		"and comes back":         func(p *person) *virtualcard.Card { return p.chip },
		"and another comes": func(*person) *virtualcard.Card {
			other, err := virtualcard.New(virtualcard.Options{Protocol: virtualcard.T1, KeepATR: true})
			if err != nil {
				t.Fatal(err)
			}
			return other
		},
	} {
		t.Run(name, func(t *testing.T) {
			g.t = t
			p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
			before := p.chip.Engine().State()
			id, code := g.ticket("")
			o := p.options(code)
			var after *virtualcard.Card
			o.Person.NewPIN = func(ctx context.Context, _ int, _ error) ([]byte, error) {
				g.reader.Eject()
				if back != nil {
					after = back(p)
					if err := g.reader.Insert(after); err != nil {
						t.Error(err)
					}
					return []byte(fidoPIN), nil // faster than anybody can look
				}
				<-ctx.Done()
				return nil, context.Cause(ctx)
			}
			_, err := desk.Enrol(t.Context(), o)
			p.ended(id, err, "card-removed")
			p.untouched(before)
			if after != nil && after.Engine().State().PINHash != nil {
				t.Error("the card put in was written to")
			}
		})
	}
}
