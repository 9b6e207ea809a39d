package web_test

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"cpsgate/web"
)

// TestTheme: a colour that cannot be read is refused, one that can gets a tint
// for dark surfaces.
func TestTheme(t *testing.T) {
	for _, c := range []struct {
		name, accent string
		accepted     bool
	}{
		{"a deep blue-green", "#0b4f6c", true},
		{"black", "#000000", true},
		{"a deep red", "#8b0000", true},
		{"a mid blue, 4.5:1 only", "#0070c0", false},
		{"orange", "#ff8800", false},
		{"white", "#ffffff", false},
		{"not quite 7:1 on the page", "#595959", false},
		{"three digits", "#123", false},
		{"a name", "navy", false},
		{"no number", "#12345g", false},
		{"a sign", "#+12345", false},
		{"what would leave the style sheet", "#000}a{", false},
	} {
		css, err := web.Theme(c.accent)
		if (err == nil) != c.accepted {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.accepted && !regexp.MustCompile(`^:root\{--accent:#[0-9a-f]{6};--on-accent:#ffffff\}\n@media \(prefers-color-scheme:dark\)\{:root\{--accent:#[0-9a-f]{6};--on-accent:#0d1319\}\}\n$`).MatchString(css) {
			t.Errorf("%s: %q", c.name, css)
		}
	}
	if _, err := web.Theme("#ff8800"); !errors.Is(err, web.ErrContrast) {
		t.Errorf("%v", err)
	}
}

// TestStyleSheetContrast: the theme is judged against the surfaces that the
// style sheet paints.
func TestStyleSheetContrast(t *testing.T) {
	css, err := os.ReadFile("static/style.css")
	must(t, err)
	for _, surface := range []string{"--page: #f3f5f7", "--panel: #ffffff", "--panel: #1b252f"} {
		if !strings.Contains(string(css), surface) {
			t.Errorf("the style sheet does not paint %s", surface)
		}
	}
}

// TestNewRefuses what no hospital should find out from its staff.
func TestNewRefuses(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.png")
	must(t, os.WriteFile(large, make([]byte, 300<<10), 0o600))
	text := filepath.Join(dir, "logo.txt")
	must(t, os.WriteFile(text, []byte("x"), 0o600))
	whole := quietHouse(t).assemble(plan{})
	if _, err := web.New(whole); err != nil {
		t.Fatalf("options as they should be: %v", err)
	}
	for _, c := range []struct {
		name, says string
		spoil      func(*web.Options)
	}{
		{"no name", "name", func(o *web.Options) { o.Hospital = "" }},
		{"no verifier", "needed", func(o *web.Options) { o.Verifier = nil }},
		{"no audit", "needed", func(o *web.Options) { o.Audit = nil }},
		{"an accent that cannot be read", "contrast", func(o *web.Options) { o.Accent = "#ff8800" }},
		{"an accent that is none", "#rrggbb", func(o *web.Options) { o.Accent = "blue" }},
		{"an origin with a path", "main origin", func(o *web.Options) { o.MainOrigin += "/" }},
		{"an origin without TLS", "main origin", func(o *web.Options) { o.MainOrigin = "http://sso.hopital.test" }},
		{"an origin in capitals", "card origin", func(o *web.Options) { o.CardOrigin = "https://CPS.hopital.test" }},
		{"an origin with its default port", "card origin", func(o *web.Options) { o.CardOrigin += ":443" }},
		{"no card origin", "card origin", func(o *web.Options) { o.CardOrigin = "" }},
		{"one origin for both", "both", func(o *web.Options) { o.CardOrigin = o.MainOrigin }},
		{"a logo that is not there", "logo", func(o *web.Options) { o.Logo = filepath.Join(dir, "none.svg") }},
		{"a logo that is large", "larger", func(o *web.Options) { o.Logo = large }},
		{"a logo that is text", "not a", func(o *web.Options) { o.Logo = text }},
		{"a limit below zero", "negative", func(o *web.Options) { o.Limits.AttemptsPerMinute = -1 }},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := whole
			c.spoil(&o)
			if _, err := web.New(o); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v, want something of %q", err, c.says)
			}
		})
	}
}

// TestHospitalsOwn: what a hospital sets is what its staff see.
func TestHospitalsOwn(t *testing.T) {
	logo := filepath.Join(t.TempDir(), "logo.svg")
	must(t, os.WriteFile(logo, []byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), 0o600))
	h := newHouse(t, plan{options: func(o *web.Options) {
		o.Hospital, o.Logo, o.Accent = "Clinique <Essai> & Cie", logo, "#5a1a6b"
		o.SupportLabel, o.SupportPhone = "Assistance", "+33 1 99 00 00 00"
	}})
	b := h.browser()
	page := b.get("/")
	page.says(t, http.StatusOK, "Clinique <Essai> & Cie", "Assistance, +33 1 99 00 00 00")
	if !strings.Contains(page.body, `href="tel:&#43;33199000000"`) && !strings.Contains(page.body, `href="tel:+33199000000"`) {
		t.Errorf("no telephone link:\n%s", page.body)
	}
	image := regexp.MustCompile(`/static/logo\.[0-9a-f]{12}\.svg`).FindString(page.body)
	if a := b.get(image); image == "" || a.header.Get("Content-Type") != "image/svg+xml" {
		t.Errorf("logo at %q: %d", image, a.status)
	}
	style := regexp.MustCompile(`/static/style\.[0-9a-f]{12}\.css`).FindString(page.body)
	if a := b.get(style); !strings.Contains(a.body, "--accent:#5a1a6b") {
		t.Error("the accent is not in the style sheet")
	}
}
