package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"cpsgate/internal/chromium"
)

// TestSignInWithTheToken: the demo's own browser script puts the token beside
// the PKCS#12 cards; its certificate is chosen in the browser's chooser, its PIN
// typed into the browser's dialog, and the server's card listener lets it in.
func TestSignInWithTheToken(t *testing.T) {
	chromium.Need(t)
	display := chromium.NewDisplay(t)
	r := start(t)
	browser := display.Start(r.Server.Script, filepath.Join(r.Folder, "browser", "profile"), "PATH="+os.Getenv("PATH"))
	tab := browser.FirstTab(t)
	tab.Go(r.Server.Main)
	tab.Front()
	tab.Begin(`a[data-door="card"]`)
	display.WaitDialog()
	picture(t, display, "token-1-chooser")
	display.Type(r.Server.ContactCard.IdNat)
	display.Key("Return")
	display.WaitWindow("Unlock Security Device")
	picture(t, display, "token-2-pin")
	display.Type(r.PIN)
	display.Key("Return")
	tab.WaitFor(".person")
	tab.Painted()
	picture(t, display, "token-3-account")
	if who := tab.Text(".person"); !strings.Contains(who, r.Server.ContactCard.Holder) {
		t.Errorf("signed in as %q", who)
	}
}

// TestEnrolAtTheDemosDesk: the good card's holder opens the desk and a ticket;
// cardside enrols the card of the workstation's reader with its code.
func TestEnrolAtTheDemosDesk(t *testing.T) {
	chromium.Need(t)
	needCardside(t)
	r := start(t)
	home := chromium.NewHome(t)
	home.Trust(t, r.Server.Root)
	for _, card := range r.Server.Cards {
		if card.State == "good" {
			home.Import(t, card.File, card.Password)
			home.Choose("https://[*.]cps.localhost", card.IdNat)
		}
	}
	tab := chromium.Start(t, home).Tab(t)
	tab.Go(r.Server.Main)
	tab.Click(`a[data-door="card"]`)
	tab.WaitFor(".person")
	tab.Go(r.Server.Main + "/desk")
	tab.WaitFor("#who")
	tab.Press(chromium.KeyEnter)
	tab.WaitFor(".code")
	code := strings.Join(strings.FieldsFunc(tab.Text(".code"), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) }), "-")

	pins := t.TempDir()
	for name, pin := range map[string]string{"card": r.PIN, "new": "246810"} {
		if err := os.WriteFile(filepath.Join(pins, name), []byte(pin+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	said := r.shell("cardside enroll " + code + " --card-pin-fd 3 --new-pin-fd 4 3<" + pins + "/card 4<" + pins + "/new")
	if done := r.Server.ContactCard.Holder + " — Infirmier"; !strings.Contains(said, "C'est fait : "+done) {
		t.Errorf("cardside said:\n%s", said)
	}
	tab.WaitFor(".state.active")
	if page := tab.Text("main"); !strings.Contains(page, r.Server.ContactCard.Holder) {
		t.Errorf("the desk shows:\n%s", page)
	}
}

// picture is taken where CPSGATE_PICTURES names a folder.
func picture(t *testing.T, display *chromium.Display, name string) {
	t.Helper()
	if folder := os.Getenv("CPSGATE_PICTURES"); folder != "" {
		display.Picture(filepath.Join(folder, name+".png"))
	}
}
