package web_test

import (
	"bytes"
	"flag"
	"image/png"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp/kb"

	"cpsgate/audit"
	"cpsgate/identity"
	"cpsgate/internal/chromium"
	"cpsgate/internal/testpki"
	"cpsgate/mtls"
	"cpsgate/web"
)

var updateImages = flag.Bool("update-images", false, "make the pictures of docs/enrolment.md anew")

// pictureWidth is that of the guide's pictures, in CSS pixels.
const pictureWidth = 1120

// album is the guide's pictures. What each page said when its picture was made
// lies beside the tests, so that a page which says something else today fails
// until its picture is made anew.
type album struct {
	t     *testing.T
	guide string
	shown []string
}

func openAlbum(t *testing.T) *album {
	t.Helper()
	guide, err := os.ReadFile("../docs/enrolment.md")
	must(t, err)
	return &album{t: t, guide: string(guide)}
}

// What differs from run to run: numbers, dates, codes, secrets.
var (
	anyNumber = regexp.MustCompile(`[0-9][0-9A-Za-z  ,:/.-]*`)
	anyCode   = regexp.MustCompile(`\b[0-9A-Z]{4} ?[–-] ?[0-9A-Z]{4}\b`)
	anyHandle = regexp.MustCompile(`\b(ticket|request) [a-z0-9]{8,}`)
	anyToken  = regexp.MustCompile(`\bcpsgate_[0-9A-Za-z_-]+`)
)

// plain is what a page says, without what differs.
func plain(text string) string {
	for _, changing := range []*regexp.Regexp{anyToken, anyHandle, anyCode, anyNumber} {
		text = changing.ReplaceAllString(text, "#")
	}
	return strings.Join(strings.Fields(text), " ") + "\n"
}

// show holds the page that the tab is on against the guide's picture of it, or
// makes that anew.
func (a *album) show(tab *chromium.Tab, name string) {
	a.t.Helper()
	image, said := filepath.Join("../docs/images", name+".png"), filepath.Join("testdata/pictures", name+".txt")
	a.shown = append(a.shown, name)
	now := plain(tab.Text("main"))
	if *updateImages {
		tab.View(pictureWidth, 600, "light")
		tab.Picture(image)
		must(a.t, os.MkdirAll(filepath.Dir(said), 0o755))
		must(a.t, os.WriteFile(said, []byte(now), 0o644))
	}
	then, err := os.ReadFile(said)
	must(a.t, err)
	if string(then) != now {
		a.t.Errorf("%s.png is of another page; look, then go test ./web -run TestGuide -update-images\nit said  %s\nnow      %s", name, then, now)
	}
	file, err := os.ReadFile(image)
	must(a.t, err)
	if config, err := png.DecodeConfig(bytes.NewReader(file)); err != nil || config.Width != pictureWidth {
		a.t.Errorf("%s: %+v %v", image, config, err)
	}
	if !strings.Contains(a.guide, "](images/"+name+".png)") {
		a.t.Errorf("docs/enrolment.md does not show %s.png", name)
	}
}

// close wants every picture of the guide shown.
func (a *album) close() {
	a.t.Helper()
	for _, found := range regexp.MustCompile(`\]\(images/([a-z-]+)\.png\)`).FindAllStringSubmatch(a.guide, -1) {
		if !strings.Contains(" "+strings.Join(a.shown, " ")+" ", " "+found[1]+" ") {
			a.t.Errorf("docs/enrolment.md shows %s.png, which no test makes", found[1])
		}
	}
}

// TestGuide walks through docs/enrolment.md in a real browser: its pictures are
// of the pages as they are.
func TestGuide(t *testing.T) {
	t.Parallel()
	h, origin := browserHouse(t)
	a := openAlbum(t)
	browser := h.chromium()
	staff := func(name string, role ...identity.Role) *chromium.Tab {
		who, _ := h.person(testpki.CardSpec{FamilyName: name, GivenName: "Dominique", Profession: 60}, role...)
		return h.tabOf(browser, origin, who)
	}
	h.history()
	h.shows(func(r *web.Revocation) { r.Lists = h.freshLists() })
	desk := guideDesk{h, a, origin, staff("EXEMPLE-GUICHET", identity.RoleOperator)}
	desk.sitting()
	desk.obstacles()

	approver := staff("EXEMPLE-APPROBATION", identity.RoleApprover)
	approver.Go(origin + "/desk/approvals")
	a.show(approver, "desk-approvals")

	holder, _ := h.person(testpki.CardSpec{FamilyName: "EXEMPLE-PERDU", GivenName: "Sacha", Profession: 60})
	desk.tab.Go(origin + "/desk/people/" + url.PathEscape(string(holder)))
	chromium.Eval[bool](desk.tab, `document.querySelector("#cards ~ ul details").open = true`)
	a.show(desk.tab, "desk-lost")
	own := h.tabOf(browser, origin, holder)
	own.Go(origin + "/account")
	own.WaitFor("[data-start]")
	a.show(own, "account-enrol")

	desk.office(staff("EXEMPLE-CHEF", identity.RoleAdmin, identity.RoleAuditor))
	a.close()
}

// history is what went before, for the figures: cards that a desk has read or not, and
// sign-ins of two weeks.
func (h *house) history() {
	log := audit.New(h.store, audit.Options{Now: h.now})
	for i := range 24 {
		card := h.card(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 60})
		who := identity.PSIdNat(card.IdNat)
		_, _, err := h.registry.Admit(h.t.Context(), identity.Cardholder{
			Professional: identity.Professional{IdNat: who, FamilyName: "EXEMPLE-" + string(rune('A'+i)), GivenName: "Camille", Profession: 60},
			Card:         identity.Card{TokenID: card.TokenID, Generation: []identity.Generation{identity.GenerationUnknown, identity.GenerationCPS4}[i%2]},
			Certificate: identity.Certificate{Issuer: "test", IssuerKey: "test", Serial: card.TokenID, Fingerprint: card.TokenID,
				NotAfter: time.Date(h.now().Year(), h.now().Month()+time.Month(i%11), 15, 12, 0, 0, 0, time.UTC)}, // a month has no 31st
		}, h.now())
		must(h.t, err)
		for day := range 14 {
			e := audit.Event{Kind: audit.KindLoginCPS, Outcome: audit.Accepted, Subject: who, At: h.now().AddDate(0, 0, -day)}
			if i%3 == 0 && day < 10 {
				e.Kind = audit.KindLoginFIDO2
			}
			if i == 5 && day%4 == 0 {
				e.Outcome, e.Reason = audit.Refused, string([]mtls.Reason{mtls.Expired, mtls.NoCertificate, mtls.Revoked}[day%3])
			}
			must(h.t, log.Record(h.t.Context(), &e))
		}
	}
}

// guideDesk is the operator's part of the guide.
type guideDesk struct {
	h      *house
	album  *album
	origin string
	tab    *chromium.Tab
}

// opens opens a ticket, for somebody or for whom the card will name, and gives
// its code.
func (g guideDesk) opens(who string) string {
	g.h.t.Helper()
	g.tab.Go(g.origin + "/desk")
	g.tab.Type("#who", who)
	g.tab.Press(kb.Enter)
	g.tab.WaitFor(".code")
	return strings.Join(strings.Fields(strings.ReplaceAll(g.tab.Text(".code"), "–", " ")), "-")
}

func (g guideDesk) workstation(card *testpki.Card) *workstation {
	w := g.h.workstation(card)
	w.base = g.origin
	return w
}

// sitting is one card from the code to the end.
func (g guideDesk) sitting() {
	g.h.person(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Camille", Profession: 60})
	g.tab.Go(g.origin + "/desk?q=exemple")
	g.album.show(g.tab, "desk")
	code := g.opens("")
	g.album.show(g.tab, "desk-code")
	w := g.workstation(g.h.card(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Noor", Profession: 60}))
	w.claims(code)
	w.call("/enroll/step", `{"step":"card-pin","ok":true}`)
	next := w.call(w.CardURL, "{}")
	g.tab.Until("the name", `document.querySelector("h1").innerText.includes("EXEMPLE Noor")`)
	w.call("/enroll/step", `{"step":"pin","ok":true}`)
	g.tab.Until("the choice", `document.body.innerText.includes("Choix du nouveau code")`)
	g.album.show(g.tab, "desk-choice")
	w.call("/enroll/prove", w.signs(w.call("/enroll/register", w.creates(next))))
	g.tab.Until("the end", `document.activeElement?.id === "next-ticket"`)
	g.album.show(g.tab, "desk-done")
}

// obstacles are a card that holds something, and one that cannot say whose it is.
func (g guideDesk) obstacles() {
	t := g.album.t
	w := g.workstation(nil)
	w.call("/enroll/claim", `{"code":"`+g.opens("")+`","workstation":"GUICHET-2","reader":"Lecteur d'essai 00","applet":{"blank":false,"pinSet":true,"credentials":2}}`).decode(t, w)
	w.call("/enroll/step", `{"step":"reset-needed"}`)
	g.tab.Until("what it holds", `document.body.innerText.includes("La carte n’est pas vierge")`)
	g.album.show(g.tab, "desk-reset")
	g.tab.Type("#reset-reason", "carte d'un ancien établissement")
	g.tab.Press(kb.Enter)
	g.tab.WaitFor(".note")

	holder, _ := g.h.person(testpki.CardSpec{FamilyName: "EXEMPLE", GivenName: "Sacha", Profession: 60})
	w = g.workstation(nil)
	if a := w.claims(g.opens(string(holder))); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	w.call("/enroll/step", `{"step":"certificate-missing"}`)
	g.tab.Until("what is missing", `document.body.innerText.includes("Certificat illisible sur ce poste")`)
	chromium.Eval[bool](g.tab, `document.querySelector("#vouch").open = true`)
	g.album.show(g.tab, "desk-vouch")
	g.tab.Type("#vouch-reason", "carte d'identité vue")
	g.tab.Press(kb.Enter)
	g.tab.Until("the request", `document.body.innerText.includes("Une demande attend une autre personne")`)
}

// office is what administrators and auditors see.
func (g guideDesk) office(tab *chromium.Tab) {
	t := g.album.t
	tab.Go(g.origin + "/imports")
	tab.Choose("#people-file", file(t, "personnes-juin.csv", "RPPS;Nom\n"+rpps(1)+";EXEMPLE\n123;EXEMPLE\n"+rpps(2)+";=EXEMPLE\n"))
	tab.Click(`form[action$="/people"] button`)
	tab.Until("the wrong rows", `document.querySelectorAll("#import-faults tbody tr").length === 2`)
	g.album.show(tab, "imports-wrong")
	tab.Go(g.origin + "/imports")
	tab.Choose("#people-file", file(t, "personnes-juillet.csv", table(250)))
	tab.Click(`form[action$="/people"] button`)
	tab.Until("the check", `document.activeElement?.id === "apply-import"`)
	g.album.show(tab, "imports-checked")
	tab.Go(g.origin + "/audit")
	g.album.show(tab, "audit")
	tab.Go(g.origin + "/figures")
	g.album.show(tab, "figures")
	tab.Go(g.origin + "/clients")
	g.album.show(tab, "clients")
}
