package web_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
)

// TestImportOfOppositions: cards stop, sessions end, and what is lifted is proposed.
func TestImportOfOppositions(t *testing.T) {
	h := newHouse(t)
	admin, _ := h.staff(identity.RoleAdmin)
	card := h.card(testpki.CardSpec{})
	holder := h.browser().with(card)
	holder.signIn()
	list := func(date string) string {
		return "Type de carte|Numéro carte|Identifiant PP|Date opposition\nCPS|" + strings.TrimPrefix(card.TokenID, "8025000001/") + "|" +
			strings.TrimPrefix(card.IdNat, "8") + "|" + date + "\nCPS|9999999999|" + rpps(3) + "|2026-01-05\n"
	}
	apply := func(file string) answer {
		page := admin.settled(admin.uploads("oppositions", "Porteurs_CPS_CPF.txt", file))
		page.says(t, http.StatusOK, "Suspendre les cartes en opposition")
		return admin.settled(admin.submit(page.url.Path+"/apply", nil))
	}
	apply(list("2026-01-05")).says(t, http.StatusOK, "Cartes suspendues ici", "L’import est fait")
	holder.signedOut()
	if c, err := h.registry.Card(t.Context(), card.TokenID); err != nil || c.State != identity.CardSuspended || c.StateReason != enroll.ReasonOpposed {
		t.Errorf("%+v %v", c, err)
	}
	apply(list("")).says(t, http.StatusOK, "remettre en service sur décision")
	admin.get("/desk/approvals").says(t, http.StatusOK, "Proposé d’office")
	t.Run("a row that is not understood", func(t *testing.T) {
		admin.t, h.t = t, t
		other := h.card(testpki.CardSpec{})
		h.browser().with(other).signIn()
		file := "Numéro carte|Identifiant PP|Date opposition\nabc|1|2026-01-05\n" +
			strings.TrimPrefix(other.TokenID, "8025000001/") + "|" + strings.TrimPrefix(other.IdNat, "8") + "|2026-01-05\n"
		page := admin.settled(admin.uploads("oppositions", "partie.txt", file))
		page.says(t, http.StatusOK, "Vérifié en partie", "Certaines lignes n’ont pas été comprises", "Lignes non comprises, et non appliquées : 1 sur 2.", "« abc » n’est pas un numéro de carte")
		done := admin.settled(admin.submit(page.url.Path+"/apply", nil))
		done.says(t, http.StatusOK, "Terminé en partie", "Les autres ne le sont pas", "Lignes non comprises, et non appliquées : 1 sur 2.")
		if c, err := h.registry.Card(t.Context(), other.TokenID); err != nil || c.State != identity.CardSuspended {
			t.Errorf("%+v %v", c, err)
		}
		admin.get("/imports").says(t, http.StatusOK, "Terminé en partie")
		page = admin.settled(admin.uploads("oppositions", "rien.txt", "Numéro carte|Identifiant PP|Date opposition\nabc|1|2026-01-05\n"))
		page.says(t, http.StatusOK, "À corriger", "Rien n’a été importé")
		if strings.Contains(page.body, "/apply") {
			t.Error("a list that nobody understands may be applied")
		}
		h.refusedFor(audit.KindOppositionImport, "rows")
	})
	admin.settled(admin.uploads("oppositions", "x.txt", "Numéro carte|Identifiant PP\n")).says(t, http.StatusOK, "La colonne « Date opposition » manque.")
}

// TestAnOpposedCardIsNotBroughtBackUnseen: the request of before is closed, and who
// asks or approves anew reads what the list said.
func TestAnOpposedCardIsNotBroughtBackUnseen(t *testing.T) {
	h := newHouse(t)
	admin, _ := h.staff(identity.RoleAdmin)
	card := h.card(testpki.CardSpec{})
	h.browser().with(card).signIn()
	must(t, h.registry.Suspend(t.Context(), enroll.Act{Console: true, Reason: "égarée"}, card.TokenID))
	number := strings.TrimPrefix(card.TokenID, "8025000001/")
	person := "/desk/people/" + card.IdNat
	ask := func() {
		t.Helper()
		admin.submit(person+"/cards/"+number+"/reactivate", url.Values{"reason": {"retrouvée"}}).says(t, http.StatusSeeOther)
	}
	ask()
	approvals := admin.get("/desk/approvals")
	approvals.says(t, http.StatusOK, "retrouvée", "Carte suspendue", "égarée")
	if strings.Contains(approvals.body, "Appris depuis") {
		t.Error("what nobody has learnt")
	}
	page := admin.settled(admin.uploads("oppositions", "liste.txt",
		"Numéro carte|Identifiant PP|Date opposition\n"+number+"|"+strings.TrimPrefix(card.IdNat, "8")+"|2026-01-05\n"))
	admin.settled(admin.submit(page.url.Path+"/apply", nil)).says(t, http.StatusOK, "L’import est fait")
	admin.get("/desk/approvals").says(t, http.StatusOK, "Rien n’attend")
	admin.get(person).says(t, http.StatusOK, "égarée", "Appris depuis", "mise en opposition")
	ask()
	admin.get("/desk/approvals").says(t, http.StatusOK, "égarée", "Appris depuis", "mise en opposition")
}
