//go:build linux && cgo

package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"cpsgate/audit"
	"cpsgate/cardside/desk"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// phase is what the applet is asked to do, by the message that asks (CTAP 2.1 §6).
type phase struct {
	name string
	asks func(message []byte) bool
}

var phases = []phase{
	{"info", func(m []byte) bool { return m[0] == 0x04 }},
	{"setting the PIN", func(m []byte) bool { // clientPIN: {1: protocol, 2: setPIN, …
		return len(m) > 5 && m[0] == 0x06 && m[2] == 1 && m[4] == 2 && m[5] == 3
	}},
	{"making the passkey", func(m []byte) bool { return m[0] == 0x01 }},
	{"proving it", func(m []byte) bool { return m[0] == 0x02 }},
}

// halted is a workstation's program, held up while the card is at that phase:
// before it acts, or when it has acted and has not answered.
type halted struct {
	*person
	phase   phase
	acted   bool
	ticket  string
	code    string
	command *exec.Cmd
	said    bytes.Buffer
	resume  chan error
	done    chan struct{}
}

// halts runs the program until then.
func (g *guichet) halts(cardside string, chip virtualcard.Options, ph phase, acted bool) *halted {
	g.t.Helper()
	h := &halted{phase: ph, acted: acted, resume: make(chan error, 1), done: make(chan struct{})}
	reached, once := make(chan struct{}), sync.Once{}
	chip.Interrupt = func(m []byte, done bool) (err error) {
		if done == acted && ph.asks(m) {
			once.Do(func() {
				close(reached)
				err = <-h.resume
			})
		}
		return err
	}
	h.person = g.comes(testpki.CardSpec{}, chip)
	g.t.Cleanup(func() { h.goesOn(nil) }) // or the card would never leave
	h.ticket, h.code = g.ticket("")
	h.command = h.person.command(cardside, h.code, "--json")
	h.command.Stdout = &h.said
	if err := h.command.Start(); err != nil {
		g.t.Fatal(err)
	}
	go func() {
		defer close(h.done)
		_ = h.command.Wait() // its code is looked at
	}()
	select {
	case <-reached:
	case <-h.done:
		g.t.Fatalf("it ended with %d before: %s", h.command.ProcessState.ExitCode(), &h.said)
	}
	return h
}

// goesOn lets the card go on, or leave.
func (h *halted) goesOn(err error) {
	select {
	case h.resume <- err:
	default:
	}
}

// killed: the program falls, and the card goes on for nobody. Nothing is half
// enrolled once the desk has cancelled the ticket.
func (h *halted) killed() {
	h.t.Helper()
	if err := h.command.Process.Kill(); err != nil {
		h.t.Error(err)
	}
	<-h.done
	h.goesOn(nil)
	state, _ := h.state(h.ticket)
	if h.phase.name == "info" { // the code was not given yet: it still opens
		if state != enroll.TicketOpen {
			h.t.Fatalf("the ticket is %s", state)
		}
		if outcome, err := desk.Enrol(h.t.Context(), h.options(h.code)); err != nil || outcome.Passkey.State != "active" {
			h.t.Errorf("%+v, %v", outcome, err)
		}
		return
	}
	if state != enroll.TicketClaimed {
		h.t.Fatalf("the ticket is %s", state)
	}
	if held := h.passkeys(h.card.IdNat); held[identity.PasskeyActive] != 0 {
		h.t.Errorf("%v", held)
	}
	if err := h.p.registry.CancelTicket(h.t.Context(), console, h.ticket); err != nil {
		h.t.Fatal(err)
	}
	h.nothingCounts()
	h.enrols()
}

func (h *halted) nothingCounts() {
	h.t.Helper()
	if held := h.passkeys(h.card.IdNat); held[identity.PasskeyActive]+held[identity.PasskeyPending] != 0 {
		h.t.Errorf("half enrolled: %v", held)
	}
}

// restarted: the server comes back meanwhile, and the sitting goes on.
func (h *halted) restarted() {
	h.t.Helper()
	h.restart()
	h.goesOn(nil)
	<-h.done
	if code := h.command.ProcessState.ExitCode(); code != 0 {
		h.t.Fatalf("%d: %s", code, &h.said)
	}
	if state, steps := h.state(h.ticket); state != enroll.TicketDone || strings.Contains(steps, "!") {
		h.t.Errorf("%s: %s", state, steps)
	}
	if held := h.passkeys(h.card.IdNat); held[identity.PasskeyActive] != 1 || len(held) != 1 {
		h.t.Errorf("%v", held)
	}
}

// pulled: the card leaves. It is said what is left on it, the server knows, and
// put back it is enrolled.
func (h *halted) pulled() {
	h.t.Helper()
	h.goesOn(virtualcard.ErrEjected)
	<-h.done
	var failed struct {
		Error struct {
			Reason, Title, Why string
			Do                 []string
		}
		LeftOnCard *desk.Remains
	}
	if err := json.Unmarshal(h.said.Bytes(), &failed); err != nil {
		h.t.Fatalf("%v: %s", err, &h.said)
	}
	if code := h.command.ProcessState.ExitCode(); code != 4 || failed.Error.Reason != "card-removed" || failed.Error.Title == "" || len(failed.Error.Do) == 0 {
		h.t.Errorf("%d: %s", code, &h.said)
	}
	state, steps := h.state(h.ticket)
	switch {
	case h.phase.name == "info":
		if state != enroll.TicketOpen || failed.LeftOnCard != nil {
			h.t.Errorf("%s: %s; %+v", state, steps, failed.LeftOnCard)
		}
	case state != enroll.TicketAbandoned || !strings.HasSuffix(steps, "abandoned!card-removed") || failed.LeftOnCard == nil:
		h.t.Fatalf("%s: %s; %s", state, steps, &h.said)
	default:
		h.holds(*failed.LeftOnCard)
	}
	h.nothingCounts()
	h.reader.Eject() // it has left by itself
	if err := h.reader.Insert(h.chip); err != nil {
		h.t.Fatal(err)
	}
	h.enrols()
}

// TestInEveryPhase: the program as it is shipped is killed, the server restarted
// and the card pulled while the card is at work, on T=0 and on T=1.
func TestInEveryPhase(t *testing.T) {
	cardside := buildCardside(t)
	variant, err := hex.DecodeString(virtualcard.ATRCPS4Variant)
	if err != nil {
		t.Fatal(err)
	}
	for name, chip := range map[string]virtualcard.Options{"T1": {}, "T0": {Protocol: virtualcard.T0, ATR: variant}} {
		t.Run(name, func(t *testing.T) {
			g := openDesk(t)
			for _, ph := range phases {
				for _, acted := range []bool{false, true} {
					for what, happens := range map[string]func(*halted){"killed": (*halted).killed, "restarted": (*halted).restarted, "pulled": (*halted).pulled} {
						if what == "restarted" && acted { // the server does not see the difference
							continue
						}
						t.Run(fmt.Sprintf("%s, acted %t, %s", ph.name, acted, what), func(t *testing.T) {
							g.t = t
							happens(g.halts(cardside, chip, ph, acted))
						})
					}
				}
			}
		})
	}
}

// TestPulledWhileBeingEmptied: nobody knows whether the card came to it, and so
// it is said.
func TestPulledWhileBeingEmptied(t *testing.T) {
	g := openDesk(t)
	for _, acted := range []bool{false, true} {
		t.Run(fmt.Sprint("acted ", acted), func(t *testing.T) {
			g.t = t
			var pulled atomic.Bool
			p := g.comes(testpki.CardSpec{}, virtualcard.Options{PIN: fidoPIN, FIDO: authenticator.Options{ResetWindow: -1}, Interrupt: func(m []byte, done bool) error {
				if m[0] != 0x07 || done != acted || !pulled.CompareAndSwap(false, true) {
					return nil
				}
				return virtualcard.ErrEjected
			}})
			id, code := g.ticket("")
			o := p.options(code)
			o.Erase = true
			o.Desk = func(desk.Step) {
				if _, err := g.p.registry.AllowReset(t.Context(), console, id); err != nil {
					t.Error(err)
				}
			}
			_, err := desk.Enrol(t.Context(), o)
			var begun *desk.Unfinished
			if !errors.As(err, &begun) || !begun.Told || begun.Left != (desk.Remains{Perhaps: desk.ChangeErase}) || !pulled.Load() {
				t.Fatalf("%v, %+v", err, begun)
			}
			if e := g.event(audit.KindEmptied); e.Outcome != audit.Failed || e.Reason != "card-removed" || e.Card != p.card.TokenID {
				t.Errorf("%+v", e)
			}
			if blank := p.chip.Engine().State().PINHash == nil; blank != acted {
				t.Errorf("blank: %t", blank)
			}
			g.reader.Eject()
			if err := g.reader.Insert(p.chip); err != nil {
				t.Fatal(err)
			}
			p.enrols()
		})
	}
}
