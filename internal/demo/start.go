package demo

import (
	"fmt"
	"net/http"
)

// Addresses are where a person's browser finds the demonstration.
type Addresses struct {
	Start        string // of the start page
	SignOn       string // of cpsgate
	Applications [2]string
}

// Visit is a demonstration as its start page tells it.
type Visit struct {
	Addresses
	Root    string // file: the authority above the servers' certificates
	Browser string // command line that starts a throw-away Chromium
	Cards   []CardFile

	Staff, Holder, Revoked string // who keeps the desk; whose card is enrolled there, then lost; whose card is reported lost already

	Workstation *Workstation // nil: there is none
	Lacking     string       // then: what it would need
	Stop        Words
}

// CardFile is a sample card for browsers.
type CardFile struct {
	Name   string // PKCS#12, as the page hands it out
	File   string
	Holder string
	State  Words // "" = good
}

// Workstation is what is typed where the blank card is.
type Workstation struct {
	Where          Words
	Enroll, Assert string // command lines
	PIN            string // of the card's certificates
	Token          bool   // the throw-away browser asks for that PIN too
}

// Words are a sentence in both languages.
type Words struct{ FR, EN string }

// Start serves the page that says what to click, and what a browser needs: the
// root above the servers' certificates and the sample cards.
func Start(v Visit) *http.ServeMux {
	view := struct {
		Visit
		Password string
	}{v, CardPassword}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /style.css", serveStyle)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) { show(w, http.StatusOK, "start.html", view) })
	mux.HandleFunc("GET /"+rootFile, download(v.Root, "cpsgate-demo-root.pem"))
	for _, c := range v.Cards {
		mux.HandleFunc("GET /cards/"+c.Name, download(c.File, c.Name))
	}
	return mux
}

// download serves a file under the name it is to be kept by.
func download(file, as string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", as))
		w.Header().Set("Content-Type", "application/octet-stream")
		http.ServeFile(w, r, file)
	}
}
