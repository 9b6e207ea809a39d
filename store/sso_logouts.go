package store

import (
	"context"
	"time"
)

// logoutRecord is sso.LogoutRecord: the same unnamed type.
type logoutRecord = struct {
	Client   string
	Session  string
	Holder   string
	EndedAt  time.Time
	Attempts int
	Next     time.Time
}

// AddLogouts puts or replaces clients that are to be told, see sso.LogoutShelf.
func (s *Store) AddLogouts(ctx context.Context, due ...logoutRecord) error {
	return s.change(ctx, func(u unit) error { return u.addLogouts(ctx, due) })
}

func (u unit) addLogouts(ctx context.Context, due []logoutRecord) error {
	for _, l := range due {
		_, err := u.q.ExecContext(ctx, `INSERT INTO sso_logouts (client, session, holder, ended_at, attempts, next) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (client, session) DO UPDATE SET attempts = excluded.attempts, next = excluded.next`,
			l.Client, l.Session, l.Holder, at(l.EndedAt), int64(l.Attempts), at(l.Next))
		if err != nil {
			return err
		}
	}
	return nil
}

// ClientsDue lists the clients that are to be told of something by now.
func (r reader) ClientsDue(ctx context.Context, now time.Time) ([]string, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT DISTINCT client FROM sso_logouts WHERE next <= $1 ORDER BY client`, at(now))
	return all(rows, err, func(r row) (client string, err error) {
		err = r.Scan(&client)
		return client, err
	})
}

// ClaimLogouts gives those of a client that are due and moves them to until.
// That nothing is due is found without writing.
func (s *Store) ClaimLogouts(ctx context.Context, client string, now, until time.Time, most int) (due []logoutRecord, err error) {
	if due, err = s.dueLogouts(ctx, client, now, most); err != nil || len(due) == 0 {
		return nil, err
	}
	err = s.change(ctx, func(u unit) error {
		if due, err = u.dueLogouts(ctx, client, now, most); err != nil {
			return err
		}
		for _, l := range due {
			_, err := u.q.ExecContext(ctx, `UPDATE sso_logouts SET next = $3 WHERE client = $1 AND session = $2`, l.Client, l.Session, at(until))
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err // none is the caller's
	}
	return due, nil
}

func (r reader) dueLogouts(ctx context.Context, client string, now time.Time, most int) ([]logoutRecord, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT client, session, holder, ended_at, attempts, next FROM sso_logouts
		WHERE client = $1 AND next <= $2 ORDER BY next, session LIMIT $3`, client, at(now), most)
	return all(rows, err, func(r row) (l logoutRecord, err error) {
		err = r.Scan(&l.Client, &l.Session, &l.Holder, micros{&l.EndedAt}, &l.Attempts, micros{&l.Next})
		return l, err
	})
}

// RemoveLogout removes one that was told.
func (s *Store) RemoveLogout(ctx context.Context, client, session string) error {
	return s.change(ctx, func(u unit) error {
		_, err := u.q.ExecContext(ctx, `DELETE FROM sso_logouts WHERE client = $1 AND session = $2`, client, session)
		return err
	})
}
