//go:build linux && cgo

package main

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cpsgate/audit"
	"cpsgate/cardside/desk"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// TestDeskRefusesAttestations: applets that are not what the hospital demands.
// What they made signs nobody in.
func TestDeskRefusesAttestations(t *testing.T) {
	g := openDesk(t, func(g *guichet) {
		roots := filepath.Join(t.TempDir(), "roots")
		if err := os.Mkdir(roots, 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(roots, "root.pem"), pemOf(g.pki.AttestationRoot().Raw))
		g.config.Passkeys.Attestation, g.config.Passkeys.Roots = "require-trusted-roots", roots
		g.config.Passkeys.AAGUIDs = []string{"63707367-6174-652d-7669-727475616c31"}
	})
	attested := func(model [16]byte) authenticator.Attestation {
		pair, err := g.pki.Attestation(model)
		if err != nil {
			t.Fatal(err)
		}
		return authenticator.Attestation{Key: pair.Key, Chain: [][]byte{pair.Certificate.Raw}}
	}
	other := [16]byte{0xAA}
	for name, c := range map[string]struct {
		fido   authenticator.Options
		reason string // "": taken
	}{
		"a sound one":            {authenticator.Options{}, ""},
		"forged":                 {authenticator.Options{Fault: authenticator.FaultBadSignature}, "attestation"},
		"of another model":       {authenticator.Options{AAGUID: other, Attestation: attested(other)}, "aaguid"},
		"of another card's":      {authenticator.Options{Fault: authenticator.FaultWrongAAGUID}, "attestation"},
		"none":                   {authenticator.Options{Fault: authenticator.FaultNoStatement}, "attestation"},
		"by the key itself":      {authenticator.Options{Fault: authenticator.FaultSelf}, "attestation"},
		"by somebody else's key": {authenticator.Options{Fault: authenticator.FaultStranger}, "attestation"},
	} {
		t.Run(name, func(t *testing.T) {
			g.t = t
			if c.fido.Attestation.Key == nil {
				c.fido.Attestation = attested(authenticator.DefaultAAGUID)
			}
			p := g.comes(testpki.CardSpec{}, virtualcard.Options{FIDO: c.fido})
			id, code := g.ticket("")
			if c.reason == "" {
				if _, err := desk.Enrol(t.Context(), p.options(code)); err != nil {
					t.Fatal(err)
				}
				return
			}
			_, err := desk.Enrol(t.Context(), p.options(code))
			var refusal *desk.Refusal
			if !errors.As(err, &refusal) {
				t.Fatal(err)
			}
			if refusal.Reason != c.reason {
				t.Errorf("refused for %s; want %s", refusal.Reason, c.reason)
			}
			var begun *desk.Unfinished
			if !errors.As(err, &begun) || !begun.Left.PIN || !begun.Left.Passkey || begun.Left.Used || !begun.Told {
				t.Errorf("%+v", begun)
			}
			if held := g.passkeys(p.card.IdNat); len(held) != 0 {
				t.Errorf("kept: %v", held)
			}
			g.recorded(audit.KindPasskeyAdd, refusal.Reason)
			if state, steps := g.state(id); state != enroll.TicketAbandoned || !strings.Contains(steps, "registered!"+refusal.Reason) {
				t.Errorf("%s: %s", state, steps)
			}
		})
	}
}

// TestDeskTakesEachMessageOnce: whatever is sent again is refused, in the
// sitting, after it and in another; so is another credential's assertion.
func TestDeskTakesEachMessageOnce(t *testing.T) {
	g := openDesk(t)
	first := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	_, code := g.ticket("")
	if _, err := desk.Enrol(t.Context(), first.options(code)); err != nil {
		t.Fatal(err)
	}
	sent := g.messages()
	for _, m := range sent {
		if status, answer := g.again(t, g.Main, m); status != http.StatusConflict || !strings.Contains(answer, `"ticket-used"`) {
			t.Errorf("%s after the end: %d %s", m.path, status, answer)
		}
	}
	if err := g.reader.Eject(); err != nil {
		t.Fatal(err)
	}

	// Another sitting, in which each message of the first comes under its secret.
	second := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	id, code := g.ticket("")
	o := second.options(code)
	replayed := ""
	o.Tell = func(p desk.Progress) {
		if p.Step != desk.StepPIN {
			return
		}
		mine := g.messages()
		for _, m := range sent {
			if m.path == "/enroll/register" {
				m.bearer = mine[len(mine)-1].bearer
				_, replayed = g.again(t, g.Main, m)
			}
		}
	}
	_, err := desk.Enrol(t.Context(), o)
	var refusal *desk.Refusal
	if !errors.As(err, &refusal) || refusal.Reason != "ceremony-taken" { // the stranger's message took the question
		t.Errorf("the sitting that was disturbed: %v", err)
	}
	if !strings.Contains(replayed, `"challenge"`) {
		t.Errorf("a registration of another sitting: %s", replayed)
	}
	if state, _ := g.state(id); state != enroll.TicketAbandoned {
		t.Error(state)
	}
}

// TestAnAssertionOfAnotherCredential does not prove the new one.
func TestAnAssertionOfAnotherCredential(t *testing.T) {
	g := openDesk(t)
	p := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	_, code := g.ticket("")
	if _, err := desk.Enrol(t.Context(), p.options(code)); err != nil {
		t.Fatal(err)
	}
	var proof message
	for _, m := range g.messages() {
		if m.path == "/enroll/prove" {
			proof = m
		}
	}
	if err := g.reader.Eject(); err != nil {
		t.Fatal(err)
	}
	next := g.comes(testpki.CardSpec{}, virtualcard.Options{})
	id, code := g.ticket("")
	o := next.options(code)
	answer := ""
	o.Tell = func(p desk.Progress) {
		if p.Step == desk.StepProving {
			mine := g.messages()
			proof.bearer = mine[len(mine)-1].bearer
			_, answer = g.again(t, g.Main, proof)
		}
	}
	_, err := desk.Enrol(t.Context(), o)
	if err == nil {
		t.Error("the sitting went on with a question that was taken")
	}
	if !strings.Contains(answer, `"event"`) || strings.Contains(answer, `"active"`) {
		t.Errorf("another's assertion: %s", answer)
	}
	if state, steps := g.state(id); state != enroll.TicketAbandoned || !strings.Contains(steps, "prove!") {
		t.Errorf("%s: %s", state, steps)
	}
	if held := g.passkeys(next.card.IdNat); held[identity.PasskeyActive]+held[identity.PasskeyPending] != 0 {
		t.Errorf("%v", held)
	}
}
