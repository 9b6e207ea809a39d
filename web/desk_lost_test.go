package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
)

// TestLostThoughSuspended: a card that is out of use already is reported lost at
// the desk all the same, and the report is the reason from then on.
func TestLostThoughSuspended(t *testing.T) {
	h := newHouse(t)
	card := h.card(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Alix", Profession: 60})
	h.browser().with(card).signIn()
	operator, _ := h.staff(identity.RoleOperator)
	page := "/desk/people/" + card.IdNat
	suspend := page + "/cards/" + printed(card) + "/suspend"
	for _, reason := range []string{"oubliée en salle", "perdue, dit son porteur"} {
		if shown := operator.get(page); !strings.Contains(shown.body, `action="`+suspend+`"`) {
			t.Fatalf("before %q the page offers no report:\n%s", reason, shown.text())
		}
		operator.follow(operator.submit(suspend, url.Values{"reason": {reason}, "next": {""}})).says(t, http.StatusOK, "Raison : "+reason)
	}
}
