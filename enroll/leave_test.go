package enroll_test

import (
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

func TestEnrolmentOnTheDesksWord(t *testing.T) {
	d := staffed(t)
	s := d.sit(t, enroll.PhaseClaimed)
	_, err := d.BeginPasskey(t.Context(), s.secret, []byte("x"))
	wantRefusal(t, err, enroll.ReasonCardUnproved)
	approval, err := d.AllowDeskProof(t.Context(), d.by(operator), s.ticket.ID, cardA)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.RegisterPasskey(t.Context(), s.secret, s.passkey, []byte("x"))
	wantRefusal(t, err, enroll.ReasonCardUnproved) // not approved yet
	d.pass(time.Minute)
	if _, err := d.Approve(t.Context(), d.by(approver), approval.ID); err != nil {
		t.Fatal(err)
	}
	if sitting, err := d.Sitting(t.Context(), s.secret); err != nil || !sitting.DeskProof || sitting.Reset {
		t.Errorf("%+v, %v", sitting, err)
	}
	if err := d.register(t, s.secret, s.passkey); err != nil {
		t.Fatal(err)
	}
	if err := d.proveUse(t, s.secret, s.passkey); err != nil {
		t.Fatal(err)
	}
	p, err := d.Passkey(t.Context(), []byte("desk"))
	want := identity.Proof{Kind: identity.ProofDesk, At: d.now, CardTokenID: cardA, Operator: operator, Approver: approver}
	if err != nil || p.Proof != want || p.CardTokenID != cardA {
		t.Errorf("%+v, %v", p, err)
	}
	events := d.events(t)
	if last := events[len(events)-1]; last.Kind != audit.KindPasskeyActive || last.Actor != operator || last.Approver != approver || last.Proof != "desk" {
		t.Errorf("%+v", last)
	}
}

// TestAKeyThatTheDeskVouchesForIsNotTheCard: it follows the card that was named,
// whose own passkey stays; nor does it make that card a CPS4.
func TestAKeyThatTheDeskVouchesForIsNotTheCard(t *testing.T) {
	d := staffed(t, enroll.Policy{CardModels: [][16]byte{cardModel}, DeskProof: enroll.Alone})
	s := d.sit(t, enroll.PhaseClaimed)
	if _, err := d.AllowDeskProof(t.Context(), d.by(operator), s.ticket.ID, cardA); err != nil {
		t.Fatal(err)
	}
	before, err := d.Card(t.Context(), cardA)
	if err != nil {
		t.Fatal(err)
	}
	s.passkey.Transports = []string{"usb"}
	if err := d.register(t, s.secret, s.passkey); err != nil {
		t.Fatal(err)
	}
	p, err := d.Passkey(t.Context(), s.passkey.ID)
	if err != nil || p.CardTokenID != "" || p.Proof.CardTokenID != cardA {
		t.Errorf("%+v, %v", p, err)
	}
	if now, err := d.Card(t.Context(), cardA); err != nil || now.Generation != before.Generation {
		t.Errorf("%+v, %v", now, err)
	}
	applet := d.key(t, "applet", alice, "", cardA)
	applet.AAGUID = cardModel
	d.add(t, applet)
	if err := d.proveUse(t, s.secret, s.passkey); err != nil {
		t.Fatal(err)
	}
	if other, err := d.Passkey(t.Context(), applet.ID); err != nil || other.CardTokenID != cardA || other.State != identity.PasskeyPending {
		t.Errorf("%+v, %v", other, err)
	}
}

func TestLeaveIsRefused(t *testing.T) {
	tests := []struct {
		name string
		act  func(t *testing.T, d *desk) error
		want enroll.Reason
	}{
		{"to a card of another", func(t *testing.T, d *desk) error {
			_, err := d.AllowDeskProof(t.Context(), d.by(operator), d.sit(t, enroll.PhaseClaimed).ticket.ID, cardB)
			return err
		}, enroll.ReasonCardOfAnother},
		{"to a card that is not known", func(t *testing.T, d *desk) error {
			_, err := d.AllowDeskProof(t.Context(), d.by(operator), d.sit(t, enroll.PhaseClaimed).ticket.ID, cardC)
			return err
		}, enroll.ReasonCardUnknown},
		{"to nobody", func(t *testing.T, d *desk) error {
			ticket, _ := d.ticket(t, "")
			_, err := d.AllowDeskProof(t.Context(), d.by(operator), ticket.ID, "")
			return err
		}, enroll.ReasonPersonUnknown},
		{"to oneself", func(t *testing.T, d *desk) error {
			ticket, _ := d.ticket(t, operator)
			_, err := d.AllowDeskProof(t.Context(), d.by(operator), ticket.ID, "")
			return err
		}, enroll.ReasonApprovalOwn},
		{"to a ticket that no workstation has taken", func(t *testing.T, d *desk) error {
			ticket, _ := d.ticket(t, alice)
			_, err := d.AllowDeskProof(t.Context(), d.by(operator), ticket.ID, "")
			return err
		}, enroll.ReasonSittingPhase},
		{"to empty a card at a ticket that no workstation has taken", func(t *testing.T, d *desk) error {
			ticket, _ := d.ticket(t, alice)
			_, err := d.AllowReset(t.Context(), d.by(operator), ticket.ID)
			return err
		}, enroll.ReasonSittingPhase},
		{"once the passkey is there", func(t *testing.T, d *desk) error {
			_, err := d.AllowReset(t.Context(), d.by(operator), d.sit(t, enroll.PhaseRegistered).ticket.ID)
			return err
		}, enroll.ReasonSittingPhase},
		{"of a ticket that is over", func(t *testing.T, d *desk) error {
			_, err := d.AllowReset(t.Context(), d.by(operator), d.sit(t, enroll.PhaseUsed).ticket.ID)
			return err
		}, enroll.ReasonTicketEnded},
		{"of a ticket too old", func(t *testing.T, d *desk) error {
			ticket, _ := d.ticket(t, alice)
			d.pass(time.Hour)
			_, err := d.AllowReset(t.Context(), d.by(operator), ticket.ID)
			return err
		}, enroll.ReasonTicketEnded},
		{"of no ticket", func(t *testing.T, d *desk) error {
			_, err := d.AllowReset(t.Context(), d.by(operator), "none")
			return err
		}, enroll.ReasonTicketUnknown},
		{"by an administrator", func(t *testing.T, d *desk) error {
			ticket, _ := d.ticket(t, alice)
			_, err := d.AllowReset(t.Context(), d.by(admin), ticket.ID)
			return err
		}, enroll.ReasonRoleMissing},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantRefusal(t, tt.act(t, staffed(t)), tt.want) })
	}
}
