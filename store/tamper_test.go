package store_test

import (
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"cpsgate/audit"
	"cpsgate/store"
)

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
		{"one told twice", `INSERT INTO audit_events SELECT 6, '0000-0000', previous, hash, at, kind, outcome, actor, subject, card, encoded, reason, approver
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
			err = s.Chain(t.Context(), func(c audit.Chain) error {
				report, err := audit.Verify(c.Events, audit.Expected{End: &c.Tail, Signed: c.Signed})
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
	if err := s.Chain(t.Context(), func(audit.Chain) error { return nil }); err == nil {
		t.Error("read")
	}
}
