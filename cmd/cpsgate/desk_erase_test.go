//go:build linux && cgo

package main

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/cardside"
	"cpsgate/cardside/desk"
	"cpsgate/cardside/pkcs11"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/cardlab"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// erasing are the options of an enrolment that empties the card, by leave that is
// given as soon as the desk can.
func (p *person) erasing(id, code string) desk.Options {
	o := p.options(code)
	o.Erase, o.Choice.Patience = true, 20*time.Second
	o.Tell = at(desk.StepClaimed, func() {
		if _, err := p.p.registry.AllowReset(p.t.Context(), console, id); err != nil {
			p.t.Error(err)
		}
	})
	return o
}

// TestNobodyElsesCardIsEmptied: a card is proved before it is erased, whoever
// gave leave and whenever.
func TestNobodyElsesCardIsEmptied(t *testing.T) {
	g := openDesk(t)
	p := g.comes(testpki.CardSpec{}, virtualcard.Options{PIN: fidoPIN, FIDO: authenticator.Options{ResetWindow: -1}})
	p.enrols()
	before := p.chip.Engine().State()
	whose := identity.PSIdNat("899900000011")
	if _, err := g.p.registry.Grant(t.Context(), console, whose, identity.RoleAuditor); err != nil { // makes the person known
		t.Fatal(err)
	}
	id, code := g.ticket(string(whose))
	_, err := desk.Enrol(t.Context(), p.erasing(id, code))
	var refusal *desk.Refusal
	var begun *desk.Unfinished
	if !errors.As(err, &refusal) || refusal.Reason != "ticket-of-another" || !errors.As(err, &begun) || begun.Left != (desk.Remains{}) {
		t.Errorf("%v, %+v", err, begun)
	}
	p.untouched(before)
	if held := g.passkeys(p.card.IdNat); held[identity.PasskeyActive] != 1 {
		t.Errorf("%v", held)
	}
}

// TestAnEmptiedCardIsRecorded: which one, where, and on what proof.
func TestAnEmptiedCardIsRecorded(t *testing.T) {
	for name, vouched := range map[string]bool{"proved": false, "vouched for": true} {
		t.Run(name, func(t *testing.T) {
			g := openDesk(t)
			p := g.comes(testpki.CardSpec{}, virtualcard.Options{PIN: fidoPIN})
			p.enrols()
			id, code := g.ticket(p.card.IdNat)
			o := p.erasing(id, code)
			proof, want := "same-card", "opened claimed reset card-pin card options reset-needed reset-done pin registered active"
			if vouched {
				proof, want = "desk", "opened claimed reset certificate-missing desk-proof options reset-done pin registered active"
				o.Module = "/nowhere/module.so"
				o.Desk = func(desk.Step) {
					if _, err := g.p.registry.AllowDeskProof(t.Context(), console, id, p.card.TokenID); err != nil {
						t.Error(err)
					}
				}
			}
			outcome, err := desk.Enrol(t.Context(), o)
			if err != nil || outcome.Passkey.State != "active" || outcome.PIN != desk.PINChosen || string(outcome.Proof) != proof {
				t.Fatalf("%+v, %v", outcome, err)
			}
			if _, steps := g.state(id); steps != want {
				t.Error(steps)
			}
			e := g.event(audit.KindEmptied)
			if e.Outcome != audit.Done || e.Card != p.card.TokenID || e.Subject != identity.PSIdNat(p.card.IdNat) || e.Actor != "console" ||
				e.Reader != g.reader.Name || e.Workstation != "GUICHET-2" || e.Proof != proof || e.Detail != "ticket "+id {
				t.Errorf("%+v", e)
			}
			if held := g.passkeys(p.card.IdNat); held[identity.PasskeyActive] != 1 || len(held) != 1 {
				t.Errorf("%v", held)
			}
		})
	}
}

// sweptNow is the step that a ticket takes when the program finds it out of date.
var sweptNow = regexp.MustCompile(` ?expired(!\S*)?`)

// TestAnEmptiedCardIsRecordedWhateverTheEnd: the card is empty by the time that the
// ticket ends, the message gets lost or the person leaves.
func TestAnEmptiedCardIsRecordedWhateverTheEnd(t *testing.T) {
	g := openDesk(t)
	for name, c := range map[string]struct {
		happens func(id string, leave func())
		state   enroll.TicketState
		outcome audit.Outcome
		steps   string
	}{
		"cancelled": {func(id string, _ func()) {
			if err := g.p.registry.CancelTicket(t.Context(), console, id); err != nil {
				t.Error(err)
			}
		}, enroll.TicketCancelled, audit.Done, "cancelled!test reset-done"},
		"expired":          {func(string, func()) { g.offset.Add(int64(16 * time.Minute)) }, enroll.TicketExpired, audit.Done, "reset-needed reset-done"},
		"the message lost": {func(string, func()) { g.loses("/enroll/step", loseMessage) }, enroll.TicketAbandoned, audit.Done, "reset-done abandoned!server-unreachable"},
		"left":             {func(_ string, leave func()) { leave() }, enroll.TicketAbandoned, "", "abandoned!cancelled"}, // heard or not
	} {
		t.Run(name, func(t *testing.T) {
			g.t = t
			ctx, leave := context.WithCancel(t.Context())
			defer leave()
			var emptied atomic.Bool
			var id, code string
			p := g.comes(testpki.CardSpec{}, virtualcard.Options{PIN: fidoPIN, FIDO: authenticator.Options{ResetWindow: -1}, Interrupt: func(m []byte, done bool) error {
				if m[0] == 0x07 && done && emptied.CompareAndSwap(false, true) {
					c.happens(id, leave)
				}
				return nil
			}})
			id, code = g.ticket("")
			o := p.erasing(id, code)
			o.Patience = -time.Second
			_, err := desk.Enrol(ctx, o)
			var begun *desk.Unfinished
			if !errors.As(err, &begun) || !begun.Told || !emptied.Load() || !begun.Left.Erased && begun.Left.Perhaps != desk.ChangeErase {
				t.Fatalf("%v, %+v", err, begun)
			}
			state, steps := g.state(id)
			steps = sweptNow.ReplaceAllString(steps, "") // the program sweeps when it likes
			if state != c.state || !strings.HasSuffix(steps, c.steps) {
				t.Errorf("%s: %s", state, steps)
			}
			e := g.event(audit.KindEmptied)
			late := strings.HasSuffix(e.Detail, " after its end")
			if c.outcome != "" && e.Outcome != c.outcome || e.Card != p.card.TokenID || e.Proof != "same-card" || !strings.HasPrefix(e.Detail, "ticket "+id) || late != (state != enroll.TicketAbandoned) {
				t.Errorf("%+v", e)
			}
		})
	}
}

// stopped wants a sitting that ended before anything was changed on its card.
func (p *person) stopped(id string, err error, reason cardside.Reason) {
	p.t.Helper()
	var begun *desk.Unfinished
	if !errors.As(err, &begun) || !begun.Told || begun.Left != (desk.Remains{}) || cardside.ReasonOf(err) != reason {
		p.t.Errorf("%v, %+v; want %s", err, begun, reason)
	}
	if state, steps := p.state(id); state != enroll.TicketAbandoned || !strings.HasSuffix(steps, "abandoned!"+string(reason)) {
		p.t.Errorf("%s: %s", state, steps)
	}
}

// watch is a clock by which no reset is in time until the card has been taken out.
type watch struct {
	late   atomic.Bool
	offset atomic.Int64
}

func (w *watch) now() time.Time {
	if w.late.Load() {
		w.offset.Add(int64(time.Minute))
	}
	return time.Now().Add(time.Duration(w.offset.Load()))
}

// TestACardPutBackProvesItselfAgain: where the reader does not cut the power the
// card is taken out to be erased. What comes back shows its certificate before
// that, and its code after.
func TestACardPutBackProvesItselfAgain(t *testing.T) {
	g := openDesk(t)
	hands := &watch{}
	chip := virtualcard.Options{PIN: fidoPIN, FIDO: authenticator.Options{Now: hands.now}}
	enters := func(t *testing.T) (*person, string, desk.Options, *atomic.Int32) {
		g.t = t
		hands.late.Store(false)
		p := g.comes(testpki.CardSpec{}, chip)
		hands.late.Store(true)
		id, code := g.ticket("")
		o, codes := p.erasing(id, code), new(atomic.Int32)
		o.Person.CardPIN = func(context.Context, pkcs11.Token) ([]byte, error) {
			codes.Add(1)
			return []byte(holderCode), nil
		}
		return p, id, o, codes
	}
	// obeys takes the card out when that is asked for, and puts one in.
	obeys := func(t *testing.T, o *desk.Options, put func() *virtualcard.Card) (asked *atomic.Bool) {
		asked = new(atomic.Bool)
		o.Choice.Waiting = func(w cardside.Waiting) {
			if w.For == cardside.ForRemoval && asked.CompareAndSwap(false, true) {
				go func() {
					hands.late.Store(false)
					if err := errors.Join(g.reader.Eject(), g.reader.Insert(put())); err != nil {
						t.Error(err)
					}
				}()
			}
		}
		return asked
	}
	t.Run("the same", func(t *testing.T) {
		p, id, o, codes := enters(t)
		asked := obeys(t, &o, func() *virtualcard.Card { return p.chip })
		outcome, err := desk.Enrol(t.Context(), o)
		if err != nil || outcome.Passkey.State != "active" || !asked.Load() || codes.Load() != 2 {
			t.Errorf("%+v, %v; asked for: %v, %d codes", outcome, err, asked.Load(), codes.Load())
		}
		if _, steps := g.state(id); strings.Count(steps, "card-pin") != 2 {
			t.Error(steps)
		}
	})
	t.Run("another of its kind", func(t *testing.T) {
		p, id, o, _ := enters(t)
		before := p.chip.Engine().State()
		other, err := g.pki.Card(testpki.CardSpec{})
		if err != nil {
			t.Fatal(err)
		}
		token, err := cardlab.MakeToken(t.Context(), t.TempDir(), other, cardlab.TokenOptions{PIN: holderCode})
		if err != nil {
			t.Fatal(err)
		}
		second, err := virtualcard.New(virtualcard.Options{PIN: fidoPIN, Protocol: virtualcard.T1, KeepATR: true, FIDO: authenticator.Options{ResetWindow: -1}})
		if err != nil {
			t.Fatal(err)
		}
		obeys(t, &o, func() *virtualcard.Card {
			if err := os.Setenv("SOFTHSM2_CONF", token.Configuration); err != nil { // NewToken puts it back
				t.Error(err)
			}
			return second
		})
		untouched := second.Engine().State()
		_, err = desk.Enrol(t.Context(), o)
		p.stopped(id, err, cardside.ReasonAnotherCard)
		p.untouched(before)
		p.chip = second
		p.untouched(untouched)
	})
	t.Run("the same, and its ticket was cancelled meanwhile", func(t *testing.T) {
		p, id, o, _ := enters(t)
		before := p.chip.Engine().State()
		obeys(t, &o, func() *virtualcard.Card {
			if err := g.p.registry.CancelTicket(t.Context(), console, id); err != nil {
				t.Error(err)
			}
			return p.chip
		})
		if begun := p.refused(o, "ticket-cancelled"); begun == nil || !begun.Told || begun.Left != (desk.Remains{}) {
			t.Errorf("%+v", begun)
		}
		p.untouched(before)
		if state, steps := g.state(id); state != enroll.TicketCancelled || strings.Contains(steps, enroll.StepEmptied) {
			t.Errorf("%s: %s", state, steps)
		}
	})
	t.Run("none: the desk vouched for the one that was there", func(t *testing.T) {
		p, id, o, _ := enters(t)
		before := p.chip.Engine().State()
		asked := obeys(t, &o, func() *virtualcard.Card { return p.chip })
		o.Module = "/nowhere/module.so"
		if _, err := g.p.registry.Grant(t.Context(), console, identity.PSIdNat(p.card.IdNat), identity.RoleAuditor); err != nil {
			t.Fatal(err)
		}
		if err := g.p.registry.CancelTicket(t.Context(), console, id); err != nil {
			t.Fatal(err)
		}
		id, o.Code = g.ticket(p.card.IdNat)
		o.Tell = at(desk.StepClaimed, func() {
			_, reset := g.p.registry.AllowReset(t.Context(), console, id)
			_, proof := g.p.registry.AllowDeskProof(t.Context(), console, id, "")
			if err := errors.Join(reset, proof); err != nil {
				t.Error(err)
			}
		})
		_, err := desk.Enrol(t.Context(), o)
		p.stopped(id, err, cardside.ReasonResetTooLate)
		p.untouched(before)
		if asked.Load() {
			t.Error("it was asked for")
		}
	})
}

// TestLeaveToEmptyComesAfterTheProof: the server says so to no workstation before.
func TestLeaveToEmptyComesAfterTheProof(t *testing.T) {
	g := openDesk(t)
	p := g.comes(testpki.CardSpec{}, virtualcard.Options{PIN: fidoPIN})
	id, code := g.ticket("")
	sitting, secret, err := g.p.registry.Claim(t.Context(), code, enroll.Workstation{Name: "GUICHET-2"}, enroll.Applet{})
	if err != nil {
		t.Fatal(err)
	}
	leaves := []bool{sitting.Reset}
	look := func(_ any, err error) {
		if err != nil {
			t.Fatal(err)
		}
		if sitting, err = g.p.registry.Sitting(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		leaves = append(leaves, sitting.Reset)
	}
	look(g.p.registry.AllowReset(t.Context(), console, id))
	holder := identity.Cardholder{Professional: identity.Professional{IdNat: identity.PSIdNat(p.card.IdNat)}, Card: identity.Card{TokenID: p.card.TokenID}}
	look(g.p.registry.ProveCard(t.Context(), secret, holder))
	if !slices.Equal(leaves, []bool{false, false, true}) {
		t.Errorf("%v", leaves)
	}
}
