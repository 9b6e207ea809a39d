package store_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
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
