package main

import (
	_ "embed"
	"os"
	"path/filepath"
	"strings"
	"text/template"
)

// What a line on standard input is answered.
const (
	cardOut = "  La carte est retirée. Entrée pour la remettre. / The card is out. Enter puts it back."
	cardIn  = "  La carte est dans le lecteur. Entrée pour la retirer. / The card is in. Enter takes it out."
)

//go:embed station.txt
var stationSource string

//go:embed lacking.txt
var lackingSource string

//go:embed environment.sh
var environmentSource string

var (
	stationText     = template.Must(template.New("station").Parse(stationSource))
	lackingText     = template.Must(template.New("lacking").Parse(lackingSource))
	environmentText = template.Must(template.New("environment").Funcs(template.FuncMap{"quote": quote}).Parse(environmentSource))
)

// writeEnvironment writes what a shell needs to be at this workstation.
func (s *station) writeEnvironment() error {
	type variable struct{ Name, Value string }
	view := struct {
		Variables []variable
		Station   Announcement
		Programs  string
	}{Station: s.Announcement, Programs: filepath.Dir(s.Cardside)}
	for _, v := range s.Variables {
		name, value, _ := strings.Cut(v, "=")
		view.Variables = append(view.Variables, variable{name, value})
	}
	var text strings.Builder
	if err := environmentText.Execute(&text, view); err != nil {
		return err
	}
	return os.WriteFile(s.Environment, []byte(text.String()), 0o600)
}

// quote makes one word of s for a POSIX shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
