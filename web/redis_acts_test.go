package web_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/redislab"
	"cpsgate/internal/testpki"
	"cpsgate/sessions"
)

// TestActsWhileRedisIsAway: what is done is answered and recorded as done, though
// the place of sessions cannot be told; the sessions end once it answers.
func TestActsWhileRedisIsAway(t *testing.T) {
	server := redislab.Start(t)
	prefix := "test:" + rand.Text() + ":"
	r, err := sessions.OpenRedis(sessions.RedisOptions{URL: server.URL(), Prefix: prefix, TrustMemory: time.Minute})
	must(t, err)
	t.Cleanup(func() { r.Close() })
	h := newHouse(t, onRedis(r, nil))
	must(t, h.registry.WatchFromNow(t.Context()))
	admin, _ := h.staff(identity.RoleAdmin, identity.RoleOperator)
	holders := make([]*browser, 4)
	cards := make([]*testpki.Card, 5)
	for i := range cards {
		cards[i] = h.card(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Loin", Profession: 60})
		if i == 4 { // the one that replaces another
			cards[i] = h.card(testpki.CardSpec{IdNat: cards[1].IdNat, FamilyName: "EXEMPLE", GivenName: "Loin", Profession: 60})
		}
		b := h.browser().with(cards[i])
		b.signIn()
		if i < len(holders) {
			holders[i] = b
		}
	}
	list := func(of *testpki.Card) string {
		return "Numéro carte|Identifiant PP|Date opposition\n" + printed(of) + "|" + strings.TrimPrefix(of.IdNat, "8") + "|2026-01-05\n"
	}
	page := admin.settled(admin.uploads("oppositions", "Porteurs.txt", list(cards[3])))
	admin.signedIn()
	p := h.program("hr", enroll.ScopeCards)
	before := len(h.events())

	must(t, server.Freeze())
	if a := p.post("/cards/"+printed(cards[0])+"/suspend", `{"reason":"perdue"}`); a.status != http.StatusNoContent {
		t.Errorf("suspend: %d %s", a.status, a.body)
	}
	if a := p.post("/cards/"+printed(cards[1])+"/replace", `{"reason":"neuve","next":"`+printed(cards[4])+`"}`); a.status != http.StatusNoContent {
		t.Errorf("replace: %d %s", a.status, a.body)
	}
	if a := p.ask(http.MethodPost, "/oppositions/import", "text/csv", list(cards[2])); a.status != http.StatusOK || !strings.Contains(a.body, `"applied":true`) {
		t.Errorf("import: %d %s", a.status, a.body)
	}
	const later = "celles qui doivent être fermées le seront dès qu’il répondra"
	admin.settled(admin.submit(page.url.Path+"/apply", nil)).says(t, http.StatusOK, "L’import est fait", later)
	again := "/desk/people/" + cards[0].IdNat
	admin.follow(admin.submit(again+"/cards/"+printed(cards[0])+"/revoke", url.Values{"reason": {"trouvée cassée"}, "next": {""}})).
		says(t, http.StatusOK, "C’est fait, et inscrit au journal.", later)
	for _, e := range h.events()[before:] {
		if e.Outcome != audit.Done {
			t.Errorf("recorded as %s: %+v", e.Outcome, e)
		}
	}
	for i, want := range []identity.CardState{identity.CardRevoked, identity.CardRevoked, identity.CardSuspended, identity.CardSuspended, identity.CardActive} {
		if c, err := h.registry.Card(t.Context(), cards[i].TokenID); err != nil || c.State != want {
			t.Errorf("card %d: %s, %v", i, c.State, err)
		}
	}

	must(t, server.Thaw())
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = h.registry.WatchChanges(ctx, 10*time.Millisecond) })
	defer watching.Wait()
	defer stop()
	for end := time.Now().Add(20 * time.Second); h.registry.Untold(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it is never told")
		}
	}
	for _, b := range holders {
		b.signedOut()
	}
	if a := admin.get(again + "?done=done"); a.status != http.StatusOK || strings.Contains(a.text(), later) {
		t.Errorf("%d: the page does not heal", a.status)
	}
}
