package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"cpsgate/enroll"
)

// errReadOnly is what every change of a store opened to look at gives.
var errReadOnly = errors.New("store is open for reading only")

// querier is what *sql.DB and *sql.Tx share.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// reader reads the records, within a transaction or without.
type reader struct{ q querier }

// unit is one writing transaction.
type unit struct{ reader }

var _ enroll.Unit = unit{}

// Change runs act in one transaction, see enroll.Records.
func (s *Store) Change(ctx context.Context, act func(enroll.Unit) error) error {
	return s.change(ctx, func(u unit) error { return act(u) })
}

func (s *Store) change(ctx context.Context, act func(unit) error) error {
	if s.writer == nil {
		return errReadOnly
	}
	tx, err := s.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // no error after Commit; before it, act's error is the one to tell
	if err := act(unit{reader{&preparing{Tx: tx, asked: map[string]*sql.Stmt{}}}}); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("committing: %w", err)
	}
	return nil
}

// all gathers the rows of a query.
func all[T any](rows *sql.Rows, err error, scan func(row) (T, error)) ([]T, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	return list, rows.Err()
}

// row is what *sql.Row and *sql.Rows share.
type row interface{ Scan(into ...any) error }

// found makes "no rows" enroll.ErrNotFound.
func found[T any](v T, err error) (T, error) {
	if errors.Is(err, sql.ErrNoRows) {
		err = enroll.ErrNotFound
	}
	return v, err
}
