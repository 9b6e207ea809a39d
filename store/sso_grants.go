package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"
)

// The same unnamed types as sso.GrantRecord, sso.TokenRecord and
// sso.GrantedSession.
type (
	grantRecord = struct {
		ID      string
		Client  string
		Holder  string
		Session string
		Record  []byte
		Until   time.Time
		Ended   string
	}
	tokenRecord = struct {
		Hash    [32]byte
		Grant   string
		Refresh bool
		Until   time.Time
		Used    bool
	}
	grantedSession = struct {
		Session string
		Holder  string
	}
)

const grantColumns = `id, client, holder, session, record, until, ended`

func scanGrant(r row) (g grantRecord, err error) {
	err = r.Scan(&g.ID, &g.Client, &g.Holder, &g.Session, base64url{&g.Record}, micros{&g.Until}, &g.Ended)
	return g, err
}

// AddGrant keeps a grant with its tokens, see sso.GrantShelf.
func (s *Store) AddGrant(ctx context.Context, g grantRecord, tokens ...tokenRecord) (added bool, err error) {
	err = s.change(ctx, func(u unit) error {
		added, err = u.changed(u.q.ExecContext(ctx, `INSERT INTO sso_grants (`+grantColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (id) DO NOTHING`,
			g.ID, g.Client, g.Holder, g.Session, encoding.EncodeToString(g.Record), at(g.Until), g.Ended))
		if err != nil || !added {
			return err
		}
		return u.addTokens(ctx, tokens)
	})
	return added && err == nil, err
}

func (u unit) addTokens(ctx context.Context, tokens []tokenRecord) error {
	for _, t := range tokens {
		_, err := u.q.ExecContext(ctx, `INSERT INTO sso_tokens (hash, grant_id, refresh, used, until) VALUES ($1, $2, $3, $4, $5)`,
			hex.EncodeToString(t.Hash[:]), t.Grant, t.Refresh, t.Used, at(t.Until))
		if err != nil {
			return err
		}
	}
	return nil
}

// changed tells whether a statement changed a row.
func (unit) changed(result sql.Result, err error) (bool, error) {
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n > 0, err
}

// GrantOf finds a token and its grant.
func (r reader) GrantOf(ctx context.Context, hash [32]byte) (t tokenRecord, g grantRecord, found bool, err error) {
	err = r.q.QueryRowContext(ctx, `SELECT t.grant_id, t.refresh, t.used, t.until, g.id, g.client, g.holder, g.session, g.record, g.until, g.ended
		FROM sso_tokens t JOIN sso_grants g ON g.id = t.grant_id WHERE t.hash = $1`, hex.EncodeToString(hash[:])).
		Scan(&t.Grant, &t.Refresh, &t.Used, micros{&t.Until}, &g.ID, &g.Client, &g.Holder, &g.Session, base64url{&g.Record}, micros{&g.Until}, &g.Ended)
	t.Hash = hash
	if errors.Is(err, sql.ErrNoRows) {
		return t, g, false, nil
	}
	return t, g, err == nil, err
}

// UseToken marks a token used and keeps what takes its place, see
// sso.GrantShelf.
func (s *Store) UseToken(ctx context.Context, hash [32]byte, fresh ...tokenRecord) (first bool, err error) {
	err = s.change(ctx, func(u unit) error {
		first, err = u.changed(u.q.ExecContext(ctx, `UPDATE sso_tokens SET used = TRUE WHERE hash = $1 AND NOT used
			AND EXISTS (SELECT 1 FROM sso_grants g WHERE g.id = sso_tokens.grant_id AND g.ended = '')`, hex.EncodeToString(hash[:])))
		if err != nil || !first {
			return err
		}
		return u.addTokens(ctx, fresh)
	})
	return first && err == nil, err
}

// EndGrant ends a grant, or keeps one of that name from coming.
func (s *Store) EndGrant(ctx context.Context, id, reason string, until time.Time) error {
	return s.change(ctx, func(u unit) error {
		_, err := u.q.ExecContext(ctx, `INSERT INTO sso_grants (`+grantColumns+`) VALUES ($1, '', '', '', '', $2, $3)
			ON CONFLICT (id) DO UPDATE SET ended = CASE WHEN sso_grants.ended = '' THEN excluded.ended ELSE sso_grants.ended END`,
			id, at(until), reason)
		return err
	})
}

// WithdrawGrant ends a grant whose tokens nobody has, see sso.GrantShelf.
func (s *Store) WithdrawGrant(ctx context.Context, id, reason string) error {
	return s.change(ctx, func(u unit) error {
		_, err := u.q.ExecContext(ctx, `UPDATE sso_grants SET session = '', ended = CASE WHEN ended = '' THEN $2 ELSE ended END WHERE id = $1`, id, reason)
		return err
	})
}

// EndGrantsOf ends the grants of a session, and keeps with it who is owed word of
// that, see sso.GrantShelf. That there are none is found without writing.
func (s *Store) EndGrantsOf(ctx context.Context, session, reason string, owed func([]grantRecord) []logoutRecord) error {
	if some, err := s.HasGrants(ctx, session); err != nil || !some {
		return err
	}
	return s.change(ctx, func(u unit) error {
		rows, err := u.q.QueryContext(ctx, `SELECT `+grantColumns+` FROM sso_grants WHERE session = $1 ORDER BY id`, session)
		ended, err := all(rows, err, scanGrant)
		if err != nil || len(ended) == 0 {
			return err
		}
		_, err = u.q.ExecContext(ctx, `UPDATE sso_grants SET session = '', ended = CASE WHEN ended = '' THEN $2 ELSE ended END
			WHERE session = $1`, session, reason)
		if err != nil {
			return err
		}
		return u.addLogouts(ctx, owed(ended))
	})
}

// HasGrants tells whether grants stand on a session; on "" none do.
func (r reader) HasGrants(ctx context.Context, session string) (some bool, err error) {
	err = r.q.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM sso_grants WHERE session = $1 AND session <> '')`, session).Scan(&some)
	return some, err
}

// GrantedSessions lists sessions that grants stand on, after one, by their
// handles.
func (r reader) GrantedSessions(ctx context.Context, after string, most int) ([]grantedSession, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT session, MAX(holder) FROM sso_grants WHERE session > $1
		GROUP BY session ORDER BY session LIMIT $2`, after, most)
	return all(rows, err, func(r row) (g grantedSession, err error) {
		err = r.Scan(&g.Session, &g.Holder)
		return g, err
	})
}

// First tells whether a value is seen for the first time.
func (s *Store) First(ctx context.Context, hash [32]byte, until time.Time) (first bool, err error) {
	err = s.change(ctx, func(u unit) error {
		first, err = u.changed(u.q.ExecContext(ctx, `INSERT INTO sso_seen (hash, until) VALUES ($1, $2) ON CONFLICT (hash) DO NOTHING`,
			hex.EncodeToString(hash[:]), at(until)))
		return err
	})
	return first && err == nil, err
}

// Consent is what a person has agreed to tell a client; "" for nothing.
func (r reader) Consent(ctx context.Context, holder, client string) (scopes string, err error) {
	err = r.q.QueryRowContext(ctx, `SELECT scopes FROM sso_consents WHERE holder = $1 AND client = $2`, holder, client).Scan(&scopes)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return scopes, err
}

// SaveConsent keeps it.
func (s *Store) SaveConsent(ctx context.Context, holder, client, scopes string) error {
	return s.change(ctx, func(u unit) error {
		_, err := u.q.ExecContext(ctx, `INSERT INTO sso_consents (holder, client, scopes) VALUES ($1, $2, $3)
			ON CONFLICT (holder, client) DO UPDATE SET scopes = excluded.scopes`, holder, client, scopes)
		return err
	})
}

// SweepGrants throws away what is over at now.
func (s *Store) SweepGrants(ctx context.Context, now time.Time) error {
	return s.change(ctx, func(u unit) error {
		for _, statement := range []string{
			`DELETE FROM sso_tokens WHERE until <= $1`, `DELETE FROM sso_grants WHERE until <= $1`, `DELETE FROM sso_seen WHERE until <= $1`,
		} {
			if _, err := u.q.ExecContext(ctx, statement, at(now)); err != nil {
				return err
			}
		}
		return nil
	})
}
