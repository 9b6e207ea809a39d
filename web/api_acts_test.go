package web_test

import (
	"net/http"
	"strings"
	"testing"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
)

// waiting is a request for approval as the API tells it.
type waiting struct {
	ID, Deed, State, By, Subject, Card, Ticket, Role, Reason, DecidedBy string
	ExpiresAt, DecidedAt                                                *string
}

// TestProgramsAskPeopleApprove: what takes two people, asked for over the API and
// approved on a page; a program that would approve is told who may.
func TestProgramsAskPeopleApprove(t *testing.T) {
	h := newHouse(t)
	p := h.program("portail-rh", enroll.Scopes()...)
	approver, self := h.staff(identity.RoleApprover)
	card := h.card(testpki.CardSpec{FamilyName: "EXEMPLE-API", GivenName: "Lou", Profession: 60})
	holder := h.browser().with(card)
	holder.signIn()
	_, code := h.ticket(card.IdNat)
	w := h.workstation(card)
	w.claims(code)
	if a := p.post("/cards/"+printed(card)+"/suspend", `{"reason":"perdue"}`); a.status != http.StatusNoContent {
		t.Fatal(a.body)
	}
	holder.signedOut()
	for deed, ask := range map[string]struct {
		path, body string
		done       func() bool
	}{
		"reactivate": {"/cards/" + printed(card) + "/reactivate", `{"reason":"retrouvée"}`, func() bool {
			found, err := h.registry.Card(t.Context(), card.TokenID)
			return err == nil && found.State == identity.CardActive
		}},
		"grant": {"/people/" + card.IdNat + "/roles/grant", `{"role":"auditor","reason":"arrivée"}`, func() bool {
			found, err := h.registry.Professional(t.Context(), identity.PSIdNat(card.IdNat))
			return err == nil && found.HasRole(identity.RoleAuditor)
		}},
		"desk-proof": {"/tickets/" + w.Ticket + "/vouch", `{"reason":"carte d’identité vue"}`, func() bool {
			found, err := h.registry.Ticket(t.Context(), w.Ticket)
			return err == nil && found.DeskProof.State == enroll.LeaveGiven
		}},
		"reset": {"/tickets/" + w.Ticket + "/reset", `{"reason":"code oublié"}`, func() bool {
			found, err := h.registry.Ticket(t.Context(), w.Ticket)
			return err == nil && found.Reset.State == enroll.LeaveGiven
		}},
	} {
		t.Run(deed, func(t *testing.T) {
			p.t, h.t, approver.t = t, t, t
			a := p.post(ask.path, ask.body)
			var asked waiting
			a.decode(t, &asked)
			if a.status != http.StatusAccepted || asked.Deed != deed || asked.State != "waiting" || asked.By != "client:portail-rh" ||
				asked.Subject != card.IdNat || asked.ExpiresAt == nil || asked.DecidedAt != nil || ask.done() {
				t.Fatalf("%d %s", a.status, a.body)
			}
			refused := p.post("/approvals/"+asked.ID+"/approve", `{}`)
			refused.refuses(t, http.StatusForbidden, "approver-person")
			if !strings.Contains(refused.body, "Cette décision revient à une personne") || !strings.Contains(refused.body, "dans sa propre session") {
				t.Errorf("%s", refused.body)
			}
			if e := h.refusedFor(audit.KindApprovalApprove, "approver-person"); e.Actor != "client:portail-rh" || e.Subject != identity.PSIdNat(card.IdNat) {
				t.Errorf("%+v", e)
			}
			approver.get("/desk/approvals").says(t, http.StatusOK, "client:portail-rh", "Approuver")
			approver.follow(approver.submit("/desk/approvals/"+asked.ID+"/approve", nil)).says(t, http.StatusOK, "La demande est approuvée")
			p.get("/approvals/"+asked.ID).decode(t, &asked)
			if asked.State != "done" || asked.DecidedBy != string(self) || asked.DecidedAt == nil || !ask.done() {
				t.Errorf("%+v", asked)
			}
		})
	}
	t.Run("declined", func(t *testing.T) {
		p.t, h.t = t, t
		var asked waiting
		p.post("/people/"+card.IdNat+"/roles/grant", `{"role":"admin","reason":"essai"}`).decode(t, &asked)
		p.post("/approvals/"+asked.ID+"/decline", `{"reason":"erreur de saisie"}`).decode(t, &asked)
		if e := h.last(audit.KindApprovalDecline); asked.State != "declined" || e.Actor != "client:portail-rh" || e.Reason != "erreur de saisie" {
			t.Errorf("%+v %+v", asked, e)
		}
		if a := p.get("/approvals?state=declined"); !strings.Contains(a.body, asked.ID) {
			t.Errorf("%s", a.body)
		}
		if a := p.get("/approvals?state=waiting"); strings.Contains(a.body, asked.ID) {
			t.Errorf("%s", a.body)
		}
	})
}

// TestApproversAreToldOfTheAsker: that a request fell with whoever asked is said of
// them, before the button and after it, and declining is what remains.
func TestApproversAreToldOfTheAsker(t *testing.T) {
	h := newHouse(t)
	p := h.program("portail-rh", enroll.ScopeRoles)
	approver, _ := h.staff(identity.RoleApprover)
	admin, maker := h.staff(identity.RoleAdmin, identity.RoleApprover)
	_, subject := h.staff()
	var asked waiting
	p.post("/people/"+string(subject)+"/roles/grant", `{"role":"auditor","reason":"arrivée"}`).decode(t, &asked)
	address := "/desk/approvals/" + asked.ID
	offers := func(b *browser, approve bool, says ...string) {
		t.Helper()
		page := b.get("/desk/approvals")
		page.says(t, http.StatusOK, append(says, "Refuser")...)
		if strings.Contains(page.body, address+"/approve") != approve {
			t.Errorf("to be approved: %t", !approve)
		}
	}
	offers(approver, true)
	act := enroll.Act{By: maker, AuthenticatedAt: h.now()}
	_, _, err := h.registry.AddClient(t.Context(), act, "annuaire", []enroll.Scope{enroll.ScopeRoles}, 0)
	must(t, err)
	own, err := h.registry.Grant(t.Context(), enroll.Act{Client: "annuaire", Reason: "test"}, subject, identity.RoleOperator)
	must(t, err)
	if page := admin.get("/desk/approvals"); strings.Contains(page.body, own.ID+"/approve") || !strings.Contains(page.body, address+"/approve") {
		t.Error("who made a program is offered to approve what it asked for")
	}
	admin.get("/desk/approvals").says(t, http.StatusOK, "La personne qui a fait la demande, même par un programme, ou celle qu’elle concerne, ne peut pas l’approuver.")

	must(t, h.registry.RevokeClient(t.Context(), act, "portail-rh"))
	offers(approver, false, "Le rôle de la personne a été retiré, ou le programme est hors service.")
	approver.submit(address+"/approve", nil).says(t, http.StatusConflict, "L’auteur de cette demande n’en a plus le droit", "Refusez la demande.")
	if e := h.refusedFor(audit.KindApprovalApprove, "approval-asker"); e.Subject != subject || !strings.Contains(e.Detail, "client:portail-rh") {
		t.Errorf("%+v", e)
	}
	approver.follow(approver.submit(address+"/decline", nil)).says(t, http.StatusOK, "La demande est refusée.")
}

// TestProgramsProtect: a role and a passkey are taken away at once, and the
// passkey's session with it.
func TestProgramsProtect(t *testing.T) {
	h := newHouse(t)
	p := h.program("portail-rh", enroll.ScopeRoles, enroll.ScopePasskeys)
	b, who := h.staff(identity.RoleAuditor)
	key := softkey.New(softkey.Options{Attestation: softkey.Self, Transports: []string{"smart-card"}})
	b.enrol(key, "Ma carte")
	in := h.browser()
	in.useKey(key)
	in.signedIn()
	if a := p.post("/people/"+string(who)+"/roles/withdraw", `{"role":"auditor","reason":"départ"}`); a.status != http.StatusNoContent {
		t.Errorf("%d %s", a.status, a.body)
	}
	b.get("/audit").says(t, http.StatusForbidden, "Cette page n’est pas ouverte à votre compte")
	body := `{"id":"` + idText(key.Credentials()[0]) + `","reason":"perdue"}`
	p.post("/people/"+string(who)+"0/passkeys/suspend", body).refuses(t, http.StatusNotFound, "person-unknown")
	in.signedIn()
	if a := p.post("/people/"+string(who)+"/passkeys/suspend", body); a.status != http.StatusNoContent {
		t.Errorf("%d %s", a.status, a.body)
	}
	in.signedOut()
	b.signedIn() // by the card's certificate, which goes on
	if e := h.last(audit.KindPasskeySuspend); e.Actor != "client:portail-rh" || e.Reason != "perdue" || e.CredentialHash == "" {
		t.Errorf("%+v", e)
	}
}
