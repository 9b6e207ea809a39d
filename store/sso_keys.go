package store

import (
	"context"
	"fmt"
	"time"
)

// keyRecord is sso.KeyRecord: the same unnamed type.
type keyRecord = struct {
	ID        string
	Algorithm string
	Sealed    []byte
	From      time.Time
}

// SigningKeys gives the secrets of the OpenID provider, see sso.KeyShelf.
func (r reader) SigningKeys(ctx context.Context) ([]keyRecord, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT id, algorithm, sealed, signs_from FROM sso_keys ORDER BY signs_from, id`)
	return all(rows, err, func(r row) (k keyRecord, err error) {
		err = r.Scan(&k.ID, &k.Algorithm, base64url{&k.Sealed}, micros{&k.From})
		return k, err
	})
}

// ChangeSigningKeys adds and drops secrets of the OpenID provider, see sso.KeyShelf.
func (s *Store) ChangeSigningKeys(ctx context.Context, change func([]keyRecord) (add []keyRecord, drop []string, err error)) error {
	return s.change(ctx, func(u unit) error {
		kept, err := u.SigningKeys(ctx)
		if err != nil {
			return err
		}
		add, drop, err := change(kept)
		if err != nil {
			return err
		}
		for _, id := range drop {
			if _, err := u.q.ExecContext(ctx, `DELETE FROM sso_keys WHERE id = $1`, id); err != nil {
				return fmt.Errorf("dropping a signing key: %w", err)
			}
		}
		for _, k := range add {
			_, err := u.q.ExecContext(ctx, `INSERT INTO sso_keys (id, algorithm, sealed, signs_from) VALUES ($1, $2, $3, $4)`,
				k.ID, k.Algorithm, encoding.EncodeToString(k.Sealed), at(k.From))
			if err != nil {
				return fmt.Errorf("keeping a signing key: %w", err)
			}
		}
		return nil
	})
}
