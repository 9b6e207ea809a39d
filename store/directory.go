package store

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"cpsgate/enroll"
	"cpsgate/identity"
)

// PeopleBetween gives one page of a range of an index of people.
func (r reader) PeopleBetween(ctx context.Context, between enroll.Range) ([]identity.Professional, error) {
	key, order := "search_key", "search_key, id_nat"
	switch between.By {
	case enroll.ByGiven:
		key, order = "given_key", "given_key, id_nat"
	case enroll.ByIdNat:
		key, order = "id_nat", "id_nat"
	}
	var w clause
	if between.From != "" {
		w.and(key+" >= ?", between.From)
	}
	if between.To != "" {
		w.and(key+" < ?", between.To)
	}
	switch after := between.After; {
	case after == enroll.Place{}:
	case between.By == enroll.ByIdNat:
		w.and("id_nat > ?", after.IdNat)
	default:
		w.and("("+key+", id_nat) > (?, ?)", after.Key, after.IdNat)
	}
	rows, err := r.q.QueryContext(ctx, `SELECT `+personColumns+` FROM people`+w.where()+
		` ORDER BY `+order+w.limit(between.Limit), w.args...)
	return all(rows, err, scanPerson)
}

// Staff lists those who hold a role, by name.
func (r reader) Staff(ctx context.Context) ([]identity.Professional, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT `+personColumns+` FROM people WHERE roles <> '[]' ORDER BY search_key, id_nat`)
	return all(rows, err, scanPerson)
}

// CertificateBySerial finds a certificate by issuer and serial.
func (r reader) CertificateBySerial(ctx context.Context, issuerKey, serial string) (identity.Certificate, error) {
	return found(scanCertificate(r.q.QueryRowContext(ctx,
		`SELECT `+certificateColumns+` FROM certificates WHERE issuer_key = $1 AND serial = $2`, issuerKey, serial)))
}

// CurrentCertificates gives the latest certificates of the cards after a token
// id that are not revoked, one for each card.
func (r reader) CurrentCertificates(ctx context.Context, after string, limit int) ([]identity.Certificate, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT c.`+strings.ReplaceAll(certificateColumns, ", ", ", c.")+`
		FROM cards JOIN certificates c ON c.token_id = cards.token_id
		WHERE c.token_id > $1 AND cards.state <> 'revoked' AND NOT EXISTS (
			SELECT 1 FROM certificates later WHERE later.token_id = c.token_id
				AND (later.not_before, later.seen_at, c.serial) > (c.not_before, c.seen_at, later.serial))
		ORDER BY c.token_id LIMIT $2`, after, limit)
	return all(rows, err, scanCertificate)
}

// LastEvent is the sequence of the audit's last event.
func (r reader) LastEvent(ctx context.Context) (sequence uint64, err error) {
	err = r.q.QueryRowContext(ctx, `SELECT sequence FROM audit_tail WHERE one = 1`).Scan(&sequence)
	return sequence, err
}

// LastEventBefore is the sequence of the last event recorded before a time; 0:
// there is none.
func (r reader) LastEventBefore(ctx context.Context, t time.Time) (sequence uint64, err error) {
	err = r.q.QueryRowContext(ctx, `SELECT sequence FROM audit_events WHERE at < $1 ORDER BY at DESC, sequence DESC LIMIT 1`, t.UnixMicro()).Scan(&sequence)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return sequence, err
}

// ChangesAfter gives what changed cards and passkeys, or ends sessions, after an
// event.
func (r reader) ChangesAfter(ctx context.Context, sequence uint64) ([]enroll.Change, error) {
	var w clause
	w.and("sequence > ?", int64(sequence))
	in(&w, "kind", enroll.ChangeKinds())
	rows, err := r.q.QueryContext(ctx, `SELECT sequence, id, kind, card, subject FROM audit_events`+w.where()+` ORDER BY sequence`, w.args...)
	return all(rows, err, func(r row) (c enroll.Change, err error) {
		err = r.Scan(&c.Sequence, &c.Event, &c.Kind, &c.Card, &c.Subject)
		return c, err
	})
}
