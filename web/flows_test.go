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
)

// upToCode goes through the card door as far as the card host's answer, and
// gives the address on the main host that bears the code.
func upToCode(t *testing.T, b *browser) string {
	t.Helper()
	start := b.get("/login/card")
	there, err := start.url.Parse(start.header.Get("Location"))
	must(t, err)
	a := b.get(there.String())
	if a.status != http.StatusSeeOther {
		t.Fatalf("card host: %d\n%s", a.status, a.text())
	}
	return a.header.Get("Location")
}

// TestCardDoorIsOneBrowsers: what holds a sign-in together, one thread cut at
// a time (design §5; CVE-2026-7507, CVE-2024-7341).
func TestCardDoorIsOneBrowsers(t *testing.T) {
	h := newHouse(t)
	card := h.card(testpki.CardSpec{})
	mine := func() *browser { return h.browser().with(card) }

	t.Run("the whole way", func(t *testing.T) {
		b := mine()
		code := upToCode(t, b)
		b.follow(b.get(code)).says(t, http.StatusOK, "Mon compte")
	})
	t.Run("a code used twice", func(t *testing.T) {
		b := mine()
		secret := ""
		code := func() string { c := upToCode(t, b); secret = b.cookie("__Host-cps-flow"); return c }()
		b.get(code)
		other := mine()
		other.setCookie("__Host-cps-flow", secret)
		other.get(code).says(t, http.StatusForbidden, "Cette tentative de connexion a expiré", "Réessayer")
		h.refusedFor(audit.KindLoginCPS, "code-used")
		other.signedOut()
	})
	t.Run("login CSRF: another's code in this browser", func(t *testing.T) {
		code := upToCode(t, mine())
		victim := h.browser()
		victim.get(code).says(t, http.StatusForbidden, "Cette connexion n’a pas commencé dans ce navigateur")
		e := h.refusedFor(audit.KindLoginCPS, "flow-cookie-missing")
		if e.Subject != identity.PSIdNat(card.IdNat) || e.Card != card.TokenID {
			t.Errorf("the audit does not say whose code it was: %+v", e)
		}
		victim.signedOut()
	})
	t.Run("another's code in a browser that has begun too", func(t *testing.T) {
		code := upToCode(t, mine())
		victim := mine()
		victim.get("/login/card")
		victim.get(code).says(t, http.StatusForbidden, "Cette connexion n’a pas commencé dans ce navigateur")
		h.refusedFor(audit.KindLoginCPS, "flow-other-browser")
		victim.signedOut()
	})
	t.Run("a swapped flow: my card in an attempt that another began", func(t *testing.T) {
		attacker, victim := h.browser(), mine()
		start := attacker.get("/login/card")
		a := victim.follow(victim.get(start.header.Get("Location")))
		a.says(t, http.StatusForbidden, "Cette connexion n’a pas commencé dans ce navigateur")
		victim.signedOut()
		attacker.signedOut()
	})
	t.Run("a refused code is gone for its own browser too", func(t *testing.T) {
		b := mine()
		code := upToCode(t, b)
		h.browser().get(code)
		b.get(code).says(t, http.StatusForbidden, "Cette tentative de connexion a expiré")
		h.refusedFor(audit.KindLoginCPS, "code-used")
	})
	t.Run("a code of more than a minute", func(t *testing.T) {
		b := mine()
		code := upToCode(t, b)
		h.pass(61 * time.Second)
		b.get(code).says(t, http.StatusForbidden, "Cette tentative de connexion a expiré")
		h.refusedFor(audit.KindLoginCPS, "code-unknown")
	})
	t.Run("a code that nobody gave", func(t *testing.T) {
		b := mine()
		b.get("/login/card")
		b.get("/login/cps?code="+strings.Repeat("A", 43)).says(t, http.StatusForbidden, "Cette tentative de connexion a expiré")
		b.get("/login/cps").says(t, http.StatusForbidden, "Cette tentative de connexion a expiré")
		h.refusedFor(audit.KindLoginCPS, "code-unknown")
	})
	t.Run("the flow cookie is taken with the code", func(t *testing.T) {
		b := mine()
		code := upToCode(t, b)
		if b.cookie("__Host-cps-flow") == "" {
			t.Fatal("no flow cookie")
		}
		b.get(code)
		if left := b.cookie("__Host-cps-flow"); left != "" {
			t.Error("the flow cookie is still there")
		}
	})
}

// TestAttemptIsTakenOnce: the card host's side of the same.
func TestAttemptIsTakenOnce(t *testing.T) {
	h := newHouse(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	there := func() string { return b.get("/login/card").header.Get("Location") }

	t.Run("an attempt used twice", func(t *testing.T) {
		to := there()
		b.get(to)
		b.get(to).says(t, http.StatusForbidden, "Cette tentative de connexion a expiré")
		h.refusedFor(audit.KindLoginCPS, "flow-unknown")
	})
	t.Run("an attempt of more than ten minutes", func(t *testing.T) {
		to := there()
		h.pass(11 * time.Minute)
		b.get(to).says(t, http.StatusForbidden, "Cette tentative de connexion a expiré")
		h.refusedFor(audit.KindLoginCPS, "flow-unknown")
	})
	t.Run("an attempt on another name than its own", func(t *testing.T) {
		to, err := url.Parse(there())
		must(t, err)
		to.Host = "anothername.cps.hopital.test"
		b.get(to.String()).says(t, http.StatusForbidden, "Cette tentative de connexion a expiré")
		h.refusedFor(audit.KindLoginCPS, "flow-other-host")
	})
	t.Run("no attempt at all", func(t *testing.T) {
		b.get(cardOrigin+"/cps").says(t, http.StatusForbidden, "Cette tentative de connexion a expiré")
	})
	t.Run("each attempt has a name of its own", func(t *testing.T) {
		first, err := url.Parse(there())
		must(t, err)
		second, err := url.Parse(there())
		must(t, err)
		if first.Host == second.Host || !strings.HasSuffix(first.Host, ".cps.hopital.test") || len(first.Host) < 26 {
			t.Errorf("names %s and %s", first.Host, second.Host)
		}
	})
	t.Run("a refusal leads back to where one was going", func(t *testing.T) {
		b.inside = nil
		a := b.follow(b.get("/login/card?return=" + url.QueryEscape("/account?done=session-ended")))
		if !strings.Contains(a.body, `href="`+mainOrigin+`/login/card?return=%2Faccount%3Fdone%3Dsession-ended"`) {
			t.Errorf("trying again forgets the way:\n%s", a.body)
		}
	})
}

// TestTwoPeopleOneBrowser (CVE-2025-12390): on a shared workstation nothing of
// the first person is left to the second.
func TestTwoPeopleOneBrowser(t *testing.T) {
	h := newHouse(t)
	first := h.card(testpki.CardSpec{FamilyName: "PREMIÈRE", GivenName: "Personne"})
	second := h.card(testpki.CardSpec{FamilyName: "SECONDE", GivenName: "Personne"})
	b := h.browser().with(first)
	b.signIn().says(t, http.StatusOK, "PREMIÈRE")
	token := b.cookie("__Host-cps-session")

	var ceremony begun
	b.script("/account/passkeys/options", struct{}{}).decode(t, &ceremony)
	browserSecret := b.cookie("__Host-cps-ceremony")
	made, err := softkey.New(softkey.Options{}).Create(mainOrigin, ceremony.PublicKey)
	must(t, err)

	b.with(second)
	code := upToCode(t, b)
	a := b.get(code)
	if a.header.Get("Clear-Site-Data") == "" || a.header.Get("Location") != "/account" {
		t.Errorf("changing person: %v", a.header)
	}
	page := b.signedIn()
	page.says(t, http.StatusOK, "SECONDE")
	if strings.Contains(page.text(), "PREMIÈRE") || b.cookie("__Host-cps-session") == token {
		t.Error("something of the first person is left")
	}
	if e := h.last(audit.KindLogout); e.Actor != identity.PSIdNat(first.IdNat) || e.Reason != "replaced" {
		t.Errorf("the audit does not say that the first session ended: %+v", e)
	}

	t.Run("the first person's token is dead", func(t *testing.T) {
		thief := h.browser()
		thief.setCookie("__Host-cps-session", token)
		thief.get("/account").says(t, http.StatusUnauthorized, "Vous avez été déconnecté")
	})
	t.Run("the first person's ceremony does not end in the second's account", func(t *testing.T) {
		b.setCookie("__Host-cps-ceremony", browserSecret)
		a := b.script("/account/passkeys/finish", map[string]any{"ceremony": ceremony.Ceremony, "name": "x", "response": rawJSON(made)})
		a.refuses(t, http.StatusForbidden, "ceremony-other-place")
		b.get("/account").says(t, http.StatusOK, "Vous n’en avez pas encore.")
	})
}

// TestEachSignInIsANewSession (CVE-2026-7507): a token from before is dead
// after, whoever planted it.
func TestEachSignInIsANewSession(t *testing.T) {
	h := newHouse(t)
	b := h.browser().with(h.card(testpki.CardSpec{}))
	planted := strings.Repeat("A", 43)
	b.setCookie("__Host-cps-session", planted)
	b.signIn().says(t, http.StatusOK, "Mon compte")
	first := b.cookie("__Host-cps-session")
	b.signIn().says(t, http.StatusOK, "Mon compte")
	if second := b.cookie("__Host-cps-session"); first == planted || second == first {
		t.Error("a session token outlived a sign-in")
	}
	for _, dead := range []string{planted, first} {
		thief := h.browser()
		thief.setCookie("__Host-cps-session", dead)
		thief.signedOut()
	}
}
