package store

import (
	"context"
	"database/sql"
	"strings"
	"testing"
)

// Explaining reads like s, and tells how each query is answered.
func (s *Store) Explaining(t *testing.T, see func(plan string)) *Store {
	return &Store{reader: reader{explaining{s.readers, t, see}}, readers: s.readers}
}

type explaining struct {
	querier
	t   *testing.T
	see func(plan string)
}

func (e explaining) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	e.t.Helper()
	rows, err := e.querier.QueryContext(ctx, "EXPLAIN QUERY PLAN "+query, args...)
	plan, err := all(rows, err, func(r row) (detail string, err error) {
		var id, parent, unused int
		err = r.Scan(&id, &parent, &unused, &detail)
		return detail, err
	})
	if err != nil {
		e.t.Fatal(err)
	}
	e.see(strings.Join(plan, "\n"))
	return e.querier.QueryContext(ctx, query, args...)
}

// MigrateTo brings a file to an older version than ours.
func MigrateTo(t *testing.T, path string, version int64) {
	t.Helper()
	if err := private(path); err != nil {
		t.Fatal(err)
	}
	db, err := connect(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	provider, err := migrator(db)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
}

// WriterPragma and ReaderPragma read how a connection of ours is set up.
func (s *Store) WriterPragma(t *testing.T, name string) string { return pragma(t, s.writer, name) }
func (s *Store) ReaderPragma(t *testing.T, name string) string { return pragma(t, s.readers, name) }

func pragma(t *testing.T, db *sql.DB, name string) (value string) {
	t.Helper()
	if err := db.QueryRowContext(t.Context(), "PRAGMA "+name).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
