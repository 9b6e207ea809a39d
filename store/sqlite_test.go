package store_test

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/sessions"
	"cpsgate/store"
)

func openAt(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func emptyFile(t *testing.T) string { return filepath.Join(t.TempDir(), store.FileName) }

func TestSQLiteKeepsTheContract(t *testing.T) {
	contract(t, func(t *testing.T) backend { return openAt(t, emptyFile(t)) })
}

func TestWhatIsKeptIsThereAfterwards(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a ?name#with%41 signs.db")
	first := openAt(t, path)
	populate(t, first)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := openAt(t, path)
	if p, err := second.Professional(t.Context(), alice); err != nil || p.IdNat != alice {
		t.Errorf("%+v, %v", p, err)
	}
}

func TestTheFilesAreTheOwnersOnly(t *testing.T) {
	path := emptyFile(t)
	populate(t, openAt(t, path))
	names := 0
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		names++
		if mode := info.Mode().Perm(); mode != 0o600 {
			t.Errorf("%s: mode %04o", info.Name(), mode)
		}
	}
}

func TestEachConnectionIsSetUp(t *testing.T) {
	s := openAt(t, emptyFile(t))
	for pragma, want := range map[string]string{
		"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1", "busy_timeout": "5000", "query_only": "0",
	} {
		if got := s.WriterPragma(t, pragma); got != want {
			t.Errorf("writer: %s is %s, want %s", pragma, got, want)
		}
	}
	for pragma, want := range map[string]string{"foreign_keys": "1", "busy_timeout": "5000", "query_only": "1"} {
		if got := s.ReaderPragma(t, pragma); got != want {
			t.Errorf("readers: %s is %s, want %s", pragma, got, want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, path string)
		want    error // nil: any
	}{
		{"a file that others can read", func(t *testing.T, path string) {
			s := openAt(t, path)
			_ = s.Close()
			if err := os.Chmod(path, 0o640); err != nil {
				t.Fatal(err)
			}
		}, store.ErrPermissions},
		{"a newer version", func(t *testing.T, path string) {
			_ = openAt(t, path).Close()
			execute(t, path, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (999, 1)`)
		}, store.ErrNewer},
		{"another kind of file", func(t *testing.T, path string) {
			if err := os.WriteFile(path, []byte(strings.Repeat("not a database ", 100)), 0o600); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"a folder", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}, nil},
		{"a folder that is not there", func(t *testing.T, path string) {
			if err := os.Remove(filepath.Dir(path)); err != nil {
				t.Fatal(err)
			}
		}, fs.ErrNotExist},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := emptyFile(t)
			tt.prepare(t, path)
			s, err := store.Open(t.Context(), path)
			if err == nil {
				_ = s.Close()
			}
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
		})
	}
}

func TestReadingOnly(t *testing.T) {
	path := emptyFile(t)
	populate(t, openAt(t, path)) // stays open, as under a running server
	s, err := store.OpenReadOnly(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Professional(t.Context(), alice); err != nil {
		t.Error(err)
	}
	log := audit.New(s, audit.Options{})
	if err := log.Record(t.Context(), &audit.Event{Kind: "x", Outcome: audit.Done}); err == nil {
		t.Error("recorded into a store open for reading")
	}
	if err := s.Forget(t.Context(), [32]byte{}); err == nil {
		t.Error("forgot in a store open for reading")
	}
}

func TestReadingWhereNothingCanBeWritten(t *testing.T) {
	path := emptyFile(t)
	s := openAt(t, path)
	populate(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	// With this name no companion file can be made, not by root either.
	evidence := filepath.Join(filepath.Dir(path), strings.Repeat("x", 253))
	if err := os.Rename(path, evidence); err != nil {
		t.Fatal(err)
	}
	frozen, err := store.OpenReadOnly(t.Context(), evidence)
	if err != nil {
		t.Fatal(err)
	}
	defer frozen.Close()
	if _, err := frozen.Professional(t.Context(), alice); err != nil {
		t.Error(err)
	}
}

func TestReadingOnlyRefuses(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none.db")
	if _, err := store.OpenReadOnly(t.Context(), none); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if _, err := os.Stat(none); !errors.Is(err, fs.ErrNotExist) {
		t.Error("made the file that was to be read")
	}
	other := emptyFile(t)
	execute(t, other, `CREATE TABLE something (x TEXT)`)
	if _, err := store.OpenReadOnly(t.Context(), other); !errors.Is(err, store.ErrNotAStore) {
		t.Errorf("another database: %v", err)
	}
	older := emptyFile(t)
	_ = openAt(t, older).Close()
	execute(t, older, `DELETE FROM goose_db_version WHERE version_id > 1`)
	if _, err := store.OpenReadOnly(t.Context(), older); err == nil {
		t.Error("read another version")
	}
}

// execute changes the file behind the store's back.
func execute(t *testing.T, path, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

func TestTamperingIsFound(t *testing.T) {
	tests := []struct {
		name, statement string
		want            []string
	}{
		{"nothing", `SELECT 1`, nil},
		{"an event's text", `UPDATE audit_events SET encoded = replace(encoded, 'login.cps', 'login.CPS') WHERE sequence = 3`, []string{"edited 3"}},
		{"an event's text and column", `UPDATE audit_events SET encoded = replace(encoded, '899700000017', '899700000025'), subject = '899700000025'
			WHERE sequence = 3`, []string{"edited 3"}},
		{"a column for searching", `UPDATE audit_events SET subject = '899700000025' WHERE sequence = 3`, []string{"edited 3"}},
		{"a time for searching", `UPDATE audit_events SET at = at + 1 WHERE sequence = 3`, []string{"edited 3"}},
		{"an id", `UPDATE audit_events SET id = '0000-0000' WHERE sequence = 3`, []string{"edited 3"}},
		{"garbage for text", `UPDATE audit_events SET encoded = 'x' WHERE sequence = 3`, []string{"edited 3"}},
		{"a text of another type", `UPDATE audit_events SET encoded = X'00ff' WHERE sequence = 3`, []string{"edited 3"}},
		{"a time of another type", `UPDATE audit_events SET at = 'noon' WHERE sequence = 3`, []string{"edited 3"}},
		{"a hash", `UPDATE audit_events SET hash = (SELECT hash FROM audit_events WHERE sequence = 1) WHERE sequence = 3`,
			[]string{"edited 3", "unlinked 4"}},
		{"no hash", `UPDATE audit_events SET hash = '' WHERE sequence = 3`, []string{"edited 3", "unlinked 4"}},
		{"one removed", `DELETE FROM audit_events WHERE sequence = 3`, []string{"missing 3"}},
		{"the last removed", `DELETE FROM audit_events WHERE sequence = 5`, []string{"truncated 5"}},
		{"the last removed, and the tail", `DELETE FROM audit_events WHERE sequence = 5;
			UPDATE audit_tail SET sequence = 4, hash = (SELECT hash FROM audit_events WHERE sequence = 4)`, nil}, // only a checkpoint shows it
		{"all removed", `DELETE FROM audit_events`, []string{"truncated 1"}},
		{"two swapped", `UPDATE audit_events SET sequence = 99 WHERE sequence = 2; UPDATE audit_events SET sequence = 2 WHERE sequence = 3;
			UPDATE audit_events SET sequence = 3 WHERE sequence = 99`, []string{"reordered 2", "reordered 3", "unlinked 4"}},
		{"one told twice", `INSERT INTO audit_events SELECT 6, '0000-0000', previous, hash, at, kind, outcome, actor, subject, card, encoded
			FROM audit_events WHERE sequence = 5`, []string{"reordered 6", "beyond-tail 5"}},
		{"the tail's hash", `UPDATE audit_tail SET hash = '` + strings.Repeat("0", 64) + `'`, []string{"beyond-tail 5"}},
	}
	original := fiveEvents(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := emptyFile(t)
			if err := os.WriteFile(path, original, 0o600); err != nil {
				t.Fatal(err)
			}
			execute(t, path, tt.statement)
			s, err := store.OpenReadOnly(t.Context(), path)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var got []string
			err = s.Chain(t.Context(), func(tail audit.Tail, events iter.Seq2[audit.Event, error]) error {
				report, err := audit.Verify(events, audit.Expected{End: &tail})
				for _, f := range report.Faults {
					got = append(got, fmt.Sprintf("%s %d", f.Kind, f.Sequence))
				}
				return err
			})
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("faults %v, want %v (%v)", got, tt.want, err)
			}
		})
	}
}

// fiveEvents is the file of a store that holds them.
func fiveEvents(t *testing.T) []byte {
	t.Helper()
	path := emptyFile(t)
	s := openAt(t, path)
	log := audit.New(s, audit.Options{})
	for range 5 {
		if err := log.Record(t.Context(), &audit.Event{Kind: audit.KindLoginCPS, Outcome: audit.Accepted, Subject: alice}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAChainWithoutATailCannotGrow(t *testing.T) {
	path := emptyFile(t)
	s := openAt(t, path)
	execute(t, path, `DELETE FROM audit_tail`)
	if err := audit.New(s, audit.Options{}).Record(t.Context(), &audit.Event{Kind: "x", Outcome: audit.Done}); err == nil {
		t.Error("recorded")
	}
	if err := s.Chain(t.Context(), func(audit.Tail, iter.Seq2[audit.Event, error]) error { return nil }); err == nil {
		t.Error("read")
	}
}

// A record that was written by another hand is an error, not a person with
// some of their fields.
func TestColumnsOfAnotherShapeAreErrors(t *testing.T) {
	for name, statement := range map[string]string{
		"bytes":  `UPDATE people SET user_handle = '!!'`,
		"a list": `UPDATE people SET roles = 'admin'`,
		"number": `UPDATE people SET profession = 'x'`,
	} {
		t.Run(name, func(t *testing.T) {
			path := emptyFile(t)
			s := openAt(t, path)
			change(t, s, func(ctx context.Context, u enroll.Unit) error { return u.SaveProfessional(ctx, person(alice)) })
			execute(t, path, statement)
			if p, err := s.Professional(t.Context(), alice); err == nil {
				t.Errorf("read %+v", p)
			}
		})
	}
}

// Two processes have the file open: a command line beside the server.
func TestTwoStoresOnOneFileMakeOneChain(t *testing.T) {
	path := emptyFile(t)
	stores := []*store.Store{openAt(t, path), openAt(t, path)}
	done := make(chan error, len(stores))
	for _, s := range stores {
		go func() {
			log := audit.New(s, audit.Options{})
			for range 20 {
				if err := log.Record(t.Context(), &audit.Event{Kind: "x", Outcome: audit.Done}); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	for range stores {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	intact(t, stores[0], 40)
}

func TestSessionsSurviveARestart(t *testing.T) {
	path := emptyFile(t)
	before, err := sessions.New(sessions.Options{Keeper: openAt(t, path)})
	if err != nil {
		t.Fatal(err)
	}
	token, opened, err := before.Open(t.Context(), sessions.Session{Holder: alice, Method: identity.MethodCPS, CardTokenID: cardA})
	if err != nil {
		t.Fatal(err)
	}
	after, err := sessions.New(sessions.Options{Keeper: openAt(t, path)})
	if err != nil {
		t.Fatal(err)
	}
	if n, err := after.Restore(t.Context()); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if s, err := after.Find(t.Context(), token); err != nil || s.ID != opened.ID {
		t.Errorf("%+v, %v", s, err)
	}
}

// childFile names the store that the test binary, run again as a child, writes
// to until it is killed.
const childFile = "CPSGATE_STORE_TEST_CHILD"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		writeUntilKilled(path)
	}
	os.Exit(m.Run())
}

func writeUntilKilled(path string) {
	s, err := store.Open(context.Background(), path)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	log := audit.New(s, audit.Options{})
	for {
		e := &audit.Event{Kind: "x", Outcome: audit.Done}
		if err := log.Record(context.Background(), e); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println(e.ID) // only what is committed is told
	}
}

func TestWhatWasCommittedSurvivesAKill(t *testing.T) {
	path := emptyFile(t)
	for round := range 3 {
		told := killedWriter(t, path, 10+5*round)
		s := openAt(t, path)
		for _, id := range told {
			if _, err := s.Event(t.Context(), id); err != nil {
				t.Errorf("event %s was told and is lost: %v", id, err)
			}
		}
		err := s.Chain(t.Context(), func(tail audit.Tail, events iter.Seq2[audit.Event, error]) error {
			report, err := audit.Verify(events, audit.Expected{End: &tail})
			if !report.Intact() {
				t.Errorf("round %d: %+v", round, report)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		_ = s.Close()
	}
}

// killedWriter lets a child write n events or a few more, kills it in the
// middle of the next, and gives what it told.
func killedWriter(t *testing.T, path string, n int) (told []string) {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childFile+"="+path)
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if told = append(told, lines.Text()); len(told) == n {
			_ = child.Process.Kill()
		}
	}
	_ = child.Wait() // killed
	if len(told) < n {
		t.Fatalf("the child told %v", told)
	}
	return told
}

// modernc.org/sqlite is C made Go for one version of modernc.org/libc, that of
// its own go.mod; with another, pages may be written wrongly. The go command
// alone would take the latest that anybody asks for.
func TestTheDriverHasTheLibcItWasMadeFor(t *testing.T) {
	driver := goList(t, "{{.GoMod}}", "modernc.org/sqlite")
	file, err := os.ReadFile(driver)
	if err != nil {
		t.Fatal(err)
	}
	if used := goList(t, "{{.Version}}", "modernc.org/libc"); !strings.Contains(string(file), "modernc.org/libc "+used+"\n") {
		t.Errorf("built with libc %s; %s asks for another", used, driver)
	}
}

func goList(t *testing.T, format, module string) string {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", format, module).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}
