package web_test

import (
	"net/http"
	"net/url"
	"testing"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
)

// TestAddingAPasskey: only from a session that a certificate opened, and only
// what the relying party and the card record accept.
func TestAddingAPasskey(t *testing.T) {
	h, b, card, key := enrolled(t)
	t.Run("not without a session", func(t *testing.T) {
		b.t = t
		b.script("/account/passkeys/options", struct{}{}).refuses(t, http.StatusUnauthorized, "session-ended")
	})
	t.Run("not from a session opened by passkey", func(t *testing.T) {
		b.t, h.t = t, t
		b.useKey(key, softkey.SignCount(21))
		b.enrol(softkey.New(softkey.Options{}), "").refuses(t, http.StatusForbidden, "certificate-session")
		h.refusedFor(audit.KindPasskeyAdd, "certificate-session")
		b.get("/account").says(t, http.StatusOK, "Se connecter avec ma carte CPS")
	})
	b.signIn()
	t.Run("not one that is there already", func(t *testing.T) {
		b.t = t
		a := b.script("/account/passkeys/options", struct{}{})
		var ceremony begun
		a.decode(t, &ceremony)
		if _, err := key.Create(mainOrigin, ceremony.PublicKey); err == nil {
			t.Error("the options do not exclude what is there")
		}
	})
	t.Run("not one that can be copied", func(t *testing.T) {
		b.t, h.t = t, t
		b.enrol(softkey.New(softkey.Options{BackupEligible: true}), "").refuses(t, http.StatusForbidden, "backup-eligible")
		h.refusedFor(audit.KindPasskeyAdd, "backup-eligible")
	})
	t.Run("not without its code", func(t *testing.T) {
		b.t = t
		b.enrol(softkey.New(softkey.Options{}), "", softkey.Clear(softkey.FlagUV)).refuses(t, http.StatusForbidden, "user-verification")
	})
	t.Run("not under a name that cannot be shown", func(t *testing.T) {
		b.t = t
		b.enrol(softkey.New(softkey.Options{}), "a\x07b").refuses(t, http.StatusBadRequest, string(enroll.ReasonPasskeyName))
	})
	t.Run("without a name it gets one, and vouches by the card", func(t *testing.T) {
		b.t, h.t = t, t
		added := softkey.New(softkey.Options{})
		if a := b.enrol(added, ""); a.status != http.StatusOK {
			t.Fatalf("%s", a.body)
		}
		p, err := h.registry.Passkey(t.Context(), added.Credentials()[0])
		must(t, err)
		if p.Name != "Carte ou clé enrôlée" || p.State != identity.PasskeyPending ||
			p.Proof.Kind != identity.ProofCertificate || p.Proof.CardTokenID != card.TokenID {
			t.Errorf("%+v", p)
		}
		if e := h.last(audit.KindPasskeyAdd); e.Address != "127.0.0.1" || e.Method != string(identity.MethodCPS) {
			t.Errorf("audit: %+v", e)
		}
	})
	t.Run("not past twenty", func(t *testing.T) {
		b.t = t
		for range 18 {
			if a := b.enrol(softkey.New(softkey.Options{}), ""); a.status != http.StatusOK {
				t.Fatalf("%s", a.body)
			}
		}
		b.enrol(softkey.New(softkey.Options{}), "").refuses(t, http.StatusConflict, "too-many-passkeys")
	})
}

// TestSelfEnrolmentByPolicy: the card's applet is bound to the card that opened
// the session; a security key needs the policy's word; or the desk alone enrols.
func TestSelfEnrolmentByPolicy(t *testing.T) {
	usb := func() *softkey.Device {
		return softkey.New(softkey.Options{AAGUID: [16]byte{0x4e}, Attestation: softkey.Self, Transports: []string{"usb"}})
	}
	in := func(t *testing.T, self enroll.SelfEnrolment) (*house, *browser, *testpki.Card) {
		h := newHouse(t, plan{policy: enroll.Policy{SelfEnrolment: self}})
		card := h.card(testpki.CardSpec{})
		b := h.browser().with(card)
		b.signIn()
		return h, b, card
	}
	kept := func(h *house, key *softkey.Device) identity.Passkey {
		p, err := h.registry.Passkey(t.Context(), key.Credentials()[0])
		must(t, err)
		return p
	}
	t.Run("cards", func(t *testing.T) {
		h, b, card := in(t, enroll.SelfCards)
		b.get("/account").says(t, http.StatusOK, "Enrôler ma carte")
		applet := softkey.New(softkey.Options{Transports: []string{"nfc"}}) // as older stacks call it
		if a := b.enrol(applet, ""); a.status != http.StatusOK || kept(h, applet).CardTokenID != card.TokenID {
			t.Errorf("%d %s %+v", a.status, a.body, kept(h, applet))
		}
		b.enrol(usb(), "").refuses(t, http.StatusForbidden, "key")
		if e := h.refusedFor(audit.KindPasskeyAdd, "key"); e.Subject != identity.PSIdNat(card.IdNat) || e.CredentialHash == "" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("keys too", func(t *testing.T) {
		h, b, card := in(t, enroll.SelfKeys)
		b.get("/account").says(t, http.StatusOK, "Enrôler une carte ou une clé")
		key := usb()
		if a := b.enrol(key, ""); a.status != http.StatusOK || kept(h, key).CardTokenID != "" || kept(h, key).Proof.CardTokenID != card.TokenID {
			t.Errorf("%d %s %+v", a.status, a.body, kept(h, key))
		}
	})
	t.Run("never", func(t *testing.T) {
		h, b, _ := in(t, enroll.SelfNever)
		b.get("/account").says(t, http.StatusOK, "Ici, les cartes s’enrôlent au guichet.")
		b.script("/account/passkeys/options", struct{}{}).refuses(t, http.StatusForbidden, "policy")
		h.refusedFor(audit.KindPasskeyAdd, "policy")
	})
}

// TestKeepingPasskeys: renaming and removing one's own, and nobody else's.
func TestKeepingPasskeys(t *testing.T) {
	h, b, _, key := enrolled(t)
	id := idText(key.Credentials()[0])
	b.signIn()

	t.Run("renamed", func(t *testing.T) {
		b.t = t
		b.follow(b.submit("/account/passkeys/rename", url.Values{"id": {id}, "name": {"<b>Bureau</b> & garde"}})).
			says(t, http.StatusOK, "Le nouveau nom est enregistré.", "<b>Bureau</b> & garde")
		b.submit("/account/passkeys/rename", url.Values{"id": {id}, "name": {""}}).says(t, http.StatusBadRequest, "Ce nom ne convient pas")
		b.submit("/account/passkeys/rename", url.Values{"id": {"!"}, "name": {"x"}}).says(t, http.StatusBadRequest)
	})
	t.Run("another person's is as unknown as none", func(t *testing.T) {
		stranger := h.browser().with(h.card(testpki.CardSpec{}))
		stranger.t = t
		stranger.signIn()
		for _, act := range []string{"rename", "remove"} {
			form := url.Values{"id": {id}}
			if act == "rename" {
				form.Set("name", "x")
			}
			mine := stranger.submit("/account/passkeys/"+act, form)
			form.Set("id", idText([]byte("no such passkey")))
			none := stranger.submit("/account/passkeys/"+act, form)
			mine.says(t, http.StatusForbidden, "Cette carte n’est pas enrôlée ici")
			if eventNumber.ReplaceAllString(mine.body, "") != eventNumber.ReplaceAllString(none.body, "") {
				t.Error("the answers tell whether the passkey exists")
			}
		}
		h.refusedFor(audit.KindPasskeyRemove, "passkey-unknown")
	})
	t.Run("removed, and its sessions with it", func(t *testing.T) {
		b.t, h.t = t, t
		elsewhere := h.browser()
		if a := elsewhere.useKey(key, softkey.SignCount(30)); a.status != http.StatusOK {
			t.Fatalf("%s", a.body)
		}
		elsewhere.signedIn()
		b.follow(b.submit("/account/passkeys/remove", url.Values{"id": {id}})).
			says(t, http.StatusOK, "La carte ou la clé a été retirée.", "Vous n’en avez pas encore.")
		elsewhere.signedOut()
		elsewhere.useKey(key, softkey.SignCount(31)).refuses(t, http.StatusForbidden, "passkey-revoked")
		b.signedIn()
	})
	t.Run("removed from the session that it opened", func(t *testing.T) {
		b.t = t
		fresh := softkey.New(softkey.Options{})
		b.enrol(fresh, "x")
		if a := b.useKey(fresh); a.status != http.StatusOK {
			t.Fatalf("%s", a.body)
		}
		b.follow(b.submit("/account/passkeys/remove", url.Values{"id": {idText(fresh.Credentials()[0])}})).
			says(t, http.StatusOK, "Vous êtes déconnecté")
		b.signedOut()
	})
}
