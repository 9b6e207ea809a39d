package demo

import (
	_ "embed"
	"net/http"
	"path/filepath"
	"text/template"
)

// browserScript starts a throw-away Chromium that knows the stack.
//
//go:embed chromium.sh
var browserScript string

// StartStack is the start page of the stack in containers (compose.yaml), whose
// public place holds the root and the sample cards.
func StartStack(public string, at Addresses) (http.Handler, error) {
	script, err := template.New("chromium.sh").Parse(browserScript)
	if err != nil {
		return nil, err
	}
	v := stackVisit(public, at)
	mux := Start(v)
	mux.HandleFunc("GET /chromium.sh", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/x-shellscript; charset=utf-8")
		_ = script.Execute(w, struct {
			Visit
			Password string
		}{v, CardPassword}) // the reader may be gone
	})
	return mux, nil
}

func stackVisit(public string, at Addresses) Visit {
	v := Visit{
		Addresses: at, Root: filepath.Join(public, rootFile), Browser: "curl -fsS " + at.Start + "/chromium.sh | sh",
		Workstation: &Workstation{
			Where:  Words{"Dans un terminal, là où est compose.yaml :", "In a terminal, where compose.yaml is:"},
			Enroll: "docker compose exec desk cardside enroll CODE", Assert: "docker compose exec desk cardside assert", PIN: "1234",
		},
		Stop: Words{
			"Arrêt : docker compose down ; avec -v, tout est oublié. Si votre machine n’a pas docker compose, écrivez docker-compose.",
			"To stop: docker compose down; with -v all is forgotten. Without docker compose, write docker-compose.",
		},
	}
	for _, s := range Samples() {
		card := CardFile{Name: s.File + ".p12", File: filepath.Join(public, cardsFolder, s.File+".p12"), Holder: s.Holder()}
		switch {
		case s.Revoked:
			card.State, v.Revoked = Words{"en opposition", "revoked"}, s.Holder()
		case s.File == deskCard:
			v.Holder = s.Holder()
		default:
			v.Staff = s.Holder()
		}
		v.Cards = append(v.Cards, card)
	}
	return v
}
