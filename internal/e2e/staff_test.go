package e2e

import (
	"net/url"
	"strings"

	"cpsgate/internal/chromium"
	"cpsgate/internal/testpki"
)

// staff runs a desk as its guide has it opened, under the policy that is the
// default: an administrator, who is the operator too, and an approver, each in a
// browser of their own.
type staff struct {
	*hospital
	operator, approver *chromium.Tab
	admin, second      *testpki.Card
}

// openDesk makes the first administrator and the first approver by the command
// line. The operator's role is asked for on a page by the one, and approved by
// the other.
func (h *hospital) openDesk() *staff {
	h.t.Helper()
	s := &staff{hospital: h, admin: h.worker("Dominique", "admin"), second: h.worker("Maxime", "approver")}
	s.operator, s.approver = h.signedIn(s.admin), h.signedIn(s.second)
	s.operator.Go(h.main + "/desk/people/" + url.PathEscape(s.admin.IdNat))
	s.operator.Click(`form[action$="/roles/grant"]:has(input[value="operator"]) button`)
	s.operator.Shows("Une autre personne doit l’approuver")
	s.operator.Go(h.main + "/desk")
	wantText(h.t, s.operator, "h1", "Cette page n’est pas ouverte à votre compte") // not yet
	s.approves("Accorder le rôle")
	s.operator.Go(h.main + "/desk")
	return s
}

// worker makes somebody a card, and a role by the command line.
func (h *hospital) worker(given, role string) *testpki.Card {
	h.t.Helper()
	card, err := h.pki.Card(testpki.CardSpec{FamilyName: "EXEMPLE-GUICHET", GivenName: given, Profession: 60})
	if err != nil {
		h.t.Fatal(err)
	}
	h.cpsgate("people", "grant", "--data", h.path("data"), "--reason", "ouverture du guichet", card.IdNat, role)
	return card
}

// signedIn is a browser of somebody's, who has just signed in by card and PIN.
func (h *hospital) signedIn(card *testpki.Card) *chromium.Tab {
	h.t.Helper()
	tab := h.browserOf(card)
	tab.Go(h.main)
	tab.Click(`a[data-door="card"]`)
	tab.WaitFor(".person")
	return tab
}

// approves finds the one request that waits, and approves it in the approver's
// own session.
func (s *staff) approves(what string) {
	s.t.Helper()
	s.approver.Go(s.main + "/desk/approvals")
	wantText(s.t, s.approver, ".row h3", what)
	s.approver.Click(`form[action$="/approve"] button`)
	s.approver.Shows("La demande est approuvée, et l’acte est fait.")
}

// opensTicket opens one by the keyboard alone, for somebody or for whom the card
// will name, and reads its code off the page.
func (s *staff) opensTicket(who string) (code string) {
	s.t.Helper()
	s.operator.Until("the field has the focus", `document.activeElement?.id === "who"`)
	if who != "" {
		s.operator.Press(who)
	}
	s.operator.Press(chromium.KeyEnter)
	s.operator.WaitFor(".code")
	return strings.Join(strings.Fields(strings.ReplaceAll(s.operator.Text(".code"), "–", " ")), "-")
}

// finds opens somebody's page by the way that the guide says.
func (s *staff) finds(card *testpki.Card) {
	s.t.Helper()
	s.operator.Click(`nav a[href="/desk/people"]`)
	s.operator.Until("the field has the focus", `document.activeElement?.id === "q"`)
	s.operator.Press(card.FamilyName)
	s.operator.Press(chromium.KeyEnter)
	s.operator.Click(`a[href$="/people/` + url.PathEscape(card.IdNat) + `"]`)
	s.operator.Until("the person's page", `document.querySelector("h1").innerText.includes("`+card.IdNat+`")`)
}

// writes opens an act on the card of the page, by the words that the guide names
// it with, and says why; its button is next under the keyboard.
func (s *staff) writes(act, words, why string) {
	s.t.Helper()
	form := `form[action$="/` + act + `"]`
	wantText(s.t, s.operator, `details:has(`+form+`) summary`, words)
	s.operator.Click(`details:has(` + form + `) summary`)
	s.operator.Type(form+` input[name="reason"]`, why)
	s.operator.Press(chromium.KeyTab)
	s.operator.Until("the button has the focus", `document.activeElement?.matches('`+form+` button')`)
}
