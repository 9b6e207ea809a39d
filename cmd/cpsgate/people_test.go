package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/store"
)

// TestDeskScripts runs the stories in testdata/script of the commands that
// work on the record. Beside those of TestAuditScripts they have:
//
//	mkdata DIR                       a data directory with an empty store
//	admit DIR PS_IDNAT CARD          a card that signs in for the first time, a passkey in it
//	agestore DIR N DAYS              N events so many days ago
func TestDeskScripts(t *testing.T) {
	var scripts []string
	for _, pattern := range []string{"people*.txtar", "card*.txtar", "client*.txtar"} {
		found, err := filepath.Glob(filepath.Join("testdata", "script", pattern))
		if err != nil || len(found) == 0 {
			t.Fatal("no scripts", err)
		}
		scripts = append(scripts, found...)
	}
	testscript.Run(t, testscript.Params{
		Files: scripts,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    scriptExits,
			"mkdata":   scriptMakeData,
			"admit":    scriptAdmit,
			"agestore": scriptAgeStore,
		},
	})
}

func scriptMakeData(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: mkdata DIR")
	}
	ts.Check(os.Mkdir(ts.MkAbs(args[0]), 0o700))
	scriptStore(ts, args[0], func(*store.Store) {})
}

func scriptStore(ts *testscript.TestScript, dir string, act func(*store.Store)) {
	s, err := store.Open(context.Background(), filepath.Join(ts.MkAbs(dir), store.FileName))
	ts.Check(err)
	act(s)
	ts.Check(s.Close())
}

func scriptAdmit(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: admit DIR PS_IDNAT CARD")
	}
	at := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	token := "8025000001/" + args[2]
	scriptStore(ts, args[0], func(s *store.Store) {
		r, err := enroll.New(s, enroll.Options{Audit: audit.New(s, audit.Options{}), Now: func() time.Time { return at }, Policy: enroll.Policy{SelfEnrolment: enroll.SelfKeys}})
		ts.Check(err)
		person, _, err := r.Admit(context.Background(), identity.Cardholder{
			Professional: identity.Professional{IdNat: identity.PSIdNat(args[1]), FamilyName: "EXEMPLE", GivenName: "Infirmière", Profession: 60},
			Card:         identity.Card{TokenID: token, Type: identity.CardCPS, Test: true},
			Certificate: identity.Certificate{
				Issuer: "CN=TEST AC", IssuerKey: "aa", Serial: args[2], Fingerprint: args[2], NotBefore: at, NotAfter: at.AddDate(3, 0, 0),
			},
		}, at)
		ts.Check(err)
		ts.Check(r.AddPasskey(context.Background(), identity.Passkey{
			ID: []byte(args[2]), Holder: person.IdNat, UserHandle: person.UserHandle, Name: "Ma carte", PublicKey: []byte{1},
			Transports: []string{"smart-card"}, Proof: identity.Proof{Kind: identity.ProofCertificate, At: at, CardTokenID: token},
		}))
	})
}

func scriptAgeStore(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: agestore DIR N DAYS")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	days, err := strconv.Atoi(args[2])
	ts.Check(err)
	scriptStore(ts, args[0], func(s *store.Store) {
		for range n {
			e := audit.Event{Kind: audit.KindLoginCPS, Outcome: audit.Accepted, At: time.Now().AddDate(0, 0, -days)}
			ts.Check(audit.New(s, audit.Options{}).Record(context.Background(), &e))
		}
	})
}

// brokenPipe takes nothing.
type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }

// TestAnExportThatIsNotWritten fails, however little there was to write.
func TestAnExportThatIsNotWritten(t *testing.T) {
	data := t.TempDir()
	s, err := store.Open(t.Context(), filepath.Join(data, store.FileName))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"people", "export", "--data", data}, {"audit", "export", "--data", data}} {
		var said strings.Builder
		env := &environment{ctx: t.Context(), stdin: strings.NewReader(""), stdout: brokenPipe{}, stderr: &said, now: time.Now}
		if code := run(env, args); code != exitRefused || !strings.Contains(said.String(), "broken pipe") {
			t.Errorf("%v: exit %d, %q", args, code, said.String())
		}
	}
}
