package web_test

import (
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/sessions"
)

var sessionID = regexp.MustCompile(`action="/account/sessions/end"[^>]*>\s*<input type="hidden" name="id" value="([^"]+)"`)

// TestMySessions: each of one's own can be ended, and no one else's.
func TestMySessions(t *testing.T) {
	h := newHouse(t)
	card := h.card(testpki.CardSpec{})
	here, there, far := h.browser().with(card), h.browser().with(card), h.browser().with(card)
	here.signIn().says(t, http.StatusOK, "C’est votre seule session ouverte.")
	there.signIn()
	page := there.signedIn()
	id := sessionID.FindStringSubmatch(page.body)
	if id == nil {
		t.Fatalf("the other session is not listed:\n%s", page.text())
	}
	page.says(t, http.StatusOK, "Cette session", "Avec la carte CPS", "Depuis 127.0.0.1", "Fermer toutes les autres sessions")

	t.Run("a stranger cannot end it", func(t *testing.T) {
		stranger := h.browser().with(h.card(testpki.CardSpec{}))
		stranger.signIn()
		stranger.submit("/account/sessions/end", url.Values{"id": {id[1]}})
		here.t = t
		here.signedIn()
	})
	t.Run("its holder can", func(t *testing.T) {
		there.follow(there.submit("/account/sessions/end", url.Values{"id": {id[1]}})).says(t, http.StatusOK, "La session est fermée.")
		here.get("/account").says(t, http.StatusUnauthorized, "Vous avez été déconnecté", "Elle a été fermée")
		e := h.last(audit.KindSessionEnd)
		if e.Actor != identity.PSIdNat(card.IdNat) || e.Reason != "by-holder" || !strings.Contains(e.Detail, id[1]) {
			t.Errorf("audit: %+v", e)
		}
		there.submit("/account/sessions/end", url.Values{"id": {""}}).says(t, http.StatusBadRequest)
	})
	t.Run("all the others at once", func(t *testing.T) {
		here.signIn()
		far.signIn()
		there.follow(there.submit("/account/sessions/end-others", nil)).says(t, http.StatusOK, "Toutes vos autres sessions sont fermées.", "C’est votre seule session ouverte.")
		here.signedOut()
		far.signedOut()
		there.signedIn()
	})
}

// TestSessionOver: who is no longer signed in is told so, once, and comes back
// to where they were.
func TestSessionOver(t *testing.T) {
	h := newHouse(t, plan{limits: map[identity.Method]sessions.Limits{identity.MethodCPS: {Idle: 30 * time.Minute, Absolute: 10 * time.Hour}}})
	b := h.browser().with(h.card(testpki.CardSpec{}))

	t.Run("without any cookie, the way leads to the sign-in page and back", func(t *testing.T) {
		a := b.get("/account?done=session-ended")
		if to := a.header.Get("Location"); a.status != http.StatusSeeOther || to != "/?return=%2Faccount%3Fdone%3Dsession-ended" {
			t.Errorf("%d to %q", a.status, to)
		}
		b.follow(a).says(t, http.StatusOK, "Se connecter", "Vous reviendrez ensuite où vous étiez.")
		b.submit("/account/sessions/end-others", nil).says(t, http.StatusUnauthorized, "Vous avez été déconnecté")
	})
	t.Run("after too long without activity", func(t *testing.T) {
		b.signIn()
		h.pass(31 * time.Minute)
		a := b.get("/account?done=session-ended")
		a.says(t, http.StatusUnauthorized, "Vous avez été déconnecté", "Votre session a duré 30 minutes", "vous reviendrez où vous étiez")
		if !strings.Contains(a.body, `href="/?return=%2Faccount%3Fdone%3Dsession-ended"`) || a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("no way back to the page asked for:\n%s", a.body)
		}
		if b.cookie("__Host-cps-session") != "" {
			t.Error("the dead cookie stays")
		}
	})
	t.Run("a script is told by JSON", func(t *testing.T) {
		b.t = t
		b.signIn()
		h.pass(31 * time.Minute)
		b.script("/account/passkeys/options", struct{}{}).refuses(t, http.StatusUnauthorized, "session-expired")
	})
	t.Run("signing out twice does no harm", func(t *testing.T) {
		b.signIn()
		for range 2 {
			a := b.submit("/logout", nil)
			if a.status != http.StatusSeeOther || a.header.Get("Location") != "/signed-out" || a.header.Get("Clear-Site-Data") == "" {
				t.Errorf("%d %v", a.status, a.header)
			}
		}
		if e := h.last(audit.KindLogout); e.Reason != "signed-out" || e.Outcome != audit.Done {
			t.Errorf("audit: %+v", e)
		}
	})
	t.Run("who is signed in is not asked again", func(t *testing.T) {
		b.signIn()
		for _, path := range []string{"/", "/signed-out"} {
			if a := b.get(path); a.status != http.StatusSeeOther || a.header.Get("Location") != "/account" {
				t.Errorf("%s: %d to %q", path, a.status, a.header.Get("Location"))
			}
		}
	})
}

// TestSuspendedMeanwhile: a card that is suspended between the card host and
// the main host does not get in.
func TestSuspendedMeanwhile(t *testing.T) {
	h := newHouse(t)
	card := h.card(testpki.CardSpec{})
	b := h.browser().with(card)
	code := upToCode(t, b)
	must(t, h.registry.Suspend(t.Context(), console, card.TokenID))
	b.get(code).says(t, http.StatusForbidden, "Votre carte est suspendue")
	h.refusedFor(audit.KindLoginCPS, "card-suspended")
	b.signedOut()
}
