package store

import (
	"context"
	"database/sql"

	"github.com/pressly/goose/v3"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// backfillVersion comes after the SQL that makes the columns it fills.
const backfillVersion = 6

// backfill fills the columns for searching from what is there already.
func backfill() *goose.Migration {
	return goose.NewGoMigration(backfillVersion, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		u := unit{reader{tx}}
		if err := u.backfillPeople(ctx); err != nil {
			return err
		}
		return u.backfillEvents(ctx)
	}}, nil)
}

func (u unit) backfillPeople(ctx context.Context) error {
	rows, err := u.q.QueryContext(ctx, `SELECT id_nat, family_name, given_name FROM people`) // later columns are not there yet
	people, err := all(rows, err, func(r row) (p identity.Professional, err error) {
		err = r.Scan(&p.IdNat, &p.FamilyName, &p.GivenName)
		return p, err
	})
	if err != nil {
		return err
	}
	for _, p := range people {
		if _, err := u.q.ExecContext(ctx, `UPDATE people SET search_key = $1, given_key = $2 WHERE id_nat = $3`,
			enroll.SearchKey(p), enroll.GivenKey(p), string(p.IdNat)); err != nil {
			return err
		}
	}
	return nil
}

// backfillEvents leaves events that cannot be read as they are: Verify says so.
func (u unit) backfillEvents(ctx context.Context) error {
	type found struct {
		sequence         int64
		reason, approver string
	}
	rows, err := u.q.QueryContext(ctx, `SELECT sequence, encoded FROM audit_events`)
	events, err := all(rows, err, func(r row) (found, error) {
		var f found
		var encoded string
		if err := r.Scan(&f.sequence, &encoded); err != nil {
			return f, err
		}
		if e, err := audit.Decode([]byte(encoded)); err == nil {
			f.reason, f.approver = e.Reason, string(e.Approver)
		}
		return f, nil
	})
	if err != nil {
		return err
	}
	for _, f := range events {
		if f.reason == "" && f.approver == "" {
			continue
		}
		if _, err := u.q.ExecContext(ctx, `UPDATE audit_events SET reason = $1, approver = $2 WHERE sequence = $3`,
			f.reason, f.approver, f.sequence); err != nil {
			return err
		}
	}
	return nil
}
