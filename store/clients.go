package store

import (
	"context"

	"cpsgate/enroll"
)

const clientColumns = `name, token_hash, scopes, created_at, created_by, expires_at, last_used_at, revoked_at, revoked_by`

// Client finds a machine client by name.
func (r reader) Client(ctx context.Context, name string) (enroll.Client, error) {
	return found(scanClient(r.q.QueryRowContext(ctx, `SELECT `+clientColumns+` FROM clients WHERE name = $1`, name)))
}

// ClientByToken finds a machine client by the hash of its token.
func (r reader) ClientByToken(ctx context.Context, tokenHash string) (enroll.Client, error) {
	return found(scanClient(r.q.QueryRowContext(ctx, `SELECT `+clientColumns+` FROM clients WHERE token_hash = $1`, tokenHash)))
}

// Clients lists the machine clients by name.
func (r reader) Clients(ctx context.Context) ([]enroll.Client, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT `+clientColumns+` FROM clients ORDER BY name`)
	return all(rows, err, scanClient)
}

func scanClient(r row) (enroll.Client, error) {
	var c enroll.Client
	err := r.Scan(&c.Name, &c.TokenHash, list[enroll.Scope]{&c.Scopes}, micros{&c.CreatedAt}, &c.CreatedBy,
		micros{&c.ExpiresAt}, micros{&c.LastUsedAt}, micros{&c.RevokedAt}, &c.RevokedBy)
	return c, err
}

// SaveClient makes a machine client, or updates its use and its end.
func (u unit) SaveClient(ctx context.Context, c enroll.Client) error {
	_, err := u.q.ExecContext(ctx, `INSERT INTO clients (`+clientColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (name) DO UPDATE SET
			last_used_at = excluded.last_used_at, revoked_at = excluded.revoked_at, revoked_by = excluded.revoked_by`,
		c.Name, c.TokenHash, list[enroll.Scope]{&c.Scopes}, at(c.CreatedAt), string(c.CreatedBy),
		at(c.ExpiresAt), at(c.LastUsedAt), at(c.RevokedAt), string(c.RevokedBy))
	return err
}
