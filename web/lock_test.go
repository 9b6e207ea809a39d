package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
	"cpsgate/sessions"
)

// TestLock: active → locked → active again, by the same card and no other.
func TestLock(t *testing.T) {
	h := newHouse(t)
	spec := testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 60}
	mine := h.card(spec)
	spec.IdNat = mine.IdNat
	second := h.card(spec)
	colleague := h.card(testpki.CardSpec{FamilyName: "EXEMPLE-COLLÈGUE", GivenName: "Dominique", Profession: 10})
	b := h.browser().with(mine)
	b.signIn()
	token := b.cookie("__Host-cps-session")
	a := b.submit("/lock", nil)
	if a.status != http.StatusSeeOther || a.header.Get("Location") != "/locked" || a.header.Get("Clear-Site-Data") == "" {
		t.Fatalf("%d %v", a.status, a.header)
	}
	if e := h.last(audit.KindSessionLock); e.Actor != identity.PSIdNat(mine.IdNat) || e.Session == "" {
		t.Errorf("audit: %+v", e)
	}

	t.Run("it says whose it is, and offers one way in", func(t *testing.T) {
		b.t = t
		page := b.get("/locked")
		page.says(t, http.StatusOK, "Cette session est verrouillée", "EXEMPLE Camille", "Déverrouiller", "Fermer cette session")
		if strings.Contains(page.body, "data-passkey") {
			t.Error("a passkey is offered for a session that a certificate opened")
		}
	})
	t.Run("pages lead to it, and nothing works", func(t *testing.T) {
		if to := b.get("/account?done=session-ended").header.Get("Location"); to != "/locked?return=%2Faccount%3Fdone%3Dsession-ended" {
			t.Errorf("the account leads to %q", to)
		}
		if to := b.get("/").header.Get("Location"); to != "/locked" {
			t.Errorf("signing in leads to %q", to)
		}
		b.script("/account/passkeys/options", struct{}{}).refuses(t, http.StatusUnauthorized, "session-locked")
		b.submit("/account/sessions/end-others", nil).says(t, http.StatusUnauthorized, "Cette session est verrouillée", "Voir la session verrouillée")
		b.submit("/lock", nil).says(t, http.StatusUnauthorized, "Cette session est verrouillée")
	})
	t.Run("neither another's card nor another card of the same person opens it", func(t *testing.T) {
		for _, card := range []*testpki.Card{colleague, second} {
			b.with(card)
			b.get(upToCode(t, b)).says(t, http.StatusUnauthorized, "Seule la carte ou la clé qui l’a ouverte peut la déverrouiller.")
			h.refusedFor(audit.KindLoginCPS, "session-locked")
			if to := b.get("/account").header.Get("Location"); !strings.HasPrefix(to, "/locked") {
				t.Errorf("it leads to %q", to)
			}
		}
	})
	t.Run("the same card does, under a new token, and comes back", func(t *testing.T) {
		b.with(mine)
		start := b.get("/login/card?return=" + url.QueryEscape("/account?done=session-ended"))
		b.follow(start).says(t, http.StatusOK, "La session est fermée.")
		if fresh := b.cookie("__Host-cps-session"); fresh == token || fresh == "" {
			t.Error("the token is the one before")
		}
		thief := h.browser()
		thief.setCookie("__Host-cps-session", token)
		thief.get("/account").says(t, http.StatusUnauthorized, "Vous avez été déconnecté")
	})
	t.Run("whoever else is there ends it and signs in", func(t *testing.T) {
		b.follow(b.submit("/lock", nil)).says(t, http.StatusOK, "Cette session est verrouillée")
		b.follow(b.submit("/logout", nil)).says(t, http.StatusOK, "Vous êtes déconnecté")
		if e := h.last(audit.KindLogout); e.Actor != identity.PSIdNat(mine.IdNat) {
			t.Errorf("audit: %+v", e)
		}
		b.with(colleague)
		b.signIn().says(t, http.StatusOK, "EXEMPLE-COLLÈGUE")
	})
}

// TestLockOfAPasskeySession: the other door.
func TestLockOfAPasskeySession(t *testing.T) {
	h := newHouse(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	b.signIn()
	key, other := softkey.New(softkey.Options{}), softkey.New(softkey.Options{})
	b.enrol(key, "Clé une").says(t, http.StatusOK)
	b.enrol(other, "Clé deux").says(t, http.StatusOK)
	b.submit("/logout", nil)
	b.useKey(key).says(t, http.StatusOK)
	b.useKey(other).says(t, http.StatusOK)
	b.useKey(key).says(t, http.StatusOK)
	b.follow(b.submit("/lock", nil)).says(t, http.StatusOK, "Cette session est verrouillée", "Présentez la carte ou la clé qui a ouvert cette session")
	b.useKey(other).refuses(t, http.StatusUnauthorized, "session-locked")
	if to := b.get("/account").header.Get("Location"); to != "/locked" {
		t.Errorf("it leads to %q", to)
	}
	b.get(upToCode(t, b)).says(t, http.StatusUnauthorized, "Cette session est verrouillée")
	b.useKey(key).says(t, http.StatusOK)
	b.signedIn()
}

// TestALockedSessionRunsOut: a lock does not keep a session for ever.
func TestALockedSessionRunsOut(t *testing.T) {
	h := newHouse(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	b.signIn()
	b.submit("/lock", nil)
	h.pass(31 * time.Minute)
	b.get("/account").says(t, http.StatusUnauthorized, "Vous avez été déconnecté", "Votre session a duré 30 minutes")
}

// TestAgain: an act that wants a fresh sign-in leads to one and back, in the
// same session under a new token.
func TestAgain(t *testing.T) {
	h := newHouse(t, plan{limits: map[identity.Method]sessions.Limits{identity.MethodCPS: {Idle: time.Hour}}})
	chief, card := h.person(testpki.CardSpec{FamilyName: "EXEMPLE-CHEF", GivenName: "Dominique", Profession: 10}, identity.RoleAdmin)
	someone, _ := h.person(testpki.CardSpec{})
	page := "/desk/people/" + string(someone)
	b := h.browser().with(card)
	b.signIn()
	token, before := b.cookie("__Host-cps-session"), h.only(chief)
	h.pass(16 * time.Minute)
	grant := func() answer { return b.submit(page+"/roles/grant", url.Values{"role": {"operator"}}) }
	a := grant()
	a.says(t, http.StatusForbidden, "Confirmez que c’est vous", "Me connecter à nouveau")
	again := "/?again=1&return=" + url.QueryEscape(page)
	if !strings.Contains(a.text()+a.body, strings.ReplaceAll(again, "&", "&amp;")) {
		t.Errorf("no way to %s:\n%s", again, a.body)
	}
	b.get(again).says(t, http.StatusOK, "Confirmez que c’est vous", "EXEMPLE-CHEF Dominique")
	b.follow(b.get("/login/card?return="+url.QueryEscape(page))).says(t, http.StatusOK, string(someone), "Accorder ce rôle")
	after := h.only(chief)
	if b.cookie("__Host-cps-session") == token || after.ID != before.ID || !after.AuthenticatedAt.After(before.AuthenticatedAt) || after.ExpiresAt != before.ExpiresAt {
		t.Errorf("before %+v, after %+v", before, after)
	}
	b.follow(grant()).says(t, http.StatusOK)
	thief := h.browser()
	thief.setCookie("__Host-cps-session", token)
	thief.get("/account").says(t, http.StatusUnauthorized, "Vous avez été déconnecté")
}

// only is the one session of somebody.
func (h *house) only(who identity.PSIdNat) sessions.Session {
	h.t.Helper()
	list, err := h.sessions.OfHolder(h.t.Context(), who)
	must(h.t, err)
	if len(list) != 1 {
		h.t.Fatalf("%d sessions of %s", len(list), who)
	}
	return list[0]
}

// TestLockedPageLooks: the page of a locked session, by either door.
func TestLockedPageLooks(t *testing.T) {
	t.Parallel()
	h, origin := browserHouse(t)
	who, _ := h.person(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 60})
	tab := h.tabOf(h.chromium(), origin, who)
	tab.Go(origin + "/account")
	looks(t, tab, "account-lock")
	tab.Click(`form[action="/lock"] button`)
	tab.WaitFor(`form[action="/logout"]`)
	looks(t, tab, "locked")
}
