package e2e

import (
	"bytes"
	"reflect"
	"strings"
	"testing"

	"cpsgate/internal/chromium"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
	"cpsgate/internal/virtualcard/authenticator"
)

// deskOutcome is what cardside says of a ticket that is done.
type deskOutcome struct {
	Passkey             struct{ State string }
	Proof, TokenID, PIN string
}

// recorded wants an act of the desk in the log, by the one and with the other.
func (s *staff) recorded(kind string) {
	s.t.Helper()
	log := s.cpsgate("audit", "export", "--data", s.path("data"), "--kind", kind)
	for _, part := range []string{`"actor":"` + s.admin.IdNat + `"`, `"approver":"` + s.second.IdNat + `"`} {
		if !strings.Contains(log, part) {
			s.t.Errorf("%s is not in the log's %s:\n%s", part, kind, log)
		}
	}
	s.cpsgate("audit", "verify", "--data", s.path("data"))
}

// TestDeskVouches: where the certificate cannot be used, the operator's word
// stands for it once another person has approved, and the evidence says so.
func TestDeskVouches(t *testing.T) {
	chromium.Need(t)
	h := openHospital(t, nil)
	s := h.openDesk()
	p := h.comes(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 10}, virtualcard.Options{})
	h.write(h.path("people.csv"), []byte("ps_idnat,family_name,given_name,profession\n"+p.card.IdNat+",EXEMPLE,Camille,10\n"))
	h.cpsgate("people", "import", "--data", h.path("data"), h.path("people.csv"))

	w := p.cardside("enroll", s.opensTicket(p.card.IdNat), "--module", "/nowhere/module.so", "--workstation", "GUICHET-2", "--pin-fd", "4")
	s.operator.WaitFor("#vouch summary")
	s.operator.Shows("GUICHET-2")
	s.operator.Click("#vouch summary")
	s.operator.Type("#vouch-reason", "carte d’identité vue, module absent")
	s.operator.Press(chromium.KeyEnter)
	s.operator.Shows("Une demande attend une autre personne")
	pictures(t, s.operator, "desk-vouch-asked")
	s.approves("Enrôler sans le certificat de la carte")
	s.operator.Shows("Garantie du guichet – donnée")
	w.types(w.pin, fidoPIN)
	var outcome deskOutcome
	w.reads(&outcome)
	w.ends(exitDone)
	if outcome.Passkey.State != "active" || outcome.Proof != "desk" || outcome.TokenID != "" {
		t.Errorf("%+v", outcome)
	}
	s.operator.Until("the end", `document.activeElement?.id === "next-ticket"`)
	p.signsIn()
	s.recorded("ticket.desk-proof")
}

// TestDeskResets: a card that holds something is emptied once another person has
// approved, and not before.
func TestDeskResets(t *testing.T) {
	chromium.Need(t)
	h := openHospital(t, nil)
	s := h.openDesk()
	p := h.comes(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 10},
		virtualcard.Options{PIN: "314159", FIDO: authenticator.Options{ResetWindow: -1}})
	before := p.chip.Engine().State()

	w := p.cardside("enroll", s.opensTicket(""), "--really-erase-this-card",
		"--module", p.token.Module, "--workstation", "GUICHET-2", "--card-pin-fd", "3", "--pin-fd", "4")
	s.operator.WaitFor("#reset-reason")
	s.operator.Type("#reset-reason", "code oublié, le porteur est d’accord")
	s.operator.Press(chromium.KeyEnter)
	s.operator.Shows("Une demande attend une autre personne")
	if !reflect.DeepEqual(p.chip.Engine().State(), before) {
		t.Error("the card was written to before anybody approved")
	}
	s.approves("Vider une carte avant de l’enrôler")
	w.types(w.cardPIN, holderCode)
	w.types(w.pin, fidoPIN)
	var outcome deskOutcome
	w.reads(&outcome)
	w.ends(exitDone)
	if outcome.Passkey.State != "active" || outcome.Proof != "same-card" || outcome.PIN != "chosen" {
		t.Errorf("%+v", outcome)
	}
	if after := p.chip.Engine().State(); len(after.Credentials) != 1 || bytes.Equal(after.MasterKey, before.MasterKey) {
		t.Error("it was not emptied")
	}
	s.operator.Until("the end", `document.activeElement?.id === "next-ticket"`)
	p.signsIn()
	s.recorded("ticket.reset")
}
