package main_test

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"cpsgate/internal/chromium"
)

// fidoPIN is what the card's holder chooses.
const fidoPIN = "246810"

// TestTour is what the start page of make demo says, click by click and line by
// line: the blank card is enrolled at the desk, signs in by its passkey and, in
// the browser that the page names, by its certificate; both applications open,
// and close when it is reported lost.
func TestTour(t *testing.T) {
	chromium.Need(t)
	needCardside(t)
	display := chromium.NewDisplay(t)
	r := start(t)
	operator := r.browserOf(t, "good")
	operator.Go(r.Start)
	operator.Accessible()
	pictures(t, operator, "start")
	r.signsIn(operator, "sign-in")
	enroll, assert := r.lineOf(operator, "enroll"), r.lineOf(operator, "assert")

	r.follow(operator, "desk")
	code := opensTicket(operator)
	pins := t.TempDir()
	for name, pin := range map[string]string{"card": r.PIN, "new": fidoPIN} {
		if err := os.WriteFile(filepath.Join(pins, name), []byte(pin+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	said := r.shell(strings.Replace(enroll, "CODE", code, 1) + " --card-pin-fd 3 --new-pin-fd 4 3<" + pins + "/card 4<" + pins + "/new")
	if !strings.Contains(said, "C'est fait : "+r.Server.ContactCard.Holder) {
		t.Errorf("cardside said:\n%s", said)
	}
	if said := r.shell(assert + " --pin-fd 3 3<" + pins + "/new"); !strings.Contains(said, "a ouvert une session") {
		t.Errorf("by its passkey:\n%s", said)
	}

	holder := display.Start(r.Server.Script, filepath.Join(r.Folder, "browser", "profile"), "PATH="+os.Getenv("PATH")).FirstTab(t)
	r.entersWithToken(holder, display)
	r.applicationsOpen(holder)
	r.reportLost(operator)
	r.applicationsClose(holder)
}

// TestTourWithoutWorkstation: where its packages are missing, the page names
// them, and goes on with the certificate of the same card.
func TestTourWithoutWorkstation(t *testing.T) {
	chromium.Need(t)
	r := launch(t, "PATH="+t.TempDir())
	if !strings.Contains(r.Lacking, "apt-get install") {
		t.Errorf("it says %q", r.Lacking)
	}
	operator := r.browserOf(t, "good")
	operator.Go(r.Start)
	operator.Accessible()
	pictures(t, operator, "start-without")
	if page := operator.Text("main"); !strings.Contains(page, r.Lacking) || strings.Contains(page, "cardside") {
		t.Errorf("the page says:\n%s", page)
	}
	r.signsIn(operator, "sign-in")
	home := chromium.NewHome(t)
	home.Trust(t, r.Server.Root)
	home.Import(t, r.Server.ContactCard.File, "demo")
	home.Choose("https://[*.]cps.localhost", r.Server.ContactCard.IdNat)
	holder := chromium.Start(t, home).Tab(t)
	r.signsIn(holder, "again")
	r.applicationsOpen(holder)
	r.reportLost(operator)
	r.applicationsClose(holder)
}

// browserOf is a browser with the demo's card of that state.
func (r *running) browserOf(t *testing.T, state string) *chromium.Tab {
	t.Helper()
	home := chromium.NewHome(t)
	home.Trust(t, r.Server.Root)
	for _, card := range r.Server.Cards {
		if card.State == state {
			home.Import(t, card.File, card.Password)
			home.Choose("https://[*.]cps.localhost", card.IdNat)
		}
	}
	return chromium.Start(t, home).Tab(t)
}

// follow clicks on a step of the start page.
func (r *running) follow(tab *chromium.Tab, step string) {
	tab.Go(r.Start)
	tab.Click(`[data-step="` + step + `"]`)
}

// lineOf is a command line of the start page.
func (r *running) lineOf(tab *chromium.Tab, name string) string {
	tab.Go(r.Start)
	return strings.TrimSpace(tab.Text(`[data-command="` + name + `"]`))
}

func (r *running) signsIn(tab *chromium.Tab, step string) {
	r.follow(tab, step)
	tab.WaitFor(`a[data-door="card"]`)
	tab.Click(`a[data-door="card"]`)
	tab.WaitFor(".person")
}

// entersWithToken signs in where the demo's own browser script has put the token
// beside the PKCS#12 cards: its certificate is chosen in the browser's chooser,
// its PIN typed into the browser's dialog.
func (r *running) entersWithToken(tab *chromium.Tab, display *chromium.Display) {
	tab.Front()
	r.follow(tab, "again")
	tab.WaitFor(`a[data-door="card"]`)
	tab.Begin(`a[data-door="card"]`)
	display.WaitDialog()
	picture(display, "token-1-chooser")
	display.Type(r.Server.ContactCard.IdNat)
	display.Key("Return")
	display.WaitWindow("Unlock Security Device")
	picture(display, "token-2-pin")
	display.Type(r.PIN)
	display.Key("Return")
	tab.WaitFor(".person")
	if who := tab.Text(".person"); !strings.Contains(who, r.Server.ContactCard.Holder) {
		r.t.Errorf("signed in as %q", who)
	}
}

// opensTicket opens a ticket without a name at the desk, and reads its code.
func opensTicket(tab *chromium.Tab) string {
	tab.WaitFor("#who")
	tab.Press(chromium.KeyEnter)
	tab.WaitFor(".code")
	return strings.Join(strings.FieldsFunc(tab.Text(".code"), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }), "-")
}

// applicationsOpen: neither asks for the card again. Where it is asked whether
// it is they who sit there, the holder says so.
func (r *running) applicationsOpen(holder *chromium.Tab) {
	r.t.Helper()
	r.follow(holder, "application-1")
	r.arrives(holder, "table .person, p.person, strong.person")
	for _, want := range []string{"Remote-User", r.Server.ContactCard.IdNat, "X-Cpsgate-Method"} {
		if page := holder.Text("main"); !strings.Contains(page, want) {
			r.t.Errorf("application 1 lacks %q:\n%s", want, page)
		}
	}
	holder.Accessible()
	pictures(r.t, holder, "application-1")
	r.follow(holder, "application-2")
	holder.Click("[data-signin]")
	r.arrives(holder, ".claims")
	family, _, _ := strings.Cut(r.Server.ContactCard.Holder, " ")
	if page := holder.Text("main"); !strings.Contains(page, family) {
		r.t.Errorf("application 2 lacks %q:\n%s", family, page)
	}
	holder.Accessible()
	pictures(r.t, holder, "application-2")
}

// arrives waits for the application's page, and answers "is it you?" on the way.
func (r *running) arrives(tab *chromium.Tab, selector string) {
	r.t.Helper()
	const itIsMe = `button[value="it-is-me"]`
	tab.WaitFor(selector + ", " + itIsMe)
	if chromium.Eval[bool](tab, "!!document.querySelector(`"+itIsMe+"`)") {
		tab.Click(itIsMe)
		tab.WaitFor(selector)
	}
}

// reportLost revokes the card on its holder's page at the desk.
func (r *running) reportLost(operator *chromium.Tab) {
	r.follow(operator, "report")
	operator.WaitFor("main")
	operator.Go(r.Server.Main + "/desk/people/" + url.PathEscape(r.Server.ContactCard.IdNat))
	operator.WaitFor(`form[action$="/revoke"]`)
	chromium.Eval[bool](operator, `document.querySelector('form[action$="/revoke"]').closest("details").open = true`)
	operator.Type(`form[action$="/revoke"] input`, "perdue")
	operator.Press(chromium.KeyEnter)
	operator.WaitFor("main")
}

// applicationsClose: both have forgotten the holder, soon.
func (r *running) applicationsClose(holder *chromium.Tab) {
	r.t.Helper()
	for name, seen := range map[string]string{"application-1": `a[data-door="card"]`, "application-2": "[data-signin]"} {
		closed := false
		for end := time.Now().Add(20 * time.Second); !closed && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
			r.follow(holder, name)
			holder.WaitFor("main")
			closed = chromium.Eval[bool](holder, "!!document.querySelector(`"+seen+"`)")
		}
		if !closed {
			r.t.Errorf("%s still knows the holder of a lost card", name)
		}
	}
}

// picture is taken where CPSGATE_PICTURES names a folder.
func picture(display *chromium.Display, name string) {
	if folder := os.Getenv("CPSGATE_PICTURES"); folder != "" {
		display.Picture(filepath.Join(folder, name+".png"))
	}
}

// pictures are taken where CPSGATE_PICTURES names a folder: wide, and on a phone
// in the dark.
func pictures(t *testing.T, tab *chromium.Tab, name string) {
	t.Helper()
	folder := os.Getenv("CPSGATE_PICTURES")
	if folder == "" {
		return
	}
	tab.View(390, 844, "dark")
	tab.Accessible()
	tab.Picture(filepath.Join(folder, name+"-narrow-dark.png"))
	tab.View(1280, 900, "light")
	tab.Picture(filepath.Join(folder, name+"-wide.png"))
}
