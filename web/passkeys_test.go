package web_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
	"cpsgate/rp"
)

// enrolled is a house in which one person has a card, a passkey that has been
// used, and is signed out.
func enrolled(t *testing.T, plans ...plan) (*house, *browser, *testpki.Card, *softkey.Device) {
	t.Helper()
	h := newHouse(t, plans...)
	card := h.card(testpki.CardSpec{})
	b := h.browser().with(card)
	b.signIn().says(t, http.StatusOK, "Mon compte")
	key := softkey.New(softkey.Options{Attestation: softkey.Self})
	if a := b.enrol(key, "Ma clé"); a.status != http.StatusOK {
		t.Fatalf("enrolling: %s", a.body)
	}
	b.submit("/logout", nil)
	if a := b.useKey(key, softkey.SignCount(5)); a.status != http.StatusOK {
		t.Fatalf("first use: %s", a.body)
	}
	b.submit("/logout", nil)
	return h, b, card, key
}

// TestPasskeyLies: each answer that is not what was asked for is refused for
// its reason, recorded, and lets nobody in.
func TestPasskeyLies(t *testing.T) {
	h, b, _, key := enrolled(t)
	other := softkey.New(softkey.Options{})
	_, err := other.Create(mainOrigin, creationOptions)
	must(t, err)
	for _, c := range []struct {
		name   string
		reason rp.Reason
		status int
		lie    softkey.Lie
	}{
		{"another challenge", rp.ReasonChallenge, 403, softkey.Challenge(bytes.Repeat([]byte{7}, 32))},
		{"another origin", rp.ReasonOrigin, 403, softkey.Origin("https://sso.hopital.example")},
		{"another port of the same host", rp.ReasonOrigin, 403, softkey.Origin(mainOrigin + ":8443")},
		{"another RP ID", rp.ReasonRPID, 403, softkey.RPID("hopital.example")},
		{"no PIN", rp.ReasonUserVerification, 403, softkey.Clear(softkey.FlagUV)},
		{"nobody there", rp.ReasonUserPresence, 403, softkey.Clear(softkey.FlagUP)},
		{"a bad signature", rp.ReasonSignature, 403, softkey.BadSignature()},
		{"another person's user handle", rp.ReasonUserHandle, 403, softkey.UserHandle(bytes.Repeat([]byte{9}, 32))},
		{"no user handle", rp.ReasonUserHandle, 403, softkey.UserHandle(nil)},
		{"the other ceremony's client data", rp.ReasonType, 403, softkey.Type("webauthn.create")},
		{"no JSON of an answer", rp.ReasonMalformed, 400, softkey.AlterBody(func([]byte) []byte { return []byte(`{"id":1}`) })},
	} {
		t.Run(c.name, func(t *testing.T) {
			b.t, h.t = t, t
			b.useKey(key, softkey.SignCount(9), c.lie).refuses(t, c.status, string(c.reason))
			e := h.refusedFor(audit.KindLoginFIDO2, string(c.reason))
			if e.Session != "" {
				t.Error("a session was made")
			}
			b.signedOut()
		})
	}
	t.Run("a passkey that nobody has here", func(t *testing.T) {
		b.t, h.t = t, t
		b.useKey(other).refuses(t, http.StatusForbidden, "passkey-unknown")
		if e := h.refusedFor(audit.KindLoginFIDO2, "passkey-unknown"); e.CredentialHash != audit.HashCredential(other.Credentials()[0]) {
			t.Errorf("audit: %+v", e)
		}
	})
	t.Run("the truth still opens", func(t *testing.T) {
		b.t, h.t = t, t
		if a := b.useKey(key, softkey.SignCount(10)); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
}

var creationOptions = []byte(`{"rp":{"id":"hopital.test","name":"x"},"user":{"id":"AAAA","name":"x","displayName":"x"},"challenge":"AAAAAAAAAAAAAAAAAAAAAA","pubKeyCredParams":[{"type":"public-key","alg":-7}],"authenticatorSelection":{"residentKey":"required"}}`)

// TestCeremonyIsTakenOnce: a login ceremony belongs to one browser, for a
// while, for one answer.
func TestCeremonyIsTakenOnce(t *testing.T) {
	h, b, _, key := enrolled(t)
	t.Run("the same answer twice", func(t *testing.T) {
		b.t, h.t = t, t
		answer := b.begin(key, "", softkey.SignCount(11))
		if a := b.script("/login/passkey/finish", answer); a.status != http.StatusOK {
			t.Fatalf("%s", a.body)
		}
		b.submit("/logout", nil)
		b.script("/login/passkey/finish", answer).refuses(t, http.StatusForbidden, "ceremony-unknown")
		h.refusedFor(audit.KindLoginFIDO2, "ceremony-unknown")
		b.signedOut()
	})
	t.Run("an answer from another browser", func(t *testing.T) {
		b.t, h.t = t, t
		answer := b.begin(key, "", softkey.SignCount(12))
		thief := h.browser()
		thief.script("/login/passkey/finish", answer).refuses(t, http.StatusForbidden, "ceremony-other-place")
		thief.signedOut()
		b.script("/login/passkey/finish", answer).refuses(t, http.StatusForbidden, "ceremony-unknown")
	})
	t.Run("an answer that comes too late", func(t *testing.T) {
		b.t, h.t = t, t
		answer := b.begin(key, "", softkey.SignCount(13))
		h.pass(6 * time.Minute)
		b.script("/login/passkey/finish", answer).refuses(t, http.StatusForbidden, "ceremony-unknown")
	})
	t.Run("a registration's ceremony", func(t *testing.T) {
		b.t, h.t = t, t
		b.signIn()
		var ceremony begun
		b.script("/account/passkeys/options", struct{}{}).decode(t, &ceremony)
		answer := b.begin(key, "", softkey.SignCount(14))
		answer["ceremony"] = ceremony.Ceremony
		b.script("/login/passkey/finish", answer).refuses(t, http.StatusForbidden, "ceremony-unknown")
	})
	t.Run("two tabs of one browser", func(t *testing.T) {
		b.t, h.t = t, t
		b.submit("/logout", nil)
		first := b.begin(key, "", softkey.SignCount(15))
		b.begin(key, "", softkey.SignCount(16))
		if a := b.script("/login/passkey/finish", first); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("it leads back to the page that was asked for", func(t *testing.T) {
		b.t, h.t = t, t
		answer := b.begin(key, "/account?done=session-ended", softkey.SignCount(17))
		a := b.script("/login/passkey/finish", answer)
		if !strings.Contains(a.body, `"next":"/account?done=session-ended"`) {
			t.Errorf("%s", a.body)
		}
		answer = b.begin(key, "https://evil.example/", softkey.SignCount(18))
		if a := b.script("/login/passkey/finish", answer); !strings.Contains(a.body, `"next":"/account"`) {
			t.Errorf("%s", a.body)
		}
	})
}

// TestOneCardRecord: what closes the card's own door closes the passkey's.
func TestOneCardRecord(t *testing.T) {
	t.Run("card suspended, and active again", func(t *testing.T) {
		h, b, card, key := enrolled(t)
		b.useKey(key, softkey.SignCount(6))
		b.signedIn()
		must(t, h.registry.Suspend(t.Context(), console, card.TokenID))
		b.signedOut()
		b.useKey(key, softkey.SignCount(7)).refuses(t, http.StatusForbidden, "card-suspended")
		if e := h.refusedFor(audit.KindLoginFIDO2, "card-suspended"); e.Subject != identity.PSIdNat(card.IdNat) {
			t.Errorf("audit: %+v", e)
		}
		_, err := h.registry.Reactivate(t.Context(), console, card.TokenID)
		must(t, err)
		if a := b.useKey(key, softkey.SignCount(8)); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("card withdrawn", func(t *testing.T) {
		h, b, card, key := enrolled(t)
		must(t, h.registry.Revoke(t.Context(), console, card.TokenID))
		b.useKey(key, softkey.SignCount(7)).refuses(t, http.StatusForbidden, "card-revoked")
	})
	t.Run("certificate revoked", func(t *testing.T) {
		h, b, card, key := enrolled(t)
		card.Authentication.Revoke(h.now().Add(-time.Minute), testpki.ReasonKeyCompromise)
		h.publish()
		b.useKey(key, softkey.SignCount(7)).refuses(t, http.StatusForbidden, "revoked")
		h.refusedFor(audit.KindLoginFIDO2, "revoked")
		b.signedOut()
	})
	t.Run("revocation unknown", func(t *testing.T) {
		h, b, _, key := enrolled(t)
		h.forgetCRLs()
		b.useKey(key, softkey.SignCount(7)).refuses(t, http.StatusServiceUnavailable, "revocation-unavailable")
	})
	t.Run("passkey suspended", func(t *testing.T) {
		h, b, _, key := enrolled(t)
		must(t, h.registry.SuspendPasskey(t.Context(), console, key.Credentials()[0]))
		b.useKey(key, softkey.SignCount(7)).refuses(t, http.StatusForbidden, "passkey-suspended")
	})
}

// TestCopiedPasskey: a counter that runs backwards stops the passkey, not only
// this login (WebAuthn L3 §7.2 step 22).
func TestCopiedPasskey(t *testing.T) {
	h, b, _, key := enrolled(t)
	b.useKey(key, softkey.SignCount(3)).refuses(t, http.StatusForbidden, "sign-count")
	h.refusedFor(audit.KindLoginFIDO2, "sign-count")
	b.useKey(key, softkey.SignCount(20)).refuses(t, http.StatusForbidden, "passkey-suspended")

	h, b, _, key = enrolled(t, plan{signs: rp.SignCountRecord})
	if a := b.useKey(key, softkey.SignCount(3)); a.status != http.StatusOK {
		t.Fatalf("policy record: %d %s", a.status, a.body)
	}
	if e := h.last(audit.KindLoginFIDO2); !strings.Contains(e.Detail, "from 5 to 3") {
		t.Errorf("the audit does not say what was let through: %+v", e)
	}
}
