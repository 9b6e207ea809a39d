package main_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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

// picture is taken where CPSGATE_PICTURES names a folder.
func picture(t *testing.T, display *chromium.Display, name string) {
	t.Helper()
	if folder := os.Getenv("CPSGATE_PICTURES"); folder != "" {
		display.Picture(filepath.Join(folder, name+".png"))
	}
}
