package web_test

import (
	"net/http"
	"net/url"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/sessions"
)

// TestSessionsOfAPersonEnd: the desk signs somebody out everywhere, for a reason.
func TestSessionsOfAPersonEnd(t *testing.T) {
	h := newHouse(t)
	nurse := h.card(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille"})
	ward, office := h.browser().with(nurse), h.browser().with(nurse)
	ward.signIn()
	office.signIn()
	desk, operator := h.staff(identity.RoleOperator)
	path := "/desk/people/" + url.PathEscape(nurse.IdNat)
	desk.get(path).says(t, http.StatusOK, "2 sessions ouvertes", "Terminer toutes ses sessions")

	for name, form := range map[string]url.Values{"no reason": {"reason": {" "}}, "a field more": {"reason": {"x"}, "all": {"yes"}}} {
		if got := desk.submit(path+"/sessions/end", form); got.status < 400 {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	if got := ward.submit(path+"/sessions/end", url.Values{"reason": {"moi"}}); got.status != http.StatusForbidden {
		t.Errorf("somebody without a role: %d", got.status)
	}
	auditor, _ := h.staff(identity.RoleAuditor)
	if got := auditor.submit(path+"/sessions/end", url.Values{"reason": {"moi"}}); got.status != http.StatusForbidden {
		t.Errorf("an auditor: %d", got.status)
	}
	ward.signedIn()
	if got := desk.submit("/desk/people/899700000991/sessions/end", url.Values{"reason": {"x"}}); got.status < 400 {
		t.Errorf("an unknown person: %d", got.status)
	}

	desk.follow(desk.submit(path+"/sessions/end", url.Values{"reason": {"poste laissé ouvert"}})).
		says(t, http.StatusOK, "Ses sessions prennent fin sur tous les postes", "Aucune session ouverte")
	ward.signedOut()
	office.signedOut()
	desk.signedIn()
	e := h.last(audit.KindSessionsEnd)
	if e.Outcome != audit.Done || e.Reason != "poste laissé ouvert" || string(e.Subject) != nurse.IdNat || e.Actor != operator {
		t.Errorf("the audit says %+v", e)
	}
	h.pass(2 * time.Second)
	ward.signIn()
	ward.signedIn()
}

// TestSessionsOfAPersonLook: the section on the person's page.
func TestSessionsOfAPersonLook(t *testing.T) {
	t.Parallel()
	h, origin := browserHouse(t)
	operator, _ := h.person(testpki.CardSpec{FamilyName: "GUICHET", GivenName: "Dominique", Profession: 60}, identity.RoleOperator)
	who, card := h.person(testpki.CardSpec{FamilyName: "EXEMPLE-LONGUENOM", GivenName: "Marie-Élisabeth", Profession: 10})
	_, _, err := h.sessions.Open(t.Context(), sessions.Session{Holder: who, Method: identity.MethodCPS, CardTokenID: card.TokenID})
	must(t, err)
	tab := h.tabOf(h.chromium(), origin, operator)
	for language, says := range map[string]string{"fr": "Une session ouverte", "en": "One open session"} {
		tab.Go(origin + "/language/" + language + "?return=" + url.QueryEscape("/desk/people/"+url.PathEscape(string(who))))
		tab.Until("the sessions", `document.body.innerText.includes("`+says+`")`)
		tab.Click(`section[aria-labelledby="sessions"] summary`)
		looks(t, tab, "person-sessions-"+language)
	}
	tab.Type("#why-sessions", "poste laissé ouvert")
	tab.Press("\r")
	tab.Until("the end", `document.body.innerText.match(/Ses sessions prennent fin|Their sessions end/) !== null`)
}
