package web_test

import (
	"net/http"
	"strings"
	"testing"

	"cpsgate/audit"
	"cpsgate/identity"
	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
)

// TestBothDoors walks what a professional does: in by certificate, a passkey
// enrolled, out, in by passkey.
func TestBothDoors(t *testing.T) {
	h := newHouse(t)
	card := h.card(testpki.CardSpec{})
	b := h.browser().with(card)

	first := b.get("/")
	first.says(t, http.StatusOK, "Se connecter", "Avec ma carte CPS", "Avec ma carte enrôlée ici")
	a := b.signIn()
	a.says(t, http.StatusOK, "Mon compte", "EXEMPLE Camille — Infirmier — "+card.IdNat, "En service", "Connecté avec votre carte CPS")
	if a.url.Path != "/account" {
		t.Errorf("signing in leads to %s", a.url)
	}
	accepted := h.last(audit.KindLoginCPS)
	if accepted.Outcome != audit.Accepted || accepted.Actor != identity.PSIdNat(card.IdNat) || accepted.Card != card.TokenID || accepted.Session == "" {
		t.Errorf("audit: %+v", accepted)
	}

	key := softkey.New(softkey.Options{Attestation: softkey.Self, Transports: []string{"smart-card"}})
	a = b.enrol(key, "Ma carte CPS4")
	if a.status != http.StatusOK || !strings.Contains(a.body, "/account?done=passkey-added") {
		t.Fatalf("enrolling: %d %s", a.status, a.body)
	}
	b.get("/account?done=passkey-added").says(t, http.StatusOK, "Ma carte CPS4", "À essayer une fois", "La carte ou la clé est enrôlée.")

	b.follow(b.submit("/logout", nil)).says(t, http.StatusOK, "Vous êtes déconnecté", "Retirez votre carte du lecteur.", "garde encore le choix")
	b.signedOut()

	a = b.useKey(key)
	if a.status != http.StatusOK || !strings.Contains(a.body, `"next":"/account"`) {
		t.Fatalf("passkey: %d %s", a.status, a.body)
	}
	page := b.signedIn()
	page.says(t, http.StatusOK, "Connecté avec votre carte enrôlée", "Pour enrôler une carte, il faut une session ouverte avec votre carte CPS")
	if strings.Contains(page.text(), "À essayer une fois") {
		t.Error("the proof of use left the passkey pending")
	}
	used := h.last(audit.KindLoginFIDO2)
	if used.Outcome != audit.Accepted || used.Card != card.TokenID || used.CredentialHash == "" || used.Proof != string(identity.ProofCertificate) {
		t.Errorf("audit: %+v", used)
	}
	b.follow(b.submit("/logout", nil))
	if page := b.get("/").body; strings.Index(page, `id="door-passkey"`) > strings.Index(page, `id="door-card"`) {
		t.Error("the door last used does not come first")
	}
}
