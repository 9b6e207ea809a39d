package demo

import (
	_ "embed"
	"fmt"
	"net/http"
	"path/filepath"
	"text/template"
)

// Addresses are where a person's browser finds the stack.
type Addresses struct {
	Start        string // of the start page
	SignOn       string // of cpsgate
	Card         string // of the card host
	Applications [2]string
}

// browserScript starts a throw-away Chromium that knows the stack.
//
//go:embed chromium.sh
var browserScript string

// Start serves the page that says what to click, and what a browser needs: the
// root above the servers' certificates and the sample cards.
func Start(public string, at Addresses) (http.Handler, error) {
	script, err := template.New("chromium.sh").Parse(browserScript)
	if err != nil {
		return nil, err
	}
	view := struct {
		Addresses
		Cards    []Sample
		Password string
	}{at, Samples(), CardPassword}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /style.css", serveStyle)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { show(w, http.StatusOK, "start.html", view) })
	mux.HandleFunc("GET /chromium.sh", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/x-shellscript; charset=utf-8")
		_ = script.Execute(w, view) // the reader may be gone
	})
	mux.HandleFunc("GET /"+rootFile, download(filepath.Join(public, rootFile), "cpsgate-demo-root.pem"))
	for _, s := range Samples() {
		mux.HandleFunc("GET /cards/"+s.File+".p12", download(filepath.Join(public, cardsFolder, s.File+".p12"), s.File+".p12"))
	}
	return mux, nil
}

// download serves a file under the name it is to be kept by.
func download(file, as string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", as))
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeFile(w, r, file)
	}
}
