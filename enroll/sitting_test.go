package enroll_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

var phases = []enroll.Phase{enroll.PhaseNone, enroll.PhaseClaimed, enroll.PhaseProved, enroll.PhaseRegistered, enroll.PhaseUsed}

func TestFromCodeToActivePasskey(t *testing.T) {
	d := staffed(t)
	before := len(d.events(t))
	s := d.sit(t, enroll.PhaseUsed)
	for id, want := range map[string]string{"desk": "active", "used": "revoked", "fresh": "revoked", "usb": "active", "bob": "pending"} {
		if got := d.state(t, id); got != want { // the applet holds one; the key is no applet
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
	p, err := d.Passkey(t.Context(), []byte("desk"))
	want := identity.Proof{Kind: identity.ProofSameCard, At: noon, CardTokenID: cardA, Operator: operator}
	if err != nil || p.Proof != want || p.CardTokenID != cardA || p.SignCount != 1 {
		t.Errorf("%+v, %v", p, err)
	}
	ticket, err := d.Ticket(t.Context(), s.ticket.ID)
	if err != nil || ticket.State != enroll.TicketDone || ticket.Card != cardA || string(ticket.PasskeyID) != "desk" {
		t.Errorf("%+v, %v", ticket, err)
	}
	if got := stepsOf(ticket); got != "opened claimed card options registered active" {
		t.Errorf("steps %q", got)
	}
	if c, err := d.Card(t.Context(), cardA); err != nil || c.Generation != identity.GenerationCPS4 {
		t.Errorf("%+v, %v", c, err)
	}
	events := d.events(t)[before:]
	var kinds []string
	for _, e := range events {
		kinds = append(kinds, e.Kind)
		if e.Subject != alice || !strings.Contains(e.Detail, s.ticket.ID) {
			t.Errorf("%+v", e)
		}
	}
	if !slices.Equal(kinds, []string{audit.KindTicketOpen, audit.KindTicketClaim, audit.KindTicketCard, audit.KindPasskeyAdd, audit.KindPasskeyActive}) {
		t.Fatalf("recorded %v", kinds)
	}
	wide := events[4]
	if wide.Actor != operator || wide.Card != cardA || wide.CredentialHash != audit.HashCredential([]byte("desk")) || wide.AAGUID == "" ||
		wide.Attestation != "recorded" || wide.Proof != "same-card" || wide.Workstation != "GUICHET-1" || wide.Reader != "Reader 00" {
		t.Errorf("%+v", wide)
	}
	slices.Sort(d.told)
	if want := []string{"passkey fresh revoked", "passkey used revoked"}; !slices.Equal(d.told, want) {
		t.Errorf("told %q", d.told)
	}
}

func stepsOf(t enroll.Ticket) string {
	var names []string
	for _, s := range t.Steps {
		name := s.Name
		if !s.OK {
			name += "!" + s.Detail
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}

func TestTheCardSaysWhoItIs(t *testing.T) {
	d := staffed(t)
	_, code := d.ticket(t, "")
	sitting, secret := d.claim(t, code)
	if sitting.Holder.IdNat != "" {
		t.Fatalf("%+v", sitting.Holder)
	}
	sitting, err := d.ProveCard(t.Context(), secret, holder(carol, cardC, "0C"))
	if err != nil || sitting.Holder.IdNat != carol || sitting.Ticket.Holder != carol {
		t.Errorf("%+v, %v", sitting, err)
	}
	again, err := d.ProveCard(t.Context(), secret, holder(carol, cardC, "0C")) // the answer was lost
	if err != nil || len(again.Ticket.Steps) != len(sitting.Ticket.Steps) {
		t.Errorf("%+v, %v", again, err)
	}
}

func TestSittingRefusesWhatIsNotItsTurn(t *testing.T) {
	acts := map[string]struct {
		allowed []enroll.Phase
		do      func(t *testing.T, d *desk, s sat) error
	}{
		"prove": {[]enroll.Phase{enroll.PhaseClaimed, enroll.PhaseProved}, func(t *testing.T, d *desk, s sat) error { return d.prove(t, s.secret) }},
		"begin": {[]enroll.Phase{enroll.PhaseProved}, func(t *testing.T, d *desk, s sat) error {
			_, err := d.BeginPasskey(t.Context(), s.secret, []byte("x"))
			return err
		}},
		"register": {[]enroll.Phase{enroll.PhaseProved}, func(t *testing.T, d *desk, s sat) error {
			_, err := d.RegisterPasskey(t.Context(), s.secret, s.passkey, []byte("x"))
			return err
		}},
		"prove again": {[]enroll.Phase{enroll.PhaseRegistered}, func(t *testing.T, d *desk, s sat) error {
			_, err := d.BeginProof(t.Context(), s.secret, []byte("x"))
			return err
		}},
		"use": {[]enroll.Phase{enroll.PhaseRegistered}, func(t *testing.T, d *desk, s sat) error {
			_, err := d.ProveUse(t.Context(), s.secret, s.passkey, []byte("proof of use"))
			return err
		}},
		"abandon": {[]enroll.Phase{enroll.PhaseClaimed, enroll.PhaseProved, enroll.PhaseRegistered}, func(t *testing.T, d *desk, s sat) error {
			return d.Abandon(t.Context(), s.secret, "person-left")
		}},
	}
	for _, phase := range phases {
		d := staffed(t)
		s := d.sit(t, phase)
		before := len(d.events(t))
		for name, act := range acts {
			if slices.Contains(act.allowed, phase) {
				continue
			}
			t.Run(fmt.Sprintf("%s when %q", name, phase), func(t *testing.T) {
				if err := act.do(t, d, s); !errors.As(err, new(*enroll.Refusal)) {
					t.Fatalf("error %v", err)
				}
				if len(d.events(t)) != before {
					t.Error("it was recorded as done")
				}
			})
		}
	}
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			d := staffed(t)
			wantRefusal(t, act.do(t, d, d.sit(t, act.allowed[0])), "")
		})
	}
}

func TestAMessageSentAgainFindsNothing(t *testing.T) {
	d := staffed(t)
	s := d.sit(t, enroll.PhaseProved)
	_, _, err := d.TakeCeremony(t.Context(), s.secret)
	wantRefusal(t, err, enroll.ReasonCeremonyTaken) // none was begun
	if _, err := d.BeginPasskey(t.Context(), s.secret, []byte("one")); err != nil {
		t.Fatal(err)
	}
	if _, err := d.BeginPasskey(t.Context(), s.secret, []byte("two")); err != nil { // the answer was lost
		t.Fatal(err)
	}
	if _, got, err := d.TakeCeremony(t.Context(), s.secret); err != nil || string(got) != "two" {
		t.Errorf("took %q, %v", got, err)
	}
	_, _, err = d.TakeCeremony(t.Context(), s.secret)
	wantRefusal(t, err, enroll.ReasonCeremonyTaken)
	for _, size := range []int{0, 16<<10 + 1} {
		if _, err := d.BeginPasskey(t.Context(), s.secret, make([]byte, size)); err == nil {
			t.Errorf("kept %d bytes", size)
		}
	}
}

// TestAProofThatWasNotKept: it may come again, until another is asked for or it
// was found wrong.
func TestAProofThatWasNotKept(t *testing.T) {
	d := staffed(t)
	s := d.sit(t, enroll.PhaseRegistered)
	first, err := d.PendingProof(t.Context(), s.secret)
	if err != nil || string(first) != "proof of use" {
		t.Fatalf("%q, %v", first, err)
	}
	d = d.again(t)
	if same, err := d.PendingProof(t.Context(), s.secret); err != nil || string(same) != string(first) {
		t.Errorf("%q, %v", same, err)
	}
	if _, err := d.BeginProof(t.Context(), s.secret, []byte("another")); err != nil {
		t.Fatal(err)
	}
	for _, answered := range [][]byte{first, nil} {
		_, err = d.ProveUse(t.Context(), s.secret, s.passkey, answered)
		wantRefusal(t, err, enroll.ReasonCeremonyTaken)
	}
	if _, _, err := d.TakeCeremony(t.Context(), s.secret); err != nil { // it was found wrong
		t.Fatal(err)
	}
	wantRefusal(t, d.proveUse(t, s.secret, s.passkey), enroll.ReasonCeremonyTaken)
	_, err = d.ProveUse(t.Context(), s.secret, s.passkey, []byte("another"))
	wantRefusal(t, err, enroll.ReasonCeremonyTaken)
}

func TestACardOfAnotherEndsTheSitting(t *testing.T) {
	tests := map[string]struct {
		until  enroll.Phase
		holder identity.Cardholder
	}{
		"another person's":           {enroll.PhaseClaimed, holder(bob, cardB, "02")},
		"another card of the person": {enroll.PhaseProved, holder(alice, cardC, "0C")},
		"swapped after it was read":  {enroll.PhaseProved, holder(bob, cardB, "02")},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d := staffed(t)
			s := d.sit(t, tt.until)
			_, err := d.ProveCard(t.Context(), s.secret, tt.holder)
			wantRefusal(t, err, enroll.ReasonTicketOfAnother)
			ticket, err := d.Ticket(t.Context(), s.ticket.ID)
			if err != nil || ticket.State != enroll.TicketAbandoned || ticket.StateReason != "ticket-of-another" {
				t.Errorf("%+v, %v", ticket, err)
			}
			wantRefusal(t, d.prove(t, s.secret), enroll.ReasonTicketEnded)
			if _, err := d.Card(t.Context(), cardC); !errors.Is(err, enroll.ErrNotFound) {
				t.Errorf("the card was admitted: %v", err)
			}
		})
	}
}

func TestARefusalIsShownAndTheSittingGoesOn(t *testing.T) {
	d := staffed(t)
	s := d.sit(t, enroll.PhaseClaimed)
	d.set(t, cardA, identity.CardSuspended)
	wantRefusal(t, d.prove(t, s.secret), enroll.ReasonCardSuspended)
	if err := d.Note(t.Context(), s.secret, "pin-set", "", true); err != nil {
		t.Fatal(err)
	}
	d.set(t, cardA, identity.CardActive)
	wantRefusal(t, d.prove(t, s.secret), "")
	ticket, err := d.Ticket(t.Context(), s.ticket.ID)
	if got := stepsOf(ticket); err != nil || got != "opened claimed card!card-suspended pin-set card" {
		t.Errorf("steps %q, %v", got, err)
	}
}

func TestAWorkstationCannotFillTheDesk(t *testing.T) {
	d := staffed(t)
	_, code := d.ticket(t, alice)
	long := strings.Repeat("é\u202e", 1000)
	applet := enroll.Applet{AAGUID: long, Versions: slices.Repeat([]string{long}, 100), Options: map[string]bool{}}
	for i := range 1000 {
		applet.Options[fmt.Sprint(i)] = true
	}
	sitting, secret, err := d.Claim(t.Context(), code, enroll.Workstation{Name: long, Reader: long, Address: long, Generation: "cps9"}, applet)
	if err != nil {
		t.Fatal(err)
	}
	at, a := sitting.Ticket.Workstation, sitting.Ticket.Applet
	if len(at.Name) > 128 || len(at.Reader) > 128 || strings.Contains(at.Name, "\u202e") || at.Generation != identity.GenerationUnknown ||
		len(a.AAGUID) > 64 || len(a.Versions) > 16 || len(a.Versions[0]) > 32 || len(a.Options) > 64 {
		t.Errorf("%+v", sitting.Ticket)
	}
	for range 100 {
		if err := d.Note(t.Context(), secret, long, long, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Abandon(t.Context(), secret, "left"); err != nil {
		t.Fatal(err)
	}
	ticket, err := d.Ticket(t.Context(), sitting.Ticket.ID)
	if last := ticket.Steps[len(ticket.Steps)-1]; err != nil || len(ticket.Steps) > 60 || last.Name != enroll.StepAbandoned {
		t.Errorf("%d steps, the last %+v, %v", len(ticket.Steps), last, err)
	}
}

func TestRegisterPasskeyRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(t *testing.T, d *desk, p *identity.Passkey)
		want   enroll.Reason
	}{
		{"nothing of a good one", func(*testing.T, *desk, *identity.Passkey) {}, ""},
		{"another's", func(t *testing.T, d *desk, p *identity.Passkey) { *p = d.made(t, "desk", bob) }, enroll.ReasonTicketOfAnother},
		{"one that is known", func(_ *testing.T, _ *desk, p *identity.Passkey) { p.ID = []byte("bob") }, enroll.ReasonPasskeyExists},
		{"a PIN shorter than the policy's", func(_ *testing.T, _ *desk, p *identity.Passkey) { p.MinPINLength = 5 }, enroll.ReasonPINLength},
		{"a name that does not print", func(_ *testing.T, _ *desk, p *identity.Passkey) { p.Name = "\x1b" }, enroll.ReasonPasskeyName},
		{"a card suspended meanwhile", func(t *testing.T, d *desk, _ *identity.Passkey) { d.set(t, cardA, identity.CardSuspended) }, enroll.ReasonCardSuspended},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := staffed(t, enroll.Policy{Applet: enroll.AppletPolicy{MinPINLength: 6}})
			s := d.sit(t, enroll.PhaseProved)
			tt.change(t, d, &s.passkey)
			wantRefusal(t, d.register(t, s.secret, s.passkey), tt.want)
		})
	}
}

func TestProveUseRefuses(t *testing.T) {
	d := staffed(t)
	s := d.sit(t, enroll.PhaseRegistered)
	wantRefusal(t, d.proveUse(t, s.secret, identity.Passkey{ID: []byte("used")}), enroll.ReasonOtherCredential)
	d.set(t, cardA, identity.CardSuspended)
	err := d.proveUse(t, s.secret, s.passkey)
	wantRefusal(t, err, enroll.ReasonPasskeySuspended)
	if got := d.state(t, "desk"); got != "suspended" {
		t.Errorf("it is %s", got)
	}
}
