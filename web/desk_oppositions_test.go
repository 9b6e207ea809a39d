package web_test

import (
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

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
	if strings.Contains(approvals.body, "Aussi") {
		t.Error("what nobody has learnt")
	}
	page := admin.settled(admin.uploads("oppositions", "liste.txt",
		"Numéro carte|Identifiant PP|Date opposition\n"+number+"|"+strings.TrimPrefix(card.IdNat, "8")+"|2026-01-05\n"))
	admin.settled(admin.submit(page.url.Path+"/apply", nil)).says(t, http.StatusOK, "L’import est fait")
	admin.get("/desk/approvals").says(t, http.StatusOK, "Rien n’attend")
	admin.get(person).says(t, http.StatusOK, "égarée", "Aussi", "mise en opposition")
	ask()
	admin.get("/desk/approvals").says(t, http.StatusOK, "égarée", "Aussi", "mise en opposition")
}

// TestProposalsDoNotHideRequests: a list that lifts more than a page of oppositions
// stands below what waits, and either goes on where its page ends.
func TestProposalsDoNotHideRequests(t *testing.T) {
	h := newHouse(t)
	approver, _ := h.staff(identity.RoleApprover)
	asking := func(state enroll.ApprovalState, by identity.PSIdNat, reason string, at time.Time) enroll.Approval {
		return enroll.Approval{
			ID: reason, Deed: enroll.DeedGrant, State: state, By: by, Subject: identity.PSIdNat("8" + rpps(7)), Role: identity.RoleAuditor,
			Reason: reason, RequestedAt: at, ExpiresAt: h.now().Add(time.Hour),
		}
	}
	_, err := h.registry.Grant(t.Context(), console, identity.PSIdNat("8"+rpps(7)), identity.RoleOperator)
	must(t, err)
	must(t, h.store.Change(t.Context(), func(u enroll.Unit) error {
		must(t, u.SaveApproval(t.Context(), asking(enroll.ApprovalWaiting, "console", "attend-depuis-hier", h.now().Add(-time.Hour))))
		for i := range 60 {
			must(t, u.SaveApproval(t.Context(), asking(enroll.ApprovalProposed, "", fmt.Sprintf("cause-levee-%02d-", i), h.now().Add(time.Duration(i)*time.Second))))
		}
		return nil
	}))
	page := approver.get("/desk/approvals")
	page.says(t, http.StatusOK, "attend-depuis-hier", "cause-levee-59-", "Propositions", "Suite de la liste")
	if strings.Contains(page.body, "cause-levee-09-") || strings.Index(page.body, "attend-depuis-hier") > strings.Index(page.body, "cause-levee-59-") {
		t.Error("what waits does not come first, or the page has no end")
	}
	next := regexp.MustCompile(`href="(/desk/approvals\?proposed=[^"]+)"`).FindStringSubmatch(page.body)
	if next == nil {
		t.Fatal("the proposals do not go on")
	}
	approver.get(html.UnescapeString(next[1])).says(t, http.StatusOK, "attend-depuis-hier", "cause-levee-09-", "cause-levee-00-")
	approver.get("/desk/approvals?waiting=nowhere").says(t, http.StatusBadRequest)
}
