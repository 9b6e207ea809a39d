package demo

import (
	"bytes"
	"embed"
	"encoding/base64"
	"encoding/json"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
)

//go:embed templates
var templateFiles embed.FS

//go:embed style.css
var style []byte

var pages = template.Must(template.New("").Funcs(template.FuncMap{"de": de}).ParseFS(templateFiles, "templates/*.html"))

// de puts the French "de" before a name.
func de(name string) string {
	if name != "" && strings.ContainsRune("AEIOUYÀÂÉÈÊËÎÏÔÙÛ", []rune(name)[0]) {
		return "d'" + name
	}
	return "de " + name
}

// show answers with a page, whole or not at all.
func show(w http.ResponseWriter, status int, name string, view any) {
	var page bytes.Buffer
	if err := pages.ExecuteTemplate(&page, name, view); err != nil {
		slog.Error("showing a page", "page", name, "error", err)
		http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action *; base-uri 'none'; frame-ancestors 'none'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(page.Bytes()) // the reader may be gone
}

func serveStyle(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write(style)
}

// claimsOf are the claims of a signed token, spread out for people to read;
// nothing is verified here.
func claimsOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return "?"
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "?"
	}
	return spread(raw)
}

// spread indents JSON.
func spread(raw []byte) string {
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return "?"
	}
	return out.String()
}
