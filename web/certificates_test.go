package web_test

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
)

// certificateRefusal is one reason shown by a certificate that deserves it.
type certificateRefusal struct {
	reason  mtls.Reason
	status  int
	make    func(*house) *testpki.Pair
	before  func(*house)
	fr, en  []string
	retries bool
}

func certificateRefusals() []certificateRefusal {
	person := testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 60}
	soon := time.Now().AddDate(0, 1, 0).In(paris())
	one := func(spec testpki.CardSpec) func(*house) *testpki.Pair {
		return func(h *house) *testpki.Pair { return &h.card(spec).Authentication }
	}
	return []certificateRefusal{
		{
			reason: mtls.NoCertificate, status: 403, make: func(*house) *testpki.Pair { return nil }, retries: true,
			fr: []string{"Nous n’avons pas vu votre carte", "puce vers l’avant", "la Cryptolib CPS (5.2 ou plus) manque sur ce poste"},
			en: []string{"We did not see your card", "chip first"},
		},
		{
			reason: mtls.UntrustedIssuer, status: 403, retries: true,
			make: func(h *house) *testpki.Pair {
				spec := person
				spec.Issuer = h.pki.Impostor(testpki.Fort, testpki.Persons)
				return one(spec)(h)
			},
			fr: []string{"Ce certificat n’est pas celui d’une carte CPS", "choisissez le certificat « Authentification »"},
			en: []string{"This certificate is not that of a CPS card"},
		},
		{
			reason: mtls.Expired, status: 403,
			make: one(testpki.CardSpec{NotBefore: time.Date(2020, 1, 2, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2023, 1, 2, 12, 0, 0, 0, time.UTC)}),
			fr:   []string{"Votre carte a expiré le 02/01/2023", "demandez-la sur maCPS", "adressez-vous au guichet"},
			en:   []string{"Your card expired on 2023-01-02"},
		},
		{
			reason: mtls.NotYetValid, status: 403, retries: true,
			make: one(testpki.CardSpec{NotBefore: soon}),
			fr:   []string{"Votre carte n’est pas encore valable", "Elle le sera le " + soon.Format("02/01/2006 15:04"), "Vérifiez l’heure de ce poste : il devrait être"},
			en:   []string{"Your card is not valid yet", soon.Format("2006-01-02 15:04")},
		},
		{
			reason: mtls.SignatureCertificate, status: 403, retries: true,
			make: func(h *house) *testpki.Pair {
				card, err := h.pki.Card(person)
				must(h.t, err)
				return &card.Signature
			},
			fr: []string{"Vous avez choisi le certificat de signature", "choisissez « Authentification »"},
			en: []string{"You chose the signature certificate"},
		},
		{
			reason: mtls.NotACard, status: 403, retries: true,
			make: func(h *house) *testpki.Pair {
				pair, err := h.pki.Software(person)
				must(h.t, err)
				return &pair
			},
			fr: []string{"Ce certificat n’est pas celui d’une personne", "Réessayer", "choisissez votre carte personnelle"},
			en: []string{"This certificate is not that of a person"},
		},
		{
			reason: mtls.OrganisationCertificate, status: 403, retries: true,
			make: func(h *house) *testpki.Pair {
				pair, err := h.pki.Organisation(testpki.Fort, "serveur.exemple.test", nil)
				must(h.t, err)
				return &pair
			},
			fr: []string{"Ce certificat n’est pas celui d’une personne"},
			en: []string{"This certificate is not that of a person"},
		},
		{
			reason: mtls.TestCardInProduction, status: 403, retries: true,
			make: func(h *house) *testpki.Pair {
				spec := person
				spec.AlterAuth = func(c *testpki.Template) { c.Set(testpki.Category(0x80)) }
				return one(spec)(h)
			},
			fr: []string{"C’est une carte de test", "votre carte personnelle"},
			en: []string{"This is a test card"},
		},
		{
			reason: mtls.NonNominative, status: 403, retries: true,
			make: func(h *house) *testpki.Pair {
				card, err := h.pki.ServiceCard(testpki.ServiceNameless, testpki.CardSpec{})
				must(h.t, err)
				return &card.Authentication
			},
			fr: []string{"Cette carte de service n’est à aucun nom"},
			en: []string{"This service card is in nobody’s name"},
		},
		{
			reason: mtls.ContactlessTechnical, status: 403, retries: true,
			make: func(h *house) *testpki.Pair {
				pair, err := h.pki.Technical(testpki.CardSpec{})
				must(h.t, err)
				return &pair
			},
			fr: []string{"Insérez votre carte dans le lecteur", "La lecture sans contact ne suffit pas ici"},
			en: []string{"Insert your card into the reader"},
		},
		{
			reason: mtls.Revoked, status: 403,
			make: func(h *house) *testpki.Pair {
				card := h.card(person)
				card.Authentication.Revoke(h.now().Add(-time.Hour), testpki.ReasonKeyCompromise)
				h.publish()
				return &card.Authentication
			},
			fr: []string{"Votre carte a été mise en opposition", "elle ne peut plus servir", "au guichet avec une pièce d’identité"},
			en: []string{"Your card has been blocked"},
		},
		{
			reason: mtls.RevocationUnavailable, status: 503, retries: true, make: one(person),
			before: func(h *house) { h.forgetCRLs(); h.t.Cleanup(h.publish) },
			fr:     []string{"Nous ne pouvons pas vérifier votre carte pour le moment", "Ce n’est pas votre carte qui est en cause", "Réessayez dans quelques minutes"},
			en:     []string{"We cannot check your card at the moment"},
		},
		{
			reason: mtls.Malformed, status: 400, retries: true,
			make: one(testpki.CardSpec{IdNat: "XYZ", FamilyName: "EXEMPLE", GivenName: "Camille"}),
			fr:   []string{"Nous n’arrivons pas à lire ce certificat"},
			en:   []string{"We cannot read this certificate"},
		},
	}
}

var eventNumber = regexp.MustCompile(`<code>([0-9A-Z]{4}-[0-9A-Z]{4})</code>`)

// TestCertificateRefusals: every reason has its page, in both languages, and
// its line in the audit under the number that the page shows.
func TestCertificateRefusals(t *testing.T) {
	h := newHouse(t)
	var covered []mtls.Reason
	for _, c := range certificateRefusals() {
		covered = append(covered, c.reason)
		t.Run(string(c.reason), func(t *testing.T) {
			h.t = t
			pair := c.make(h)
			if c.before != nil {
				c.before(h)
			}
			for lang, words := range map[string][]string{"fr": c.fr, "en": c.en} {
				b := h.browser()
				b.inside, b.lang = pair, lang
				a := b.signIn()
				a.says(t, c.status, words...)
				checkRefusalPage(t, a, lang, c.retries)
				number := eventNumber.FindStringSubmatch(a.body)
				e := h.refusedFor(audit.KindLoginCPS, string(c.reason))
				if number == nil || number[1] != e.ID || e.Address != "127.0.0.1" {
					t.Errorf("page shows %v, audit %+v", number, e)
				}
				b.signedOut()
			}
		})
	}
	for _, reason := range mtls.Reasons() {
		if !slices.Contains(covered, reason) {
			t.Errorf("%s is shown by no test", reason)
		}
	}
}

// checkRefusalPage: what each refusal of the card host has, whatever its reason.
func checkRefusalPage(t *testing.T, a answer, lang string, retries bool) {
	t.Helper()
	if !strings.HasSuffix(a.url.Hostname(), ".cps.hopital.test") {
		t.Errorf("the refusal is shown at %s", a.url)
	}
	if len(a.header["Set-Cookie"]) > 0 {
		t.Errorf("the card host sets a cookie: %v", a.header["Set-Cookie"])
	}
	if !strings.Contains(a.body, `<html lang="`+lang+`">`) || !strings.Contains(a.body, "01 99 00 00 00") || !strings.Contains(a.body, `<ol class="steps">`) {
		t.Errorf("language, telephone or steps are missing:\n%s", a.body)
	}
	if retries != strings.Contains(a.body, `href="`+mainOrigin+`/login/card"`) {
		t.Errorf("a way to try again: %v, want %v", !retries, retries)
	}
	if !strings.Contains(a.body, `href="`+mainOrigin+`/"`) {
		t.Error("no way back to the sign-in page")
	}
	if strings.Contains(a.body, "<script") || strings.Contains(a.body, "<img") {
		t.Error("the card host's page loads more than a style sheet")
	}
}

// TestCardRecordRefusals: a good certificate whose card is not welcome here.
func TestCardRecordRefusals(t *testing.T) {
	h := newHouse(t)
	for _, c := range []struct {
		name   string
		stop   func(*enroll.Registry, context.Context, enroll.Act, string) error
		reason enroll.Reason
		fr, en string
	}{
		{"a suspended card", (*enroll.Registry).Suspend, enroll.ReasonCardSuspended, "Votre carte est suspendue", "Your card is suspended"},
		{"a card withdrawn here", (*enroll.Registry).Revoke, enroll.ReasonCardRevoked, "Votre carte a été retirée du service", "Your card has been withdrawn"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h.t = t
			card := h.card(testpki.CardSpec{})
			b := h.browser().with(card)
			b.signIn().says(t, http.StatusOK, "Mon compte")
			must(t, c.stop(h.registry, t.Context(), console, card.TokenID))
			b.signedOut()
			b.signIn().says(t, http.StatusForbidden, c.fr, "au guichet")
			h.refusedFor(audit.KindLoginCPS, string(c.reason))
			b.lang = "en"
			b.signIn().says(t, http.StatusForbidden, c.en)
		})
	}
	t.Run("a card known as another person's", func(t *testing.T) {
		h.t = t
		h.browser().with(h.card(testpki.CardSpec{TokenNumber: "7000000001"})).signIn().says(t, http.StatusOK, "Mon compte")
		b := h.browser().with(h.card(testpki.CardSpec{TokenNumber: "7000000001"}))
		b.signIn().says(t, http.StatusForbidden, "Cette carte est connue ici sous un autre nom")
		h.refusedFor(audit.KindLoginCPS, string(enroll.ReasonCardOfAnother))
	})
	t.Run("a certificate whose number another has", func(t *testing.T) {
		h.t = t
		first := h.card(testpki.CardSpec{})
		h.browser().with(first).signIn().says(t, http.StatusOK, "Mon compte")
		second := h.card(testpki.CardSpec{AlterAuth: func(c *testpki.Template) { c.Serial = first.Authentication.Certificate.SerialNumber }})
		h.browser().with(second).signIn().says(t, http.StatusForbidden, "Nous ne pouvons pas accepter ce certificat")
		h.refusedFor(audit.KindLoginCPS, string(enroll.ReasonCertificateConflict))
	})
}
