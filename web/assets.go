package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
)

//go:embed static
var staticFiles embed.FS

//go:embed static/desk.css
var deskCSS string

// maxLogo bounds the hospital's logo, which every page loads.
const maxLogo = 256 << 10

// asset is a file sent as it is, under a name that holds its hash.
type asset struct {
	path        string // /static/style.0123456789ab.css
	contentType string
	content     []byte
}

// assets are the files of /static, by path, and the paths that pages use.
type assets struct {
	files                           map[string]asset
	style, script, desk, icon, logo string
}

// newAssets reads the embedded files, adds the accent colour to the style
// sheet, and reads the logo if there is one.
func newAssets(accentCSS, logoFile string) (*assets, error) {
	a := &assets{files: make(map[string]asset)}
	for _, f := range []struct {
		name, contentType, extra string
		into                     *string
	}{
		{"style.css", "text/css; charset=utf-8", deskCSS + accentCSS, &a.style},
		{"desk.js", "text/javascript; charset=utf-8", "", &a.desk},
		{"passkey.js", "text/javascript; charset=utf-8", "", &a.script},
		{"icon.svg", "image/svg+xml", "", &a.icon},
	} {
		content, err := staticFiles.ReadFile("static/" + f.name)
		if err != nil {
			return nil, fmt.Errorf("reading static files: %w", err)
		}
		*f.into = a.add(f.name, f.contentType, append(content, f.extra...))
	}
	if logoFile == "" {
		return a, nil
	}
	if err := a.addLogo(logoFile); err != nil {
		return nil, fmt.Errorf("logo: %w", err)
	}
	return a, nil
}

func (a *assets) add(name, contentType string, content []byte) string {
	sum := sha256.Sum256(content)
	base, ext, _ := strings.Cut(name, ".")
	p := "/static/" + base + "." + hex.EncodeToString(sum[:6]) + "." + ext
	a.files[p] = asset{path: p, contentType: contentType, content: content}
	return p
}

// addLogo takes an SVG, PNG, JPEG or WebP file. A page shows it as an image,
// in which no script of an SVG runs, and its own answer forbids scripts too.
func (a *assets) addLogo(file string) error {
	types := map[string]string{".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
	ext := strings.ToLower(path.Ext(file))
	contentType, known := types[ext]
	if !known {
		return fmt.Errorf("%s: not a .svg, .png, .jpg or .webp file", file)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxLogo+1))
	if err != nil {
		return err
	}
	if len(content) == 0 || len(content) > maxLogo {
		return fmt.Errorf("%s: empty, or larger than %d bytes", file, maxLogo)
	}
	a.logo = a.add("logo"+ext, contentType, content)
	return nil
}

// serve sends an asset. Its path names its content, so that it may be kept for
// ever (RFC 8246).
func (a *assets) serve(c echo.Context) error {
	file, found := a.files[c.Request().URL.Path]
	if !found {
		return echo.ErrNotFound
	}
	h := c.Response().Header()
	h.Set("Content-Type", file.contentType)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	http.ServeContent(c.Response(), c.Request(), "", time.Time{}, bytes.NewReader(file.content))
	return nil
}
