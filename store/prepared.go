package store

import (
	"context"
	"database/sql"
)

// preparing is a transaction that prepares what is asked of it twice: most
// acts ask once, an import tens of thousands of times. It ends with its
// transaction. Not for several goroutines at once.
type preparing struct {
	*sql.Tx
	asked map[string]*sql.Stmt // nil: once, so far
}

func (p *preparing) statement(ctx context.Context, query string) (*sql.Stmt, error) {
	statement, before := p.asked[query]
	if statement != nil || !before {
		p.asked[query] = statement
		return statement, nil
	}
	statement, err := p.PrepareContext(ctx, query)
	if err == nil {
		p.asked[query] = statement
	}
	return statement, err
}

// ExecContext is that of the transaction.
func (p *preparing) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	statement, err := p.statement(ctx, query)
	switch {
	case err != nil:
		return nil, err
	case statement != nil:
		return statement.ExecContext(ctx, args...)
	}
	return p.Tx.ExecContext(ctx, query, args...)
}

// QueryContext is that of the transaction.
func (p *preparing) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	statement, err := p.statement(ctx, query)
	switch {
	case err != nil:
		return nil, err
	case statement != nil:
		return statement.QueryContext(ctx, args...)
	}
	return p.Tx.QueryContext(ctx, query, args...)
}

// QueryRowContext is that of the transaction.
func (p *preparing) QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row {
	if statement, err := p.statement(ctx, query); err == nil && statement != nil {
		return statement.QueryRowContext(ctx, args...)
	}
	return p.Tx.QueryRowContext(ctx, query, args...)
}
