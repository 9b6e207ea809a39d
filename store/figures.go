package store

import (
	"context"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// hour is the length of the pieces that figures are counted in: days and
// months are put together from them in whatever time zone is asked for.
const hour = int64(time.Hour / time.Microsecond)

// hours reads a number of hours since 1970 as the time it began.
type hours struct{ t *time.Time }

func (h hours) Scan(src any) error {
	n, ok := src.(int64)
	if !ok {
		return errColumn
	}
	*h.t = time.UnixMicro(n * hour).UTC()
	return nil
}

// CountCards counts cards by generation and state.
func (r reader) CountCards(ctx context.Context) ([]enroll.CardCount, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT generation, state, COUNT(*) FROM cards
		GROUP BY generation, state ORDER BY generation, state`)
	return all(rows, err, func(r row) (c enroll.CardCount, err error) {
		err = r.Scan(&c.Generation, &c.State, &c.Cards)
		return c, err
	})
}

// CountFirsts counts cards by the hour they were first seen in, and by the
// hour in which the first passkey was made that a card holds and that was used.
func (r reader) CountFirsts(ctx context.Context, from, to time.Time) ([]enroll.FirstCount, error) {
	rows, err := r.q.QueryContext(ctx, `
		SELECT first_seen / $1 AS hour, generation, 0, COUNT(*) FROM cards
		WHERE first_seen >= $2 AND first_seen < $3 GROUP BY 1, 2
		UNION ALL
		SELECT made / $1, '', 1, COUNT(*) FROM (
			SELECT card, MIN(created_at) AS made FROM passkeys WHERE card IS NOT NULL AND last_used_at > 0 GROUP BY card) AS firsts
		WHERE made >= $2 AND made < $3 GROUP BY 1
		ORDER BY 1, 3, 2`, hour, at(from), at(to))
	return all(rows, err, func(r row) (c enroll.FirstCount, err error) {
		err = r.Scan(hours{&c.Hour}, &c.Generation, &c.Enrolled, &c.Count)
		return c, err
	})
}

// CountLogins counts sign-ins by hour, method and outcome.
func (r reader) CountLogins(ctx context.Context, from, to time.Time) ([]enroll.LoginCount, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT at / $1 AS hour, kind, outcome, COUNT(*) FROM audit_events
		WHERE kind IN ($2, $3) AND at >= $4 AND at < $5 AND outcome IN ('accepted', 'refused')
		GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`, hour, audit.KindLoginCPS, audit.KindLoginFIDO2, at(from), at(to))
	return all(rows, err, func(r row) (c enroll.LoginCount, err error) {
		var kind string
		var outcome audit.Outcome
		err = r.Scan(hours{&c.Hour}, &kind, &outcome, &c.Count)
		c.Method, c.Accepted = identity.MethodCPS, outcome == audit.Accepted
		if kind == audit.KindLoginFIDO2 {
			c.Method = identity.MethodFIDO2
		}
		return c, err
	})
}

// CountExpiring counts active cards by the hour in which their latest
// certificate ends.
func (r reader) CountExpiring(ctx context.Context, from, to time.Time) ([]enroll.ExpiryCount, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT c.not_after / $1 AS hour, COUNT(*) FROM certificates c
		JOIN cards ON cards.token_id = c.token_id AND cards.state = 'active'
		WHERE c.not_after >= $2 AND c.not_after < $3 AND NOT EXISTS (
			SELECT 1 FROM certificates later WHERE later.token_id = c.token_id AND later.not_before > c.not_before)
		GROUP BY 1 ORDER BY 1`, hour, at(from), at(to))
	return all(rows, err, func(r row) (c enroll.ExpiryCount, err error) {
		err = r.Scan(hours{&c.Hour}, &c.Cards)
		return c, err
	})
}

// CountRefusals counts refusals by kind and reason, the most frequent first.
func (r reader) CountRefusals(ctx context.Context, from, to time.Time) ([]enroll.RefusalCount, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT kind, reason, COUNT(*) FROM audit_events
		WHERE outcome = 'refused' AND at >= $1 AND at < $2 GROUP BY kind, reason ORDER BY 3 DESC, kind, reason`, at(from), at(to))
	return all(rows, err, func(r row) (c enroll.RefusalCount, err error) {
		err = r.Scan(&c.Kind, &c.Reason, &c.Count)
		return c, err
	})
}
