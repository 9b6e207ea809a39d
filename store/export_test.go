package store

import (
	"database/sql"
	"testing"
)

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
