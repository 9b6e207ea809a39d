package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cpsgate/audit"
	"cpsgate/store"
)

// TestAuditScripts runs the stories in testdata/script/audit*.txtar. They have
// three commands besides testscript's own:
//
//	exits CODE cpsgate ARGUMENTS…   runs the command line within the test, which
//	                                must exit so; paths are absolute ($WORK/…)
//	makestore FILE N                a store with N events, numbered 0000-0001 on
//	tamper FILE OLD NEW             overwrites OLD by NEW, as long, in the file
func TestAuditScripts(t *testing.T) {
	scripts, err := filepath.Glob(filepath.Join("testdata", "script", "audit*.txtar"))
	if err != nil || len(scripts) == 0 {
		t.Fatal("no scripts", err)
	}
	testscript.Run(t, testscript.Params{
		Files: scripts,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":     scriptExits,
			"makestore": scriptMakeStore,
			"tamper":    scriptTamper,
			"mkdata":    scriptMakeData,
			"agestore":  scriptAgeStore,
		},
	})
}

func scriptExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || args[1] != "cpsgate" {
		ts.Fatalf("usage: exits CODE cpsgate ARGUMENTS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	env := &environment{
		ctx: context.Background(), stdin: bytes.NewReader(nil),
		stdout: ts.Stdout(), stderr: ts.Stderr(), now: time.Now,
	}
	if code := run(env, args[2:]); code != want {
		ts.Fatalf("exit %d, want %d", code, want)
	}
}

// scriptMakeStore records events at a fixed time, so that scripts can name
// what they contain.
func scriptMakeStore(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: makestore FILE N")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	s, err := store.Open(context.Background(), ts.MkAbs(args[0]))
	ts.Check(err)
	log := audit.New(s, audit.Options{Now: func() time.Time { return time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC) }})
	for i := range n {
		number := strconv.Itoa(10001 + i)[1:]
		ts.Check(log.Record(context.Background(), &audit.Event{
			ID: "0000-" + number, Kind: audit.KindLoginCPS, Outcome: audit.Accepted, Detail: "detail-" + number,
		}))
	}
	ts.Check(s.Close())
}

func scriptTamper(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 || len(args[1]) != len(args[2]) {
		ts.Fatalf("usage: tamper FILE OLD NEW, of one length")
	}
	file, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	changed := bytes.ReplaceAll(file, []byte(args[1]), []byte(args[2]))
	if bytes.Equal(changed, file) {
		ts.Fatalf("%s is not in the file", args[1])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), changed, 0o600))
}
