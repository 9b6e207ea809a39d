package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
)

// TestRolesOpenPages: each page for those who hold its role, and refused to
// whoever holds all the others; nobody's without a session.
func TestRolesOpenPages(t *testing.T) {
	const operator, approver, auditor, admin = identity.RoleOperator, identity.RoleApprover, identity.RoleAuditor, identity.RoleAdmin
	h := newHouse(t)
	person := "/desk/people/" + h.card(testpki.CardSpec{}).IdNat
	all := []identity.Role{operator, approver, auditor, admin}
	browsers := map[identity.Role]*browser{}
	for _, role := range all {
		browsers[role], _ = h.staff(role)
	}
	nobody, _ := h.staff()
	for route, roles := range map[string][]identity.Role{
		"GET /desk": {operator}, "GET /desk/events": {operator}, "POST /desk/tickets": {operator}, "GET /desk/tickets/x": {operator},
		"GET /desk/tickets/x/events": {operator}, "POST /desk/tickets/x/cancel": {operator}, "POST /desk/tickets/x/vouch": {operator}, "POST /desk/tickets/x/reset": {operator},
		"GET /desk/people": {operator, admin}, "GET " + person: {operator, admin}, "POST " + person + "/cards/0123456789/suspend": {operator, admin},
		"POST " + person + "/passkeys/suspend": {operator, admin}, "POST " + person + "/roles/grant": {admin},
		"GET /desk/approvals": {approver, operator, admin}, "POST /desk/approvals/x/approve": {approver}, "POST /desk/approvals/x/decline": {approver, operator, admin},
		"GET /audit": {auditor}, "GET /audit/export": {auditor}, "GET /figures": {auditor, admin, approver}, "GET /figures/cards.csv": {auditor, admin, approver},
		"GET /revocation": {admin, auditor}, "GET /clients": {admin}, "POST /clients": {admin}, "POST /clients/revoke": {admin},
	} {
		t.Run(route, func(t *testing.T) {
			h.t = t
			method, path, _ := strings.Cut(route, " ")
			ask := func(b *browser) answer {
				b.t = t
				if method == "POST" {
					return b.submit(path, url.Values{"no-such-field": {""}})
				}
				if strings.HasSuffix(path, "/events") {
					return b.opening(path)
				}
				return b.get(path)
			}
			if a := ask(h.browser()); a.status != http.StatusSeeOther && a.status != http.StatusUnauthorized {
				t.Errorf("without a session: %d", a.status)
			}
			ask(nobody).says(t, http.StatusForbidden, "Cette page n’est pas ouverte à votre compte")
			h.refusedFor("page.open", "role-missing")
			for _, role := range all {
				a := ask(browsers[role])
				if refused := a.status == http.StatusForbidden; refused == slices.Contains(roles, role) {
					t.Errorf("%s: %d", role, a.status)
				}
			}
		})
	}
}

// opening is the first answer of a stream, left at once.
func (b *browser) opening(path string) answer {
	b.t.Helper()
	r, err := http.NewRequest(http.MethodGet, mainOrigin+path, nil)
	must(b.t, err)
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Accept-Language", "fr")
	response, err := b.client.Do(r)
	must(b.t, err)
	defer response.Body.Close()
	if strings.HasPrefix(response.Header.Get("Content-Type"), "text/event-stream") {
		return answer{status: response.StatusCode}
	}
	return answer{response.StatusCode, response.Header, read(b.t, response.Body), response.Request.URL}
}

// TestCrossSiteForms: another site's page cannot act with an operator's session.
func TestCrossSiteForms(t *testing.T) {
	h := newHouse(t)
	operator, _ := h.staff(identity.RoleOperator)
	for _, header := range []string{"Sec-Fetch-Site", "Origin"} {
		r, err := http.NewRequest(http.MethodPost, mainOrigin+"/desk/tickets", strings.NewReader("who="))
		must(t, err)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set(header, map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}[header])
		operator.send(r).says(t, http.StatusForbidden, "Cette demande ne vient pas de nos pages")
	}
	operator.get("/desk").says(t, http.StatusOK, "Aucun ticket en cours.")
}

// TestCardActs: a lost card stops at once; what brings it back takes two.
func TestCardActs(t *testing.T) {
	h := newHouse(t)
	operator, _ := h.staff(identity.RoleOperator)
	approver, _ := h.staff(identity.RoleApprover)
	card := h.card(testpki.CardSpec{FamilyName: "EXEMPLE-PERDU", GivenName: "Sacha"})
	holder := h.browser().with(card)
	holder.signIn()
	home := "/desk/people/" + card.IdNat
	act := func(name, reason string) answer {
		_, number, _ := strings.Cut(card.TokenID, "/")
		return operator.follow(operator.submit(home+"/cards/"+number+"/"+name, url.Values{"reason": {reason}, "next": {""}}))
	}
	operator.get("/desk/people?q=exemple-perdu").says(t, http.StatusOK, "EXEMPLE-PERDU Sacha", "Qui a un rôle ici", "Opérateur du guichet")
	operator.get(home).says(t, http.StatusOK, "EXEMPLE-PERDU Sacha", "Carte perdue ou volée", "En service")
	act("suspend", "").says(t, http.StatusBadRequest, "Dites pourquoi")
	act("suspend", "opposed").says(t, http.StatusBadRequest, "Dites pourquoi avec vos propres mots")
	h.refusedFor(audit.KindCardState, "reason-reserved")
	act("replace", "abîmée").says(t, http.StatusConflict, "Nous n’avons pas compris cette demande") // by none
	h.refusedFor(audit.KindCardState, "card-state")
	holder.signedIn()
	act("suspend", "déclarée perdue au téléphone").says(t, http.StatusOK, "C’est fait, et inscrit au journal.", "Suspendue", "déclarée perdue au téléphone")
	holder.signedOut()
	if e := h.last(audit.KindCardState); e.Reason != "déclarée perdue au téléphone" || e.Address == "" || e.Session == "" {
		t.Errorf("%+v", e)
	}
	act("suspend", "encore").says(t, http.StatusOK) // no change, told again
	act("reactivate", "retrouvée").says(t, http.StatusOK, "Une autre personne doit l’approuver")
	act("melt", "x").says(t, http.StatusNotFound)

	list := approver.get("/desk/approvals")
	list.says(t, http.StatusOK, "Remettre une carte en service", "EXEMPLE-PERDU Sacha", "retrouvée", "Approuver")
	_, rest, _ := strings.Cut(list.body, `action="/desk/approvals/`)
	id, _, _ := strings.Cut(rest, "/")
	operator.get("/desk/approvals").says(t, http.StatusOK, "Refuser")
	operator.submit("/desk/approvals/"+id+"/approve", nil).says(t, http.StatusForbidden, "Cette page n’est pas ouverte")
	h.pass(6 * time.Minute) // the PIN was proved too long ago
	approver.submit("/desk/approvals/"+id+"/approve", nil).says(t, http.StatusForbidden, "Montrez à nouveau que c’est bien vous", "Réessayer")
	h.refusedFor(audit.KindApprovalApprove, "authentication-stale")
	approver.signIn()
	approver.follow(approver.submit("/desk/approvals/"+id+"/approve", nil)).says(t, http.StatusOK, "La demande est approuvée", "Approuvée – ")
	approver.submit("/desk/approvals/"+id+"/approve", nil).says(t, http.StatusConflict, "Cette demande n’attend plus de décision")
	operator.get(home).says(t, http.StatusOK, "En service")
	act("revoke", "cassée").says(t, http.StatusOK, "Hors service")
	act("reactivate", "x").says(t, http.StatusConflict)
}

// TestRolesByPages: an administrator gives and takes roles; by the default
// policy giving takes two people.
func TestRolesByPages(t *testing.T) {
	h := newHouse(t)
	admin, self := h.staff(identity.RoleAdmin)
	card := h.card(testpki.CardSpec{})
	h.browser().with(card).signIn()
	home := "/desk/people/" + card.IdNat
	role := url.Values{"role": {"operator"}}
	admin.follow(admin.submit(home+"/roles/grant", role)).says(t, http.StatusOK, "Une autre personne doit l’approuver")
	admin.submit("/desk/people/"+string(self)+"/roles/withdraw", url.Values{"role": {"admin"}}).says(t, http.StatusConflict, "Il faut garder un administrateur")
	admin.submit(home+"/roles/grant", url.Values{"role": {"king"}}).says(t, http.StatusBadRequest)
	h.pass(6 * time.Minute)
	admin.submit(home+"/roles/grant", role).says(t, http.StatusForbidden, "Montrez à nouveau que c’est bien vous")
	admin.get("/desk/people/8nobody").says(t, http.StatusNotFound, "Nous ne connaissons pas cette personne")
}

// TestAuditPages: the search, one event by its number, and the export.
func TestAuditPages(t *testing.T) {
	h := newHouse(t)
	auditor, self := h.staff(identity.RoleAuditor)
	h.browser().signIn() // refused: no card
	number := h.last(audit.KindLoginCPS).ID
	auditor.get("/audit").says(t, http.StatusOK, "login.cps", "refusé", "no-certificate", "role.grant")
	auditor.get("/audit?number="+strings.ToLower(number)).says(t, http.StatusOK, number, "no-certificate")
	auditor.get("/audit?number=nothing").says(t, http.StatusOK, "Aucun événement ne correspond.")
	if a := auditor.get("/audit?person=" + string(self) + "&outcome=accepted&kind=login.cps"); strings.Contains(a.text(), "no-certificate") {
		t.Error("the search does not choose")
	}
	auditor.get("/audit?card=xyz").says(t, http.StatusBadRequest)
	auditor.get("/audit?from=2027-02-30").says(t, http.StatusBadRequest)
	auditor.get("/audit?after=zz").says(t, http.StatusBadRequest)
	a := auditor.get("/audit/export?outcome=refused")
	if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "application/jsonl") || strings.Count(a.body, "\n") != 1 || !strings.Contains(a.body, number) {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
	if e := h.last(audit.KindAuditExport); e.Actor != self || !strings.Contains(e.Detail, "refused") {
		t.Errorf("%+v", e)
	}
}

// TestFigures: pictures with their tables, and each table as a file.
func TestFigures(t *testing.T) {
	h := newHouse(t)
	auditor, _ := h.staff(identity.RoleAuditor)
	h.browser().signIn() // refused
	a := auditor.get("/figures")
	a.says(t, http.StatusOK, "Cartes par génération et par état", "Connexions par jour", "Nous n’avons pas vu votre carte", "Voir le tableau")
	if strings.Count(a.body, `role="img"`) != 5 || strings.Contains(a.body, "style=") {
		t.Error("pictures are missing, or styled inline")
	}
	for _, name := range []string{"cards", "progress", "logins", "expiring", "refusals"} {
		a := auditor.get("/figures/" + name + ".csv")
		if a.status != http.StatusOK || !strings.HasPrefix(a.header.Get("Content-Type"), "text/csv") || !strings.Contains(a.body, ",") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := auditor.get("/figures/cards.csv"); !strings.Contains(a.body, "CPS3 ou non lue,1,0,0") {
		t.Errorf("%s", a.body)
	}
	auditor.get("/figures/none.csv").says(t, http.StatusNotFound)
}

// TestClientsPage: a secret is shown once.
func TestClientsPage(t *testing.T) {
	h := newHouse(t)
	admin, _ := h.staff(identity.RoleAdmin)
	a := admin.submit("/clients", url.Values{"name": {"portail-rh"}, "scope-tickets": {"yes"}})
	a.says(t, http.StatusOK, "Secret de « portail-rh »", "il ne s’affichera plus", "Ouvrir, annuler et suivre des tickets")
	_, rest, _ := strings.Cut(a.body, `class="secret">`)
	token, _, _ := strings.Cut(rest, "<")
	if c, err := h.registry.ClientOf(t.Context(), token); err != nil || c.Name != "portail-rh" {
		t.Errorf("%q: %+v %v", token, c, err)
	}
	if again := admin.get("/clients"); strings.Contains(again.body, token) {
		t.Error("the secret is shown again")
	}
	admin.submit("/clients", url.Values{"name": {"portail-rh"}, "scope-tickets": {"yes"}}).says(t, http.StatusConflict, "Cet identifiant est déjà pris")
	admin.submit("/clients", url.Values{"name": {"autre"}}).says(t, http.StatusForbidden)
	admin.follow(admin.submit("/clients/revoke", url.Values{"name": {"portail-rh"}})).says(t, http.StatusOK, "Hors service")
	if _, err := h.registry.ClientOf(t.Context(), token); err == nil {
		t.Error("still good")
	}
}
