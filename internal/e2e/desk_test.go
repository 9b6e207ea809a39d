package e2e

import (
	"strings"
	"testing"
	"time"

	"cpsgate/internal/chromium"
	"cpsgate/internal/testpki"
	"cpsgate/internal/virtualcard"
)

// Exit codes of cardside (cardside help exit-codes).
const (
	exitDone    = 0
	exitRefused = 14
)

// endsWithin is how long a session may outlive its card.
const endsWithin = 2 * time.Second

// enrols goes from a ticket to a passkey at the desk, and holds the desk's page
// against each step as it happens.
func (s *staff) enrols(p *professional) {
	p.t.Helper()
	tab := s.operator
	w := p.cardside("enroll", s.opensTicket(""), "--module", p.token.Module, "--workstation", "GUICHET-2", "--card-pin-fd", "3", "--pin-fd", "4")
	tab.Shows("Code saisi sur le poste")
	tab.Shows("code à 4 chiffres")
	pictures(p.t, tab, "desk-card-pin")
	w.types(w.cardPIN, holderCode)
	tab.Until("whose card it is", `document.querySelector("h1").innerText.includes("`+p.card.FamilyName+`")`)
	tab.Until("the PIN is being chosen", `document.querySelectorAll(".passed li").length >= 6`)
	pictures(p.t, tab, "desk-new-pin")
	w.types(w.pin, fidoPIN)
	var outcome struct {
		Passkey        struct{ State, Name string }
		Proof          string
		Requests       int
		MachineSeconds float64
	}
	w.reads(&outcome)
	w.ends(exitDone)
	if outcome.Passkey.State != "active" || outcome.Proof != "same-card" || outcome.Requests > 6 {
		p.t.Errorf("%+v", outcome)
	}
	tab.Until("the end, and what comes next under Enter", `document.activeElement?.id === "next-ticket"`)
	pictures(p.t, tab, "desk-done")
	if strings.Contains(w.said.String(), fidoPIN) || strings.Contains(tab.Text("main"), fidoPIN) {
		p.t.Error("the PIN is shown")
	}
}

// signsIn signs in with the passkey and stays.
func (p *professional) signsIn() *workstation {
	p.t.Helper()
	w := p.cardside("assert", "--stay", "--pin-fd", "4")
	w.types(w.pin, fidoPIN)
	var in struct{ Credential string }
	w.reads(&in)
	if in.Credential == "" {
		p.t.Fatalf("not signed in: %s", &w.said)
	}
	return w
}

// shut wants the session over in time, and no other to be had.
func (p *professional) shut(w *workstation, since time.Time, reasons ...string) {
	p.t.Helper()
	var over struct{ Error struct{ Reason string } }
	w.reads(&over)
	if took := time.Since(since); took > endsWithin {
		p.t.Errorf("the session outlived its card by %v; %v at most", took, endsWithin)
	}
	w.ends(exitRefused)
	if over.Error.Reason != "session-ended" {
		p.t.Errorf("it ended by %q", over.Error.Reason)
	}
	again := p.cardside("assert", "--pin-fd", "4")
	again.types(again.pin, fidoPIN)
	var refused struct {
		Error struct {
			Title  string
			Server struct{ Reason, Event string }
		}
	}
	again.reads(&refused)
	again.ends(exitRefused)
	for _, reason := range reasons {
		if refused.Error.Server.Reason == reason && refused.Error.Server.Event != "" {
			return
		}
	}
	p.t.Errorf("signing in again is refused with %+v; want one of %v", refused.Error, reasons)
}

// TestDeskToSignInToLostCard is the desk's whole story: an empty database, the
// first administrator, a blank card enrolled under the operator's eyes, its
// holder signed in with it, the card reported lost by the way of the guide;
// found, brought back by two, and at last taken out of service.
func TestDeskToSignInToLostCard(t *testing.T) {
	chromium.Need(t)
	h := openHospital(t, nil)
	s := h.openDesk()
	p := h.comes(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 10}, virtualcard.Options{})
	s.enrols(p)

	session := p.signsIn()
	s.finds(p.card)
	s.writes("suspend", "Carte perdue ou volée", "déclarée perdue au téléphone")
	reported := time.Now()
	s.operator.Press(chromium.KeyEnter)
	p.shut(session, reported, "card-suspended", "passkey-suspended")
	s.operator.Shows("C’est fait, et inscrit au journal.")

	s.writes("reactivate", "Remettre en service", "retrouvée")
	s.operator.Press(chromium.KeyEnter)
	s.operator.Shows("Une autre personne doit l’approuver")
	s.approves("Remettre une carte en service")

	session = p.signsIn()
	s.finds(p.card)
	s.writes("revoke", "Retirer du service", "cassée")
	revoked := time.Now()
	s.operator.Press(chromium.KeyEnter)
	p.shut(session, revoked, "card-revoked", "passkey-revoked")
	h.cpsgate("audit", "verify", "--data", h.path("data"))
}

// TestDeskToSignInToRevokedCertificate is the same, with the certificate revoked
// by a CRL and nobody acting here.
func TestDeskToSignInToRevokedCertificate(t *testing.T) {
	chromium.Need(t)
	h := openHospital(t, nil)
	s := h.openDesk()
	p := h.comes(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 10}, virtualcard.Options{})
	s.enrols(p)
	session := p.signsIn()

	p.card.Revoke(time.Now(), testpki.ReasonKeyCompromise)
	h.publish(time.Now())
	p.shut(session, time.Now(), "card-suspended", "passkey-suspended", "revoked")
	s.finds(p.card)
	wantText(t, s.operator, "main", "uspendue")
}
