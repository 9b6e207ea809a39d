//go:build linux && cgo

package main

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"cpsgate/cardside"
	"cpsgate/cardside/desk"
	"cpsgate/cardside/pkcs11"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// enterprise is an applet that can name itself.
func (g *guichet) enterprise() authenticator.Options {
	pair, err := g.pki.Attestation(authenticator.DefaultAAGUID)
	if err != nil {
		g.t.Fatal(err)
	}
	return authenticator.Options{Enterprise: authenticator.Attestation{Key: pair.Key, Chain: [][]byte{pair.Certificate.Raw}}}
}

// TestDeskPolicyReachesTheCard: what the hospital settles is so on the card
// once the passkey is active.
func TestDeskPolicyReachesTheCard(t *testing.T) {
	var given []byte
	for name, c := range map[string]struct {
		policy func(*DeskConfig)
		chip   func(*guichet) virtualcard.Options
		bend   func(*desk.Options)
		so     func(*testing.T, desk.Outcome, authenticator.State)
	}{
		"the least length": {
			policy: func(c *DeskConfig) { c.SetMinPINLength, c.MinPINLength = true, 8 },
			bend: func(o *desk.Options) {
				o.Person.NewPIN = func(_ context.Context, least int, _ error) ([]byte, error) {
					if least != 8 {
						t.Errorf("asked for %d characters", least)
					}
					return []byte("27182818"), nil
				}
			},
			so: func(t *testing.T, _ desk.Outcome, s authenticator.State) {
				if s.MinPINLength != 8 || s.ForceChange {
					t.Errorf("%d characters, change forced: %v", s.MinPINLength, s.ForceChange)
				}
			},
		},
		"a first PIN, to be changed": {
			policy: func(c *DeskConfig) { c.ForcePINChange = true },
			bend: func(o *desk.Options) {
				o.Person.NewPIN = nil
				o.Person.Give = func(first []byte) error { given = bytes.Clone(first); return nil }
			},
			so: func(t *testing.T, o desk.Outcome, s authenticator.State) {
				if !s.ForceChange || o.PIN != desk.PINDrawn || len(given) < 6 || s.PINLength != len(given) {
					t.Errorf("change forced: %v; %s; %d digits given, %d set", s.ForceChange, o.PIN, len(given), s.PINLength)
				}
			},
		},
		"the passkey's protection": {
			policy: func(c *DeskConfig) { c.CredProtect = 3 },
			so: func(t *testing.T, _ desk.Outcome, s authenticator.State) {
				if s.Credentials[0].Protection != 3 {
					t.Errorf("credProtect %d", s.Credentials[0].Protection)
				}
			},
		},
		"enterprise attestation": {
			policy: func(c *DeskConfig) { c.EnterpriseAttestation = true },
			chip:   func(g *guichet) virtualcard.Options { return virtualcard.Options{FIDO: g.enterprise()} },
			so: func(t *testing.T, _ desk.Outcome, s authenticator.State) {
				if !s.Enterprise {
					t.Error("it is not enabled")
				}
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			g := openDesk(t, func(g *guichet) { c.policy(&g.config.Desk) })
			chip := virtualcard.Options{}
			if c.chip != nil {
				chip = c.chip(g)
			}
			p := g.comes(testpki.CardSpec{}, chip)
			_, code := g.ticket("")
			o := p.options(code)
			if c.bend != nil {
				c.bend(&o)
			}
			outcome, err := desk.Enrol(t.Context(), o)
			if err != nil || outcome.Passkey.State != "active" || outcome.Requests > 6 {
				t.Fatalf("%+v, %v", outcome, err)
			}
			c.so(t, outcome, p.chip.Engine().State())
		})
	}
}

// TestDeskPolicyUnmet: an applet that cannot do what is demanded is told so before
// anybody types and before anything is written or erased.
func TestDeskPolicyUnmet(t *testing.T) {
	old := virtualcard.Options{PIN: fidoPIN, FIDO: authenticator.Options{Version: authenticator.CTAP20, ResetWindow: -1}}
	for name, c := range map[string]struct {
		policy func(*DeskConfig)
		chip   virtualcard.Options
	}{
		"enterprise attestation":     {policy: func(c *DeskConfig) { c.EnterpriseAttestation = true }},
		"the least length":           {policy: func(c *DeskConfig) { c.SetMinPINLength, c.MinPINLength = true, 8 }, chip: old},
		"a first PIN, to be changed": {policy: func(c *DeskConfig) { c.ForcePINChange = true }, chip: old},
		"the passkey's protection":   {policy: func(c *DeskConfig) { c.CredProtect = 3 }, chip: old},
	} {
		t.Run(name, func(t *testing.T) {
			g := openDesk(t, func(g *guichet) { c.policy(&g.config.Desk) })
			p := g.comes(testpki.CardSpec{}, c.chip)
			before := p.chip.Engine().State()
			id, code := g.ticket("")
			o := p.erasing(id, code)
			o.Person.CardPIN = func(context.Context, pkcs11.Token) ([]byte, error) {
				t.Error("the card's code was asked for")
				return nil, pkcs11.ErrPINCancelled
			}
			_, err := desk.Enrol(t.Context(), o)
			p.stopped(id, err, cardside.ReasonPolicy)
			p.untouched(before)
		})
	}
}

// TestLibfido2CannotAskForSettings: nor is a card begun with that it would leave
// half done.
func TestLibfido2CannotAskForSettings(t *testing.T) {
	g := openDesk(t, func(g *guichet) { g.config.Desk.SetMinPINLength, g.config.Desk.MinPINLength = true, 8 })
	p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	before := p.chip.Engine().State()
	id, code := g.ticket("")
	said, err := p.command(buildCardside(t), code, "--engine", "libfido2", "--json").Output()
	if err == nil || !bytes.Contains(said, []byte(`"reason": "policy-unmet"`)) {
		t.Errorf("%v: %s", err, said)
	}
	p.untouched(before)
	if state, steps := g.state(id); state != enroll.TicketAbandoned || steps != "opened claimed abandoned!policy-unmet" {
		t.Errorf("%s: %s", state, steps)
	}
}

// TestPINsAreCleared: what the person typed is in none of the buffers that it was
// handed over in, once the sitting is over, well or not.
func TestPINsAreCleared(t *testing.T) {
	g := openDesk(t)
	for name, ends := range map[string]bool{"enrolled": true, "given up": false} {
		t.Run(name, func(t *testing.T) {
			g.t = t
			p := g.comes(testpki.CardSpec{}, virtualcard.Options{PIN: "2718"}) // too short here: it is changed
			_, code := g.ticket("")
			o := p.options(code)
			ctx, stop := context.WithCancel(t.Context())
			defer stop()
			var handed [][]byte
			hand := func(pin string) ([]byte, error) {
				handed = append(handed, []byte(pin))
				return handed[len(handed)-1], nil
			}
			o.Person.CardPIN = func(context.Context, pkcs11.Token) ([]byte, error) { return hand(holderCode) }
			o.Person.CurrentPIN = func(context.Context) ([]byte, error) { return hand("2718") }
			o.Person.NewPIN = func(context.Context, int, error) ([]byte, error) {
				if !ends {
					stop()
				}
				return hand(fidoPIN)
			}
			if _, err := desk.Enrol(ctx, o); (err == nil) != ends {
				t.Fatal(err)
			}
			if len(handed) != 3 {
				t.Errorf("%d PINs were asked for", len(handed))
			}
			for _, pin := range handed {
				if !bytes.Equal(pin, make([]byte, len(pin))) {
					t.Errorf("a PIN of %d characters is still there", len(pin))
				}
			}
		})
	}
}

// TestASecondCardsCertificateIsNotTaken: the module does not say in which reader
// its card is; with two cards on the desk, it may be the other.
func TestASecondCardsCertificateIsNotTaken(t *testing.T) {
	g := openDesk(t)
	p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	other, err := virtualcard.New(virtualcard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g.beside.Put(t, other)
	id, code := g.ticket("")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	o, waited := p.options(code), desk.Step("")
	o.Desk = func(step desk.Step) { waited = step; stop() }
	if outcome, err := desk.Enrol(ctx, o); err == nil || waited != desk.StepCertificateMissing {
		t.Errorf("%+v, %v; waited at %q", outcome, err, waited)
	}
	if state, steps := g.state(id); state == enroll.TicketDone || strings.Contains(steps, "registered") {
		t.Errorf("%s: %s", state, steps)
	}
}

// TestCardsAsTheyCome: what is in the applet already, and cards that have none.
// Those that cannot be enrolled leave the ticket as it is.
func TestCardsAsTheyCome(t *testing.T) {
	g := openDesk(t)
	for name, c := range map[string]struct {
		chip  virtualcard.Options
		bend  func(*desk.Options)
		fails cardside.Reason // "": enrolled
		pin   desk.PINOutcome
		tells desk.AppletState
	}{
		"blank":                            {pin: desk.PINChosen, tells: desk.AppletBlank},
		"its PIN is known":                 {chip: virtualcard.Options{PIN: fidoPIN}, pin: desk.PINKept, tells: desk.AppletPIN},
		"its PIN is too short for us":      {chip: virtualcard.Options{PIN: "2718"}, bend: knows("2718"), pin: desk.PINChanged, tells: desk.AppletPIN},
		"its PIN is trivial":               {chip: virtualcard.Options{PIN: "111111"}, bend: knows("111111"), pin: desk.PINChanged, tells: desk.AppletPIN},
		"its PIN is not known":             {chip: virtualcard.Options{PIN: "314159"}, fails: cardside.ReasonPINWrong, tells: desk.AppletPIN},
		"one try is left":                  {chip: virtualcard.Options{PIN: fidoPIN, PINTriesLeft: 1}, fails: cardside.ReasonLastTry, tells: desk.AppletPIN},
		"a CPS3":                           {chip: virtualcard.Options{Generation: virtualcard.CPS3}, fails: cardside.ReasonCPS3},
		"a CPS4 without the application":   {chip: virtualcard.Options{Applet: virtualcard.AppletAbsent}, fails: cardside.ReasonNoApplet},
		"a CPS4 whose application is dead": {chip: virtualcard.Options{Applet: virtualcard.AppletDead}, fails: cardside.ReasonNotOverContact},
		"no CPS4": {chip: virtualcard.Options{Applet: virtualcard.AppletAbsent, ATR: []byte{0x3B, 0x80, 0x80, 0x01, 0x01}, Protocol: virtualcard.T1},
			fails: cardside.ReasonNotCPS4},
	} {
		t.Run(name, func(t *testing.T) {
			g.t = t
			p := g.comes(testpki.CardSpec{}, c.chip)
			id, code := g.ticket("")
			o := p.options(code)
			if c.bend != nil {
				c.bend(&o)
			}
			var told []desk.AppletState
			o.Tell = func(at desk.Progress) {
				if at.Step == desk.StepApplet {
					told = append(told, at.Applet)
				}
			}
			outcome, err := desk.Enrol(t.Context(), o)
			if c.tells != "" && !slices.Contains(told, c.tells) {
				t.Errorf("told of %v", told)
			}
			if c.fails == "" {
				if err != nil || outcome.PIN != c.pin || outcome.Passkey.State != "active" {
					t.Errorf("%+v, %v", outcome, err)
				}
				return
			}
			var begun *desk.Unfinished
			if cardside.ReasonOf(err) != c.fails || errors.As(err, &begun) {
				t.Errorf("%v; want %s", err, c.fails)
			}
			if state, _ := g.state(id); state != enroll.TicketOpen {
				t.Errorf("the ticket is %s", state)
			}
		})
	}
	t.Run("it holds another site's key, which stays", func(t *testing.T) {
		g.t = t
		p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
		p.enrols()
		_, code := g.ticket("")
		o := p.options(code)
		held := 0
		o.Tell = func(at desk.Progress) { held = max(held, at.Held) }
		if _, err := desk.Enrol(t.Context(), o); err != nil || held != 1 {
			t.Errorf("%d held, %v", held, err)
		}
		if all := g.passkeys(p.card.IdNat); all[identity.PasskeyActive] != 1 {
			t.Errorf("%v", all)
		}
	})
}

// TestTheNumberOfACardThatCannotSayIt: the operator who vouches names the card, and
// its number is no PIN either.
func TestTheNumberOfACardThatCannotSayIt(t *testing.T) {
	g := openDesk(t)
	p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	p.enrols()
	id, code := g.ticket(p.card.IdNat)
	o := p.erasing(id, code)
	o.Module, o.Person.Again = "/nowhere/module.so", true
	o.Desk = func(desk.Step) {
		if _, err := g.p.registry.AllowDeskProof(t.Context(), console, id, p.card.TokenID); err != nil {
			t.Error(err)
		}
	}
	var refused []cardside.Reason
	o.Person.NewPIN = func(_ context.Context, _ int, why error) ([]byte, error) {
		if why == nil {
			return []byte(p.card.TokenID[len(p.card.TokenID)-6:]), nil
		}
		refused = append(refused, cardside.ReasonOf(why))
		return []byte(fidoPIN), nil
	}
	if _, err := desk.Enrol(t.Context(), o); err != nil || !slices.Equal(refused, []cardside.Reason{cardside.ReasonPINTrivial}) {
		t.Errorf("%v, %v", refused, err)
	}
}

// knows is a person with another PIN on the card, who then chooses a better one.
func knows(pin string) func(*desk.Options) {
	return func(o *desk.Options) {
		o.Person.CurrentPIN = func(context.Context) ([]byte, error) { return []byte(pin), nil }
	}
}

// TestTrivialPINs are asked for again, and never reach the card.
func TestTrivialPINs(t *testing.T) {
	g := openDesk(t)
	p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	id, code := g.ticket("")
	o := p.options(code)
	o.Person.Again = true
	number := p.card.TokenID[len(p.card.TokenID)-6:]
	offered := []string{"111111", "123456", number, "2718", fidoPIN}
	var refused []cardside.Reason
	o.Person.NewPIN = func(_ context.Context, _ int, why error) ([]byte, error) {
		if why != nil {
			refused = append(refused, cardside.ReasonOf(why))
		}
		pin := offered[0]
		offered = offered[1:]
		return []byte(pin), nil
	}
	if _, err := desk.Enrol(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	want := []cardside.Reason{cardside.ReasonPINTrivial, cardside.ReasonPINTrivial, cardside.ReasonPINTrivial, cardside.ReasonPINTooShort}
	if !slices.Equal(refused, want) {
		t.Errorf("%v", refused)
	}
	if _, steps := g.state(id); steps != "opened claimed card-pin card options pin pin!pin-trivial pin!pin-too-short registered active" {
		t.Error(steps)
	}
}
