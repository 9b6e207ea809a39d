package web_test

import (
	"errors"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
	"cpsgate/web"
)

// freshLists is what a Refresher tells on a good day.
func (h *house) freshLists() []mtls.CRLStatus {
	list := mtls.CRLStatus{
		Authority: "aci-fo-pp", Fingerprint: mtls.Fingerprint(h.pki.Issuer(testpki.Fort, testpki.Persons).Certificate), Verdict: mtls.CRLIsFresh,
		Number: big.NewInt(4211), ThisUpdate: h.now().Add(-5 * time.Hour), NextUpdate: h.now().AddDate(0, 0, 6), AlarmFrom: h.now().AddDate(0, 0, 4), Entries: 1_234_567,
		Source: "http://igc-sante.esante.gouv.fr/CRL/ACI-FO-PP.crl", ConfirmedAt: h.now().Add(-time.Hour), NextFetch: h.now().Add(20 * time.Hour),
	}
	delta := list
	delta.Delta, delta.Number, delta.Base, delta.Entries = true, big.NewInt(4213), big.NewInt(4211), 12
	other := list
	other.Authority, other.Fingerprint = "aci-st-pp", mtls.Fingerprint(h.pki.Issuer(testpki.Standard, testpki.Persons).Certificate)
	return []mtls.CRLStatus{list, delta, other}
}

// worst makes of it a day on which everything has gone wrong.
func (h *house) worst(r *web.Revocation) {
	r.Lists = h.freshLists()
	failing := func(s *mtls.CRLStatus, v mtls.CRLVerdict) {
		s.Verdict, s.FailingFrom, s.FailedAt, s.Failure = v, h.now().Add(-90*time.Hour), h.now().Add(-time.Hour), "fetching: unreachable: http://igc-sante.esante.gouv.fr/CRL/ACI-FO-PP.crl"
	}
	failing(&r.Lists[0], mtls.CRLIsExpiring)
	failing(&r.Lists[1], mtls.CRLIsStale)
	r.Lists[2] = mtls.CRLStatus{Authority: "aci-st-pp", Fingerprint: r.Lists[2].Fingerprint, Verdict: mtls.CRLIsMissing}
	r.Bypass = &mtls.Bypass{Until: h.now().Add(4 * time.Hour), At: h.now().Add(-time.Hour), Reason: "hôte des listes injoignable", By: "EXEMPLE Administrateur"}
	r.Reload = mtls.TrustState{FailedAt: h.now(), Err: errors.New("no trust anchors")}
	r.Refused = &mtls.RefusedFile{File: "/srv/crls/page.html", At: h.now(), Why: "malformed: at octet 0"}
	r.Policy.TestCards = mtls.Accept
	r.Policy.OCSP.Nonce = mtls.NonceIfPresent
	r.Policy.Revocation = mtls.RevocationPolicy{Mode: mtls.RevocationIfPresent, Stale: mtls.StaleGrace, Grace: 72 * time.Hour, OCSP: mtls.OCSPIfCRLUnavailable}
}

// TestEvidencePage: what an administrator, and an auditor, read of the lists.
func TestEvidencePage(t *testing.T) {
	h := newHouse(t)
	h.shows(func(r *web.Revocation) { r.Lists = h.freshLists() })
	anchor := h.pki.Issuer(testpki.Fort, testpki.Persons).Certificate
	grouped := func(fingerprint string) string {
		var groups []string
		for ; fingerprint != ""; fingerprint = fingerprint[8:] {
			groups = append(groups, fingerprint[:8])
		}
		return strings.Join(groups, " ")
	}
	admin, _ := h.staff(identity.RoleAdmin)
	page := admin.get("/revocation")
	page.says(t, http.StatusOK, "Listes d’opposition", "Toutes les listes sont à jour.", anchor.Subject.CommonName, grouped(mtls.Fingerprint(anchor)),
		"Autorité de confiance pour les cartes", "Numéro 4211", "4213, sur la complète n° 4211", "1 234 567", "il y a 5 heures", "À jour",
		"http://igc-sante.esante.gouv.fr/CRL/ACI-FO-PP.crl", "Prochaine demande", "Alarme à partir du",
		"Sans liste d’opposition utilisable, pas d’entrée.", "Une liste périmée ne compte plus.", "Aucun répondeur OCSP", "Les cartes de test sont refusées.")
	for _, word := range []string{"À traiter", "Souplesse", "contourné", "<script"} {
		if strings.Contains(page.body, word) {
			t.Errorf("a good day's page says %q", word)
		}
	}
	if !strings.Contains(page.body, `href="/revocation" aria-current="page"`) {
		t.Error("the section is not shown as the one here")
	}

	h.shows(h.worst)
	auditor, _ := h.staff(identity.RoleAuditor)
	auditor.get("/revocation").says(t, http.StatusOK, "Le contrôle des oppositions est contourné", "soit encore 4 heures", "hôte des listes injoignable", "EXEMPLE Administrateur",
		"aci-fo-pp, liste complète : à renouveler avant le", "dans 6 jours", "aci-fo-pp, liste des changements : périmée depuis le", "La liste complète compte seule.",
		"aci-st-pp, liste complète : absente.", "fetching: unreachable", "no trust anchors", "/srv/crls/page.html", "malformed: at octet 0", "cpsgate crl fetch",
		"Souplesse : revocation: if-present", "Souplesse : stale: grace:72h", "Souplesse : mode: test", "ocsp.nonce: if-present", "Dernier échec")
	auditor.lang = "en"
	auditor.get("/revocation").says(t, http.StatusOK, "Revocation checking is bypassed", "4 hours from now", "1,234,567", "Leniency: stale: grace:72h")
}

// TestEvidenceConsequences: what a list that is lacking means for cards, by the
// policy of its authority.
func TestEvidenceConsequences(t *testing.T) {
	h := newHouse(t)
	admin, _ := h.staff(identity.RoleAdmin)
	for name, tt := range map[string]struct {
		verdict mtls.CRLVerdict
		policy  mtls.RevocationPolicy
		bypass  bool
		delta   bool
		says    string
	}{
		"missing, required":      {verdict: mtls.CRLIsMissing, says: "Les cartes qui en dépendent sont refusées."},
		"missing, if present":    {verdict: mtls.CRLIsMissing, policy: mtls.RevocationPolicy{Mode: mtls.RevocationIfPresent}, says: "admises sans ce contrôle"},
		"missing, off":           {verdict: mtls.CRLIsMissing, policy: mtls.RevocationPolicy{Mode: mtls.RevocationOff}, says: "admises sans ce contrôle"},
		"missing, bypassed":      {verdict: mtls.CRLIsMissing, bypass: true, says: "admises par le contournement"},
		"missing, OCSP":          {verdict: mtls.CRLIsMissing, policy: mtls.RevocationPolicy{OCSP: mtls.OCSPAlways}, says: "sauf réponse OCSP"},
		"missing, stale allowed": {verdict: mtls.CRLIsMissing, policy: mtls.RevocationPolicy{Stale: mtls.StaleAccept}, says: "Les cartes qui en dépendent sont refusées."},
		"stale, refused":         {verdict: mtls.CRLIsStale, says: "Les cartes qui en dépendent sont refusées."},
		"stale, if present":      {verdict: mtls.CRLIsStale, policy: mtls.RevocationPolicy{Mode: mtls.RevocationIfPresent}, says: "Les cartes qui en dépendent sont refusées."},
		"stale, in grace":        {verdict: mtls.CRLIsStale, policy: mtls.RevocationPolicy{Stale: mtls.StaleGrace, Grace: 9 * time.Hour}, says: "sont admises jusqu’au"},
		"stale, after grace":     {verdict: mtls.CRLIsStale, policy: mtls.RevocationPolicy{Stale: mtls.StaleGrace, Grace: 7 * time.Hour}, says: "Les cartes qui en dépendent sont refusées."},
		"stale, accepted":        {verdict: mtls.CRLIsStale, policy: mtls.RevocationPolicy{Stale: mtls.StaleAccept}, says: "admises quand même"},
		"stale, fresh delta":     {verdict: mtls.CRLIsStale, delta: true, says: "La liste des changements la prolonge."},
	} {
		t.Run(name, func(t *testing.T) {
			h.shows(func(r *web.Revocation) {
				lists := h.freshLists()
				lists[0].Verdict, lists[0].NextUpdate = tt.verdict, h.now().Add(-8*time.Hour)
				if r.Lists = lists[:1]; tt.delta {
					r.Lists = lists[:2]
				}
				if r.Bypass = nil; tt.bypass {
					r.Bypass = &mtls.Bypass{Until: h.now().Add(time.Hour)}
				}
				r.Policy.Revocation = tt.policy
			})
			admin.get("/revocation").says(t, http.StatusOK, tt.says)
		})
	}
}
