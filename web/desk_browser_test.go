package web_test

import (
	"encoding/pem"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp/kb"

	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/chromium"
	"cpsgate/internal/testpki"
	"cpsgate/rp"
	"cpsgate/sessions"
	"cpsgate/web"
)

// browserHouse is a house that a real browser can reach; change is told of it
// before it is wired.
func browserHouse(t *testing.T, change ...func(*house, *plan)) (h *house, origin string) {
	t.Helper()
	chromium.Need(t)
	h = quietHouse(t)
	h.publish()
	main, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	card, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	port := func(l net.Listener) string { _, p, _ := strings.Cut(l.Addr().String(), ":"); return p }
	origin = "https://sso.localhost:" + port(main)
	p := plan{policy: enroll.Policy{Applet: enroll.AppletPolicy{MinPINLength: 6}}, options: func(o *web.Options) {
		o.MainOrigin, o.CardOrigin = origin, "https://cps.localhost:"+port(card)
		o.RelyingParty, err = rp.New(rp.Options{ID: "sso.localhost", Name: "Hôpital", Origins: []string{origin}, Now: h.now})
		must(t, err)
	}}
	for _, c := range change {
		c(h, &p)
	}
	h.wire(p)
	h.serve(main, h.web.Main(), false)
	h.serve(card, h.web.Card(), true)
	h.mainAddr, h.cardAddr = main.Addr().String(), card.Addr().String()
	return h, origin
}

// person makes a professional known here, with these roles.
func (h *house) person(spec testpki.CardSpec, roles ...identity.Role) (identity.PSIdNat, *testpki.Card) {
	h.t.Helper()
	card := h.card(spec)
	who := identity.PSIdNat(card.IdNat)
	_, _, err := h.registry.Admit(h.t.Context(), identity.Cardholder{
		Professional: identity.Professional{IdNat: who, FamilyName: spec.FamilyName, GivenName: spec.GivenName, Profession: spec.Profession},
		Card:         identity.Card{TokenID: card.TokenID}, Certificate: identity.Certificate{Issuer: "test", IssuerKey: "test", Serial: card.TokenID, Fingerprint: card.TokenID, NotAfter: h.now().AddDate(1, 0, 0)},
	}, h.now())
	must(h.t, err)
	for _, role := range roles {
		_, err := h.registry.Grant(h.t.Context(), console, who, role)
		must(h.t, err)
	}
	return who, card
}

// tabOf opens a tab in which this person is signed in.
func (h *house) tabOf(browser *chromium.Browser, origin string, who identity.PSIdNat) *chromium.Tab {
	h.t.Helper()
	return h.tabIn(browser, origin, sessions.Session{Holder: who, Method: identity.MethodCPS})
}

// tabIn opens a tab with this session.
func (h *house) tabIn(browser *chromium.Browser, origin string, session sessions.Session) *chromium.Tab {
	h.t.Helper()
	token, _, err := h.sessions.Open(h.t.Context(), session)
	must(h.t, err)
	tab := browser.Tab(h.t)
	tab.Go(origin + "/signed-out")
	chromium.Eval[string](tab, `document.cookie = "__Host-cps-session=`+token+`; Secure; Path=/"`)
	return tab
}

func (h *house) chromium() *chromium.Browser {
	h.t.Helper()
	root := filepath.Join(h.t.TempDir(), "root.pem")
	must(h.t, os.WriteFile(root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.pki.ServerRoot().Raw}), 0o600))
	home := chromium.NewHome(h.t)
	home.Trust(h.t, root)
	return chromium.Start(h.t, home)
}

// looks judges a page in both schemes and at both widths, and pictures it where
// CPSGATE_PICTURES names a folder.
func looks(t *testing.T, tab *chromium.Tab, name string) {
	t.Helper()
	for _, view := range []struct {
		width  int64
		scheme string
	}{{1280, "light"}, {390, "light"}, {1280, "dark"}, {390, "dark"}} {
		folder := os.Getenv("CPSGATE_PICTURES")
		if folder == "" && (view.width == 390) == (view.scheme == "dark") {
			continue // half of them show a fault in the palette or the layout
		}
		tab.View(view.width, 844, view.scheme)
		tab.Accessible()
		if wide := chromium.Eval[bool](tab, `document.documentElement.scrollWidth > innerWidth`); wide {
			t.Errorf("%s scrolls sideways at %d", name, view.width)
		}
		if folder != "" {
			tab.Picture(filepath.Join(folder, name+"-"+map[bool]string{true: "wide", false: "narrow"}[view.width > 500]+"-"+view.scheme+".png"))
		}
	}
	tab.View(1280, 844, "light")
}

// TestDeskWithoutScript: the page is looked at again by itself.
func TestDeskWithoutScript(t *testing.T) {
	t.Parallel()
	h, origin := browserHouse(t)
	operator, _ := h.person(testpki.CardSpec{FamilyName: "EXEMPLE-GUICHET", GivenName: "Dominique", Profession: 60}, identity.RoleOperator)
	tab := h.tabOf(h.chromium(), origin, operator)
	tab.WithoutScript()
	tab.Go(origin + "/desk")
	tab.Click(".opener button")
	tab.WaitFor(".code")
	code := strings.Join(strings.Fields(strings.ReplaceAll(tab.Text(".code"), "–", " ")), "-")
	w := h.workstation(nil)
	w.base = origin
	w.claims(code)
	tab.Until("the page looks again", `document.body.innerText.includes("Code saisi sur le poste")`)
}

// TestStaffPages: how the other pages look, and that nobody is shut out of them.
func TestStaffPages(t *testing.T) {
	t.Parallel()
	h, origin := browserHouse(t)
	all := []identity.Role{identity.RoleOperator, identity.RoleApprover, identity.RoleAuditor, identity.RoleAdmin}
	chief, _ := h.person(testpki.CardSpec{FamilyName: "EXEMPLE-CHEF", GivenName: "Dominique", Profession: 10}, all...)
	lost, card := h.person(testpki.CardSpec{FamilyName: "EXEMPLE-PERDU", GivenName: "Sacha", Profession: 60})
	must(t, h.registry.Suspend(t.Context(), console, card.TokenID))
	h.shows(func(r *web.Revocation) { r.Lists = h.freshLists() })
	tab := h.tabOf(h.chromium(), origin, chief)
	for _, page := range []struct{ path, name string }{
		{"/desk?q=exemple", "desk-found"}, {"/desk/people", "people"}, {"/desk/people/" + url.PathEscape(string(lost)), "person"},
		{"/desk/approvals", "approvals"}, {"/audit", "audit"}, {"/figures", "figures"}, {"/clients", "clients"}, {"/revocation", "evidence"},
	} {
		tab.Go(origin + page.path)
		looks(t, tab, page.name)
		if page.name == "person" {
			chromium.Eval[bool](tab, `document.querySelectorAll("details").forEach(d => d.open = true), true`)
			looks(t, tab, "person-open")
			tab.Type(`form[action$="/reactivate"] input`, "retrouvée")
			tab.Press(kb.Enter)
			tab.WaitFor(".done")
		}
	}
	h.shows(func(r *web.Revocation) { h.worst(r) })
	tab.Go(origin + "/revocation")
	looks(t, tab, "evidence-worst")
}
