package e2e

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cpsgate/internal/chromium"
)

// TestTour is the main job: sign in by certificate, register a passkey, sign
// out, sign in by the passkey. Every page on the way is judged for
// accessibility.
func TestTour(t *testing.T) {
	chromium.Need(t)
	d := startDemo(t)
	_, _, holder, _ := d.card(t, "good")
	tab := d.browserWith(t, "good").Tab(t)
	tab.FIDO2Card()

	tab.Go(d.Main)
	tab.Accessible()
	pictures(t, tab, "sign-in")

	tab.Click(`a[data-door="card"]`)
	tab.WaitFor(".person")
	wantText(t, tab, ".person", holder)
	if url := tab.URL(); !strings.HasPrefix(url, d.Main+"/account") {
		t.Errorf("signed in at %s", url)
	}
	tab.Accessible()

	tab.Type("#new-name", "Ma carte CPS4")
	tab.Click(`[data-passkey="add"] [data-start]`)
	tab.WaitFor(".state.pending")
	wantText(t, tab, "main", "Ma carte CPS4")
	tab.Accessible()
	pictures(t, tab, "account")

	tab.Click("[data-signout]")
	tab.WaitFor(`a[href^="/"].button, a.button`)
	if url := tab.URL(); !strings.HasPrefix(url, d.Main+"/signed-out") {
		t.Errorf("signed out at %s", url)
	}
	tab.Accessible()
	pictures(t, tab, "signed-out")

	tab.Go(d.Main + "/account")
	if url := tab.URL(); strings.HasSuffix(url, "/account") {
		t.Error("the account page opens after signing out")
	}

	tab.Go(d.Main)
	if tab.Text("h1") == "" {
		t.Error("the sign-in page has no heading")
	}
	signInByPasskey(tab)
	wantText(t, tab, ".person", holder)
	tab.WaitFor(".state.active")
	tab.Accessible()
}

// signInByPasskey lets whatever the page offers do: the authenticator answers
// the conditional request at once, else the button is clicked.
func signInByPasskey(tab *chromium.Tab) {
	chromium.Eval[bool](tab, `new Promise(done => {
		const start = Date.now();
		(function look() {
			if (document.querySelector(".person")) return done(true);
			const button = document.querySelector('[data-passkey="login"] [data-start]:not([hidden])');
			if (Date.now() - start > 1500 && button) { button.click(); return done(true); }
			setTimeout(look, 100);
		})();
	})`)
	tab.WaitFor(".person")
}

// TestWithoutJavaScript: the certificate door, the account page and signing out
// need none, and the page says what does.
func TestWithoutJavaScript(t *testing.T) {
	chromium.Need(t)
	d := startDemo(t)
	_, _, holder, _ := d.card(t, "good")
	tab := d.browserWith(t, "good").Tab(t)
	tab.WithoutScript()
	tab.Go(d.Main)
	tab.WaitFor("#passkey noscript p")
	tab.Click(`a[data-door="card"]`)
	tab.WaitFor(".person")
	wantText(t, tab, ".person", holder)
	tab.Click("[data-signout]")
	tab.WaitFor(".refused-sign.calm") // of the next page: an h1 is on this one too
	tab.Go(d.Main + "/account")
	if strings.HasSuffix(tab.URL(), "/account") {
		t.Error("the account page opens after signing out")
	}
}

// TestKeyboard: from the top of the sign-in page, a few Tab keys and Enter sign
// in, each stop showing where the focus is.
func TestKeyboard(t *testing.T) {
	chromium.Need(t)
	d := startDemo(t)
	tab := d.browserWith(t, "good").Tab(t)
	tab.Go(d.Main)
	for range 6 {
		tab.Press(chromium.KeyTab)
		if chromium.Eval[string](tab, `getComputedStyle(document.activeElement).outlineStyle`) == "none" {
			t.Errorf("no focus ring on %s", chromium.Eval[string](tab, `document.activeElement.outerHTML`))
		}
		if chromium.Eval[string](tab, `document.activeElement.dataset.door || ""`) == "card" {
			tab.Press(chromium.KeyEnter)
			tab.WaitFor(".person")
			return
		}
	}
	t.Error("the card door is not among the first six stops of the Tab key")
}

// TestRestart: a restart of the server signs nobody out.
func TestRestart(t *testing.T) {
	chromium.Need(t)
	d := startDemo(t)
	tab := d.browserWith(t, "good").Tab(t)
	tab.Go(d.Main)
	tab.Click(`a[data-door="card"]`)
	tab.WaitFor(".person")
	d.stop(t)
	again := exec.Command(program, "serve", "--config", d.Config)
	again.Env = []string{"PATH=" + os.Getenv("PATH")}
	again.Stderr = os.Stderr
	if err := again.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = again.Process.Signal(syscall.SIGTERM)
		if err := again.Wait(); err != nil {
			t.Errorf("serve did not end well: %v", err)
		}
	})
	waitReady(t, d.Admin+"/readyz")
	tab.Go(d.Main + "/account")
	tab.WaitFor(".person")
}

func waitReady(t *testing.T, url string) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		response, err := http.Get(url)
		if err != nil {
			continue
		}
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return
		}
	}
	t.Fatalf("%s is not ready", url)
}

// TestRefusals: each card that must not sign in meets the page that says so.
func TestRefusals(t *testing.T) {
	chromium.Need(t)
	d := startDemo(t)
	for _, tc := range []struct {
		name, card, title, picture string
		environment                []string
	}{
		{name: "revoked", card: "revoked", title: "Votre carte a été mise en opposition", picture: "refused-revoked"},
		{name: "expired, and the workstation's clock is slow", card: "expired", title: "Votre carte a expiré le", picture: "refused-expired", environment: slowClock(t)},
		{name: "expired: the browser does not offer it", card: "expired", title: "Nous n’avons pas vu votre carte", picture: "refused-no-certificate"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tab := d.browserWith(t, tc.card, tc.environment...).Tab(t)
			tab.Go(d.Main)
			tab.Click(`a[data-door="card"]`)
			tab.WaitFor(".refused")
			wantText(t, tab, "h1", tc.title)
			tab.WaitFor(".event code")
			tab.WaitFor(".steps li")
			tab.Accessible()
			pictures(t, tab, tc.picture)
			tab.Go(d.Main + "/account")
			if strings.HasSuffix(tab.URL(), "/account") {
				t.Error("the refused card opened the account page")
			}
		})
	}
}

// slowClock sets a browser's clock back far enough that the expired card has
// not expired yet: browsers offer no certificate they believe expired.
func slowClock(t *testing.T) []string {
	t.Helper()
	for _, library := range []string{"/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1", "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1"} {
		if _, err := os.Stat(library); err == nil {
			return []string{"LD_PRELOAD=" + library, "FAKETIME=-18h"}
		}
	}
	if os.Getenv(chromium.NeedAll) != "" {
		t.Fatal("libfaketime is missing; the Debian package libfaketime brings it")
	}
	t.Skip("needs libfaketime, of the Debian package libfaketime")
	return nil
}

// pictures are taken where CPSGATE_PICTURES names a folder: each page wide and
// narrow, light and dark.
func pictures(t *testing.T, tab *chromium.Tab, name string) {
	t.Helper()
	folder := os.Getenv("CPSGATE_PICTURES")
	if folder == "" {
		return
	}
	for _, view := range []struct {
		width, height int64
		scheme        string
	}{{1280, 900, "light"}, {390, 844, "light"}, {1280, 900, "dark"}, {390, 844, "dark"}} {
		tab.View(view.width, view.height, view.scheme)
		tab.Accessible()
		size := "wide"
		if view.width < 500 {
			size = "narrow"
		}
		tab.Picture(filepath.Join(folder, name+"-"+size+"-"+view.scheme+".png"))
	}
	tab.View(1280, 900, "light")
}
