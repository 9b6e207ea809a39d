package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cpsgate/internal/softkey"
)

// TestWebauthnScripts runs the stories of testdata/script/webauthn*.txtar. Their
// commands: "cpsgate ARG…", "exits N cpsgate ARG…", and "ceremony KIND FILE
// [LIE]", which has a software authenticator answer.
func TestWebauthnScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/script/webauthn*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no stories: %v", err)
	}
	type key struct{}
	testscript.Run(t, testscript.Params{
		Files: files,
		Setup: func(env *testscript.Env) error {
			c := newCapture(t, env.WorkDir)
			env.Values[key{}] = c
			env.Setenv("CHALLENGE", captureChallenge)
			env.Setenv("AT", captureTime.Format(time.RFC3339))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"cpsgate": func(ts *testscript.TestScript, neg bool, args []string) {
				if code := runScripted(ts, args); (code == exitOK) == neg {
					ts.Fatalf("exit %d", code)
				}
			},
			"exits": func(ts *testscript.TestScript, _ bool, args []string) {
				if code := runScripted(ts, args[2:]); fmt.Sprint(code) != args[0] {
					ts.Fatalf("exit %d", code)
				}
			},
			"ceremony": func(ts *testscript.TestScript, _ bool, args []string) {
				var lies []softkey.Lie
				for _, name := range args[2:] {
					lies = append(lies, scriptedLie(ts, name))
				}
				file := ts.Value(key{}).(*capture).answer(t, args[0], lies...)
				ts.Check(os.Rename(file, ts.MkAbs(args[1])))
			},
		},
	})
}

func runScripted(ts *testscript.TestScript, args []string) int {
	env := &environment{ctx: nil, stdin: strings.NewReader(""), stdout: ts.Stdout(), stderr: ts.Stderr(), now: time.Now}
	for i, arg := range args {
		if strings.HasSuffix(arg, ".json") || arg == "roots" {
			args[i] = ts.MkAbs(arg)
		}
	}
	return run(env, args)
}

func scriptedLie(ts *testscript.TestScript, name string) softkey.Lie {
	switch name {
	case "phished":
		return softkey.Origin("https://sso.example.evil.example")
	case "unverified":
		return softkey.Clear(softkey.FlagUV)
	case "cloned":
		return softkey.SignCount(1)
	}
	ts.Fatalf("no lie %q", name)
	return nil
}
