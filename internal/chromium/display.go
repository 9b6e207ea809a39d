package chromium

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// Display is an X server without a screen, for what headless browsers do not
// have: the dialogs that are windows of their own, certificate and PIN.
type Display struct {
	t      testing.TB
	name   string // DISPLAY
	folder string // where the server keeps its frame buffer
}

// NewDisplay starts a display for the time of the test. It skips the test
// where that cannot be.
func NewDisplay(t testing.TB) *Display {
	t.Helper()
	for _, program := range []string{"Xvfb:xvfb", "xdotool:xdotool"} {
		name, debian, _ := strings.Cut(program, ":")
		needProgram(t, name, debian)
	}
	d := &Display{t: t, folder: t.TempDir()}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	server := exec.Command("Xvfb", "-displayfd", "3", "-screen", "0", "1280x900x24", "-nolisten", "tcp", "-fbdir", d.folder)
	server.ExtraFiles = []*os.File{w}
	err = server.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	number, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatalf("Xvfb named no display: %v", err)
	}
	d.name = ":" + strings.TrimSpace(number)
	return d
}

// Start runs a browser with a window on the display until the test ends, by a
// program that adds its own arguments, such as a shell script that ends in exec.
func (d *Display) Start(program, profile string, environment ...string) *Browser {
	d.t.Helper()
	return launch(d.t, append(quiet(),
		chromedp.ExecPath(program), chromedp.UserDataDir(profile), chromedp.Flag("headless", false),
		chromedp.Env(append([]string{"DISPLAY=" + d.name}, environment...)...),
		chromedp.Flag("disable-features", "Translate"), chromedp.Flag("ozone-platform", "x11"), chromedp.Flag("window-size", "1200,850"), chromedp.Flag("window-position", "0,0"),
	))
}

// WaitWindow waits until a window whose title holds text is visible, and gives
// it the keyboard.
func (d *Display) WaitWindow(text string) {
	d.t.Helper()
	var said string
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		var err error
		if said, err = d.xdotool("search", "--onlyvisible", "--name", text); err == nil && said != "" {
			window, _, _ := strings.Cut(said, "\n")
			if _, err := d.xdotool("windowfocus", "--sync", window); err == nil {
				return
			}
		}
	}
	names, _ := d.xdotool("search", "--onlyvisible", "--name", ".", "getwindowname", "%@")
	d.t.Fatalf("no window %q; there are:\n%s\nsee %s", text, names, d.evidence())
}

// WaitDialog waits until a dialog of the browser's has darkened the page behind
// it, such as the choice of a certificate: it is no window that could be named,
// and DevTools knows nothing of it. The page must have been light.
func (d *Display) WaitDialog() {
	d.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		picture, err := d.frame()
		if err != nil {
			d.t.Fatal(err)
		}
		margin := picture.At(100, 700) // of the page, below any dialog
		if color.GrayModel.Convert(margin).(color.Gray).Y < 0xC0 {
			return
		}
	}
	d.t.Fatalf("no dialog has opened over the page; see %s", d.evidence())
}

// Type types text on the display's keyboard, to whatever window has it.
func (d *Display) Type(text string) {
	d.t.Helper()
	d.must("type", "--delay", "20", text)
}

// Key presses a key by its X name: Return, Escape, Tab.
func (d *Display) Key(name string) {
	d.t.Helper()
	d.must("key", name)
}

func (d *Display) must(arguments ...string) {
	d.t.Helper()
	if said, err := d.xdotool(arguments...); err != nil {
		d.t.Fatalf("xdotool %v: %v\n%s", arguments, err, said)
	}
}

func (d *Display) xdotool(arguments ...string) (string, error) {
	command := exec.Command("xdotool", arguments...)
	command.Env = append(os.Environ(), "DISPLAY="+d.name)
	said, err := command.CombinedOutput()
	return strings.TrimSpace(string(said)), err
}

// evidence is a picture that outlives the test.
func (d *Display) evidence() string {
	file := filepath.Join(os.TempDir(), strings.ReplaceAll(d.t.Name(), "/", "-")+".png")
	if err := d.picture(file); err != nil {
		return err.Error()
	}
	return file
}

// Picture writes a PNG of the display.
func (d *Display) Picture(file string) {
	d.t.Helper()
	if err := d.picture(file); err != nil {
		d.t.Fatalf("taking a picture: %v", err)
	}
}

func (d *Display) picture(file string) (err error) {
	frame, err := d.frame()
	if err != nil {
		return err
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	return png.Encode(out, frame)
}

// frame is what the display shows now.
func (d *Display) frame() (image.Image, error) {
	dump, err := os.ReadFile(filepath.Join(d.folder, "Xvfb_screen0"))
	if err != nil {
		return nil, err
	}
	return decodeXWD(dump)
}

// decodeXWD reads what Xvfb writes with -fbdir: XWDFile.h's header of 32-bit
// words, the colour map, then rows of 32-bit pixels.
func decodeXWD(dump []byte) (image.Image, error) {
	const words = 25
	if len(dump) < 4*words {
		return nil, errors.New("the dump has no header")
	}
	word := func(i int) int { return int(binary.BigEndian.Uint32(dump[4*i:])) }
	size, width, height, lsbFirst, bits, stride, colours := word(0), word(4), word(5), word(7) == 0, word(11), word(12), word(19)
	pixels := size + 12*colours
	if bits != 32 || !lsbFirst || stride < 4*width || len(dump) < pixels+stride*height {
		return nil, fmt.Errorf("a dump of %d bits a pixel, %d×%d in %d bytes", bits, width, height, len(dump))
	}
	picture := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		row := dump[pixels+y*stride:]
		for x := range width {
			p := row[4*x:]
			picture.SetRGBA(x, y, color.RGBA{R: p[2], G: p[1], B: p[0], A: 0xFF})
		}
	}
	return picture, nil
}

// FirstTab is a tab of the window that a person would use.
func (b *Browser) FirstTab(t testing.TB) *Tab { return &Tab{t: t, ctx: b.ctx} }

// Front puts the tab in front of the window's others: only there do dialogs open.
func (tab *Tab) Front() {
	tab.t.Helper()
	ctx, cancel := context.WithTimeout(tab.ctx, patience)
	defer cancel()
	if _, err := chromedp.Call(ctx, page.BringToFront, cdp.Empty{}); err != nil {
		tab.t.Fatalf("bringing the tab to the front: %v", err)
	}
}

// Painted waits until the page is on the display as it now is.
func (tab *Tab) Painted() {
	tab.t.Helper()
	_ = Eval[bool](tab, `new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))`)
}
