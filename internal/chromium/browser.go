package chromium

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// Browser is a running Chromium.
type Browser struct{ ctx context.Context }

// Start runs a headless browser in the home until the test ends. Environment
// holds extra NAME=value pairs for the process.
func Start(t testing.TB, h *Home, environment ...string) *Browser {
	t.Helper()
	h.writePreferences(t)
	return launch(t, append(quiet(),
		chromedp.ExecPath("/usr/lib/chromium/chromium"),
		chromedp.Flag("headless", "new"),
		chromedp.NoSandbox, // tests may run as root
		chromedp.UserDataDir(h.profile()),
		chromedp.Env(append([]string{
			"HOME=" + h.dir, "XDG_CONFIG_HOME=" + h.dir + "/.config", "XDG_CACHE_HOME=" + h.dir + "/.cache",
		}, environment...)...),
	))
}

// quiet are the options of every browser: nothing of its own business, no
// network but this machine's.
func quiet() []chromedp.ExecAllocatorOption {
	options := []chromedp.ExecAllocatorOption{
		chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.DisableGPU,
		chromedp.Flag("accept-lang", "fr-FR,fr"),
		chromedp.Flag("password-store", "basic"),
		// Nothing but this machine resolves.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE ::1, EXCLUDE localhost, EXCLUDE *.localhost"),
	}
	for _, name := range []string{
		"disable-quic", "disable-background-networking", "disable-component-update", "disable-sync", "disable-default-apps",
		"disable-extensions", "disable-domain-reliability", "disable-client-side-phishing-detection", "disable-breakpad",
		"metrics-recording-only", "no-pings", "mute-audio", "no-proxy-server", "disable-dev-shm-usage", "hide-scrollbars",
	} {
		options = append(options, chromedp.Flag(name, true))
	}
	return options
}

// launches bounds the attempts at starting a browser: on a busy machine one may
// ask for its first page before there is one.
const launches = 3

// launch starts a browser that ends with the test.
func launch(t testing.TB, options []chromedp.ExecAllocatorOption) *Browser {
	t.Helper()
	for attempt := 1; ; attempt++ {
		allocator, stopAllocator := chromedp.NewExecAllocator(context.Background(), options...)
		ctx, stop := chromedp.NewContext(allocator)
		end := func() { _ = chromedp.Cancel(ctx); stop(); stopAllocator() }
		// The first Do binds the browser's life to its context: no time limit here.
		err := chromedp.Do(ctx)
		if err == nil {
			t.Cleanup(end)
			return &Browser{ctx: ctx}
		}
		end()
		if attempt == launches {
			t.Fatalf("starting chromium: %v", err)
		}
		t.Logf("starting chromium once more: %v", err)
	}
}

// Tab is a tab in a browser context of its own: its cookies and its remembered
// certificate choices are shared with no other tab.
type Tab struct {
	t   testing.TB
	ctx context.Context
}

// Tab opens an empty tab that closes with the test.
func (b *Browser) Tab(t testing.TB) *Tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("opening a tab: %v", err)
	}
	return &Tab{t: t, ctx: ctx}
}

func (tab *Tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		tab.t.Fatalf("%s: %v\npage: %s", what, err, tab.tryText())
	}
}

// tryText is the page's address and text, for messages.
func (tab *Tab) tryText() string {
	ctx, cancel := context.WithTimeout(tab.ctx, 2*time.Second)
	defer cancel()
	s, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href + "\n" + (document.body ? document.body.innerText : "")`))
	if err != nil {
		return err.Error()
	}
	return s
}

// Go navigates and waits for the page's main element.
func (tab *Tab) Go(url string) {
	tab.t.Helper()
	tab.do("going to "+url, chromedp.Navigate(url), chromedp.WaitReady(chromedp.CSS("main")))
}

// Begin clicks as Click does, and does not wait for what comes of it: a dialog of
// the browser's may hold the page up.
func (tab *Tab) Begin(selector string) {
	tab.t.Helper()
	_ = Eval[bool](tab, `setTimeout(() => document.querySelector(`+quote(selector)+`).click(), 100), true`)
}

// Type types into the first element that the CSS selector matches.
func (tab *Tab) Type(selector, text string) {
	tab.t.Helper()
	tab.do("typing into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Choose puts a file into the file field that the CSS selector matches.
func (tab *Tab) Choose(selector, file string) {
	tab.t.Helper()
	tab.do("choosing a file for "+selector, chromedp.SetUploadFiles(chromedp.CSS(selector), []string{file}))
}

// WaitFor waits until the CSS selector matches something visible.
func (tab *Tab) WaitFor(selector string) {
	tab.t.Helper()
	tab.do("waiting for "+selector, chromedp.WaitVisible(chromedp.CSS(selector)))
}

// Text is the visible text of the first element that the CSS selector matches.
func (tab *Tab) Text(selector string) string {
	tab.t.Helper()
	return Eval[string](tab, `document.querySelector(`+quote(selector)+`).innerText`)
}

// URL is the address of the page.
func (tab *Tab) URL() string {
	tab.t.Helper()
	return Eval[string](tab, `location.href`)
}

// Eval evaluates JavaScript in the page, awaits a promise, and acts as if a
// person had just clicked.
func Eval[T any](tab *Tab, script string) T {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, func(p *runtime.EvaluateParams) {
		p.AwaitPromise, p.UserGesture = new(true), new(true)
	}))
	if err != nil {
		tab.t.Fatalf("evaluating %s: %v\npage: %s", script, err, tab.tryText())
	}
	return v
}

// View sets the window's width and height in CSS pixels and the colour scheme
// ("light" or "dark"), for a person who asked for reduced motion: what is
// measured or pictured next is not halfway through a transition.
func (tab *Tab) View(width, height int64, scheme string) {
	tab.t.Helper()
	tab.do("setting the view", chromedp.EmulateViewport(width, height))
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
		},
	})
	if err != nil {
		tab.t.Fatalf("setting the colour scheme: %v", err)
	}
}

// WithoutScript switches the page's JavaScript off for the tab's next pages.
func (tab *Tab) WithoutScript() {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		tab.t.Fatalf("switching JavaScript off: %v", err)
	}
}

// Keys for Press.
const (
	KeyTab   = kb.Tab
	KeyEnter = kb.Enter
)

// Press sends one key of the keyboard.
func (tab *Tab) Press(key string) {
	tab.t.Helper()
	tab.do("pressing a key", chromedp.KeyEvent(key))
}

// Picture writes a PNG of the whole page.
func (tab *Tab) Picture(file string) {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.WriteFile(file, png, 0o644)
	}
	if err != nil {
		tab.t.Fatalf("taking a picture: %v", err)
	}
}

// FIDO2Card puts a virtual FIDO2 authenticator with PIN and resident keys into
// the tab, by the transport "smart-card".
func (tab *Tab) FIDO2Card() {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, webauthn.Enable, webauthn.EnableParams{}); err != nil {
		tab.t.Fatalf("enabling virtual authenticators: %v", err)
	}
	_, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: webauthn.AuthenticatorProtocolCtap2, Ctap2version: webauthn.Ctap2versionCtap21,
			Transport:      webauthn.AuthenticatorTransportSmartCard,
			HasResidentKey: true, HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
		},
	})
	if err != nil {
		tab.t.Fatalf("adding a virtual authenticator: %v", err)
	}
}
