package e2e

import (
	"strings"
	"testing"
	"time"

	"cpsgate/internal/chromium"
	"cpsgate/internal/proxies"
	"cpsgate/internal/testpki"
)

// TestSharedWorkstation: on a workstation that is not said to be anybody's own,
// who signed in a while ago is asked whether it is they before each application
// that they enter; with the keyboard alone they say so, or leave to another.
func TestSharedWorkstation(t *testing.T) {
	chromium.Need(t)
	proxies.NeedNginx(t)
	const after = 10 * time.Second
	dossier, stock, imagery := "https://dossier.localhost:"+freePort(t), "https://stock.localhost:"+freePort(t), "https://imagerie.localhost:"+freePort(t)
	h := openHospital(t, func(c map[string]any) {
		c["forward_auth"] = map[string]any{
			"proxies": []string{"127.0.0.1"}, "applications": []map[string]any{{"origin": dossier}, {"origin": stock}, {"origin": imagery}},
		}
		c["sso"] = map[string]any{"confirm_after": after.String()}
	})
	for _, origin := range []string{dossier, stock, imagery} {
		h.behindNginx(origin)
	}
	card, err := h.pki.Card(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 60})
	if err != nil {
		t.Fatal(err)
	}
	tab := h.browserOf(card)
	asksToSignIn(t, h, tab, dossier)
	tab.Click(`a[data-door="card"]`)
	knows(t, tab, dossier+"/patients", "Camille EXEMPLE", "cps")
	time.Sleep(after) // the server's clock is this machine's

	h.asksWho(tab, stock+"/articles")
	tab.Accessible()
	pictures(t, tab, "application-confirm")
	presses(t, tab, "it-is-me")
	knows(t, tab, stock+"/articles", "Camille EXEMPLE", "cps")
	opens(t, tab, dossier+"/patients/1", "Camille EXEMPLE", "cps") // entered before: no question

	h.asksWho(tab, imagery+"/images")
	presses(t, tab, "someone-else")
	tab.WaitFor(`a[data-door="card"]`)
	if got := tab.URL(); !strings.HasPrefix(got, h.main+"/?") {
		t.Errorf("another person is led to %s", got)
	}
	asksToSignIn(t, h, tab, dossier)
	asksToSignIn(t, h, tab, stock)
	h.cpsgate("audit", "verify", "--data", h.path("data"))
}

// asksWho wants the question on the way to an application.
func (h *hospital) asksWho(tab *chromium.Tab, address string) {
	h.t.Helper()
	tab.Go(address)
	tab.WaitFor(`button[value="it-is-me"]`)
	wantText(h.t, tab, "h1", "C’est bien vous")
	if got := tab.URL(); !strings.HasPrefix(got, h.main+"/forward-auth/enter?") {
		h.t.Errorf("asked at %s", got)
	}
}

// presses goes to a button by the Tab key, and presses it.
func presses(t *testing.T, tab *chromium.Tab, value string) {
	t.Helper()
	for range 20 {
		if chromium.Eval[string](tab, `document.activeElement ? document.activeElement.value || "" : ""`) == value {
			tab.Press(chromium.KeyEnter)
			return
		}
		tab.Press(chromium.KeyTab)
	}
	t.Fatalf("no Tab leads to %q", value)
}
