package main

import (
	_ "embed"
	"os"
	"strings"
	"text/template"
)

// demoText is what the demo prints when it is ready.
var demoText = template.Must(template.New("demo").Parse(demoTextSource))

//go:embed demo.txt
var demoTextSource string

// scriptSource is a shell script that starts a throw-away Chromium.
//
//go:embed demo-chromium.sh
var scriptSource string

var demoScript = template.Must(template.New("script").Funcs(template.FuncMap{"quote": shellQuote}).Parse(scriptSource))

// shellQuote makes one word of s for a POSIX shell.
func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func (d *demo) writeScript() error {
	f, err := os.OpenFile(d.Script, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o700) //nolint:gosec // a script, for its owner to run
	if err != nil {
		return err
	}
	defer f.Close()
	return demoScript.Execute(f, d)
}
