package store

import "context"

// ssoClient is sso.ClientRecord: the same unnamed type.
type ssoClient = struct {
	ID     string
	Record []byte
}

// SSOClients gives the clients of single sign-on, see sso.ClientShelf.
func (r reader) SSOClients(ctx context.Context) ([]ssoClient, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT id, record FROM sso_clients ORDER BY id`)
	return all(rows, err, func(r row) (c ssoClient, err error) {
		err = r.Scan(&c.ID, base64url{&c.Record})
		return c, err
	})
}

// SaveSSOClient puts or replaces a client.
func (s *Store) SaveSSOClient(ctx context.Context, c ssoClient) error {
	return s.change(ctx, func(u unit) error {
		_, err := u.q.ExecContext(ctx, `INSERT INTO sso_clients (id, record) VALUES ($1, $2)
			ON CONFLICT (id) DO UPDATE SET record = excluded.record`, c.ID, encoding.EncodeToString(c.Record))
		return err
	})
}

// RemoveSSOClient removes a client, and what it was granted.
func (s *Store) RemoveSSOClient(ctx context.Context, id string) error {
	return s.change(ctx, func(u unit) error {
		for _, statement := range []string{
			`DELETE FROM sso_grants WHERE client = $1`, `DELETE FROM sso_consents WHERE client = $1`,
			`DELETE FROM sso_logouts WHERE client = $1`, `DELETE FROM sso_clients WHERE id = $1`,
		} {
			if _, err := u.q.ExecContext(ctx, statement, id); err != nil {
				return err
			}
		}
		return nil
	})
}
