package web_test

import (
	"net/http"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
)

// TestAPageThatDrawsItselfKeepsNoSession: what a page does by itself is checked as
// anything else, and is no sign that somebody is there.
func TestAPageThatDrawsItselfKeepsNoSession(t *testing.T) {
	redraw := map[string]string{"X-Cpsgate-Redraw": "1"}
	for name, tt := range map[string]struct {
		method string
		header map[string]string
		lasts  bool
	}{
		"somebody reads":        {http.MethodGet, nil, true},
		"the page reads itself": {http.MethodGet, redraw, false},
		"the page listens":      {http.MethodGet, map[string]string{"Accept": "text/event-stream"}, false},
		"somebody acts":         {http.MethodPost, redraw, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			operator, _ := h.staff(identity.RoleOperator)
			ask := func() answer {
				t.Helper()
				path := "/desk/tickets/none"
				if tt.method == http.MethodPost {
					path += "/cancel"
				}
				r, err := http.NewRequestWithContext(t.Context(), tt.method, mainOrigin+path, nil)
				must(t, err)
				for key, value := range tt.header {
					r.Header.Set(key, value)
				}
				r.Header.Set("Origin", mainOrigin)
				return operator.send(r)
			}
			h.pass(20 * time.Minute)
			if a := ask(); a.status != http.StatusNotFound && tt.method == http.MethodGet {
				t.Errorf("%d", a.status)
			}
			h.pass(20 * time.Minute)
			if tt.lasts {
				operator.get("/desk").says(t, http.StatusOK)
				return
			}
			if a := ask(); a.status == http.StatusNotFound {
				t.Error("a session lasts on what nobody did")
			}
			operator.signedOut()
		})
	}
}

// TestAPageThatStandsStillSaysSo: in a real browser, once its stream has ended.
func TestAPageThatStandsStillSaysSo(t *testing.T) {
	t.Parallel()
	h, origin := browserHouse(t)
	operator, _ := h.person(testpki.CardSpec{FamilyName: "EXEMPLE-GUICHET", GivenName: "Dominique", Profession: 60}, identity.RoleOperator)
	tab := h.tabOf(h.chromium(), origin, operator)
	tab.Go(origin + "/desk")
	const says = `document.body.innerText.includes("Cette page n’est plus tenue à jour")`
	tab.Until("a page that is live", `!!document.querySelector("#still[hidden]") && !(`+says+`)`)
	h.web.EndStreams()
	tab.Until("a page that says it stands still", says)
	looks(t, tab, "desk-still")
}
