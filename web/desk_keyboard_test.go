package web_test

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"cpsgate/identity"
	"cpsgate/internal/chromium"
	"cpsgate/internal/testpki"
)

// focused waits until the keyboard is where the operator needs it next, and
// shows so.
func focused(t *testing.T, tab *chromium.Tab, selector string) {
	t.Helper()
	tab.Until(selector+" has the focus", `document.activeElement?.matches('`+selector+`')`)
	if chromium.Eval[string](tab, `getComputedStyle(document.activeElement).outlineStyle`) == "none" {
		t.Errorf("%s has the focus and does not show it", selector)
	}
}

// The operator's places.
const (
	theField = "#who"
	theFirst = ".detail .row:first-child button"
	theNext  = "#next-ticket"
)

// TestDeskByKeyboard: ten cards in a row without a mouse, however the operator
// finds whom they are for, each step showing by itself as it happens.
func TestDeskByKeyboard(t *testing.T) {
	t.Parallel()
	h, origin := browserHouse(t)
	operator, _ := h.person(testpki.CardSpec{FamilyName: "EXEMPLE-GUICHET", GivenName: "Dominique", Profession: 60}, identity.RoleOperator)
	known := func(family, given string) *testpki.Card {
		_, card := h.person(testpki.CardSpec{FamilyName: family, GivenName: given, Profession: 60})
		return card
	}
	tab := h.tabOf(h.chromium(), origin, operator)
	types := func(text string) {
		focused(t, tab, theField)
		tab.Press(text + kb.Enter)
	}
	ways := []func(n string) *testpki.Card{
		func(string) *testpki.Card { // the card will say
			types("")
			return h.card(testpki.CardSpec{FamilyName: "EXEMPLE-LONGUENOM", GivenName: "Marie-Élisabeth", Profession: 60})
		},
		func(n string) *testpki.Card { // by the number
			card := known("EXEMPLE-NUMERO"+n, "Alix")
			types(card.IdNat)
			return card
		},
		func(n string) *testpki.Card { // by a name that one person has
			card := known("EXEMPLE-SEUL"+n, "Camille")
			types("exemple-seul" + n)
			focused(t, tab, theFirst)
			tab.Press(kb.Enter)
			return card
		},
		func(n string) *testpki.Card { // by one that two have
			known("EXEMPLE-DEUX"+n, "Alix")
			card := known("EXEMPLE-DEUX"+n, "Sacha")
			types("exemple-deux" + n)
			focused(t, tab, theFirst)
			tab.Press(kb.Tab)
			focused(t, tab, ".detail .row:nth-child(2) button")
			tab.Press(kb.Enter)
			return card
		},
		func(n string) *testpki.Card { // typed wrong first: what is typed next takes its place
			card := known("EXEMPLE-FAUTE"+n, "Lou")
			types("exemple-fuate" + n)
			tab.WaitFor(".note")
			types("exemple-faute" + n)
			focused(t, tab, theFirst)
			tab.Press(kb.Enter)
			return card
		},
	}
	tab.Go(origin + "/desk")
	looks(t, tab, "desk")
	for n := range 10 {
		if n == 5 {
			h.cancels(t, tab)
		}
		card := ways[n%len(ways)](string(rune('A' + n)))
		h.enrolsBeside(t, tab, origin, card, n == 0)
		focused(t, tab, theNext)
		tab.Press(kb.Enter)
	}
	focused(t, tab, theField)
	tab.Until("the queue", `document.querySelectorAll(".list .row").length >= 10`)
}

// enrolsBeside lets a workstation enrol the card for the ticket on the page, and
// holds each step against the page.
func (h *house) enrolsBeside(t *testing.T, tab *chromium.Tab, origin string, card *testpki.Card, pictured bool) {
	t.Helper()
	pictures := func(name string) {
		if pictured {
			looks(t, tab, name)
		}
	}
	tab.WaitFor(".code")
	code := strings.Join(strings.Fields(strings.ReplaceAll(tab.Text(".code"), "–", " ")), "-")
	pictures("ticket-open")
	w := h.workstation(card)
	w.base = origin
	w.claims(code)
	tab.Until("the code is gone", `!document.querySelector(".code") && document.body.innerText.includes("Code saisi sur le poste")`)
	w.call("/enroll/step", `{"step":"card-pin","ok":false,"detail":"cpx-pin-wrong"}`)
	tab.Until("what went wrong", `document.body.innerText.includes("Le code à 4 chiffres est faux")`)
	pictures("ticket-stopped")
	next := w.call(w.CardURL, "{}")
	tab.Until("the name", `document.querySelector("h1").innerText.includes("`+card.FamilyName+" "+card.GivenName+`")`)
	next = w.call("/enroll/register", w.creates(next))
	tab.Until("the trial", `document.body.innerText.includes("Carte enrôlée, à essayer")`)
	w.call("/enroll/prove", w.signs(next))
	tab.Until("the end", `document.body.innerText.includes("Carte enrôlée, en service") || document.querySelector("`+theNext+`")`)
	pictures("ticket-done")
}

// cancels opens a ticket and cancels it, by the keyboard too.
func (h *house) cancels(t *testing.T, tab *chromium.Tab) {
	t.Helper()
	focused(t, tab, theField)
	tab.Press(kb.Enter)
	tab.WaitFor(".code")
	for range 30 {
		tab.Press(kb.Tab)
		if chromium.Eval[string](tab, `document.activeElement.id`) == "cancel-ticket" {
			tab.Press(kb.Enter)
			focused(t, tab, theNext)
			tab.Press(kb.Enter)
			return
		}
	}
	t.Error("the Tab key does not come to the ticket's cancelling")
}
