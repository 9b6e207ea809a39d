package store

import (
	"context"
	"encoding/hex"
	"fmt"
	"iter"
	"time"
)

// kept is sessions.Kept: the same unnamed type.
type kept = struct {
	Key    [32]byte
	Record []byte
	Until  time.Time
}

// Keep puts or replaces session records, all or none.
func (s *Store) Keep(ctx context.Context, records ...kept) error {
	return s.change(ctx, func(u unit) error {
		for _, k := range records {
			_, err := u.q.ExecContext(ctx, `INSERT INTO session_records (token_hash, record, until) VALUES ($1, $2, $3)
				ON CONFLICT (token_hash) DO UPDATE SET record = excluded.record, until = excluded.until`,
				hex.EncodeToString(k.Key[:]), encoding.EncodeToString(k.Record), at(k.Until))
			if err != nil {
				return fmt.Errorf("keeping a session record: %w", err)
			}
		}
		return nil
	})
}

// Forget removes session records, all or none; unknown keys are no error.
func (s *Store) Forget(ctx context.Context, keys ...[32]byte) error {
	return s.change(ctx, func(u unit) error {
		for _, k := range keys {
			if _, err := u.q.ExecContext(ctx, `DELETE FROM session_records WHERE token_hash = $1`, hex.EncodeToString(k[:])); err != nil {
				return fmt.Errorf("forgetting a session record: %w", err)
			}
		}
		return nil
	})
}

// Kept gives all session records.
func (s *Store) Kept(ctx context.Context) iter.Seq2[kept, error] {
	return func(yield func(kept, error) bool) {
		rows, err := s.q.QueryContext(ctx, `SELECT token_hash, record, until FROM session_records`)
		if err != nil {
			yield(kept{}, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			var k kept
			err := rows.Scan(hexadecimal(k.Key[:]), base64url{&k.Record}, micros{&k.Until})
			if !yield(k, err) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(kept{}, err)
		}
	}
}
