package store

import (
	"context"
	"time"

	"cpsgate/enroll"
)

const ticketColumns = `id, state, state_reason, phase, holder, operator,
	opened_at, expires_at, claimed_at, ended_at, desk_proof, reset, workstation, applet,
	card, proved_at, passkey, steps, code_hash, secret_hash, ceremony`

func (r reader) ticketBy(ctx context.Context, column, value string) (enroll.TicketRecord, error) {
	return found(scanTicket(r.q.QueryRowContext(ctx, `SELECT `+ticketColumns+` FROM tickets WHERE `+column+` = $1`, value)))
}

// Ticket finds a ticket by id.
func (r reader) Ticket(ctx context.Context, id string) (enroll.TicketRecord, error) {
	return r.ticketBy(ctx, "id", id)
}

// TicketByCode finds a ticket by what is kept of its code.
func (r reader) TicketByCode(ctx context.Context, codeHash string) (enroll.TicketRecord, error) {
	return r.ticketBy(ctx, "code_hash", codeHash)
}

// TicketBySecret finds a ticket by what is kept of its sitting's secret.
func (r reader) TicketBySecret(ctx context.Context, secretHash string) (enroll.TicketRecord, error) {
	return r.ticketBy(ctx, "secret_hash", secretHash)
}

func scanTicket(r row) (enroll.TicketRecord, error) {
	var t enroll.TicketRecord
	err := r.Scan(&t.ID, &t.State, &t.StateReason, &t.Phase, optional{(*string)(&t.Holder)}, &t.Operator,
		micros{&t.OpenedAt}, micros{&t.ExpiresAt}, micros{&t.ClaimedAt}, micros{&t.EndedAt},
		inJSON{&t.DeskProof}, inJSON{&t.Reset}, inJSON{&t.Workstation}, inJSON{&t.Applet},
		optional{&t.Card}, micros{&t.ProvedAt}, optionalBytes{&t.PasskeyID}, inJSON{&t.Steps},
		&t.CodeHash, optional{&t.SecretHash}, base64url{&t.Ceremony})
	return t, err
}

// SaveTicket makes a ticket, or updates what of it may change.
func (u unit) SaveTicket(ctx context.Context, t enroll.TicketRecord) error {
	_, err := u.q.ExecContext(ctx, `INSERT INTO tickets (`+ticketColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)
		ON CONFLICT (id) DO UPDATE SET
			state = excluded.state, state_reason = excluded.state_reason, phase = excluded.phase, holder = excluded.holder,
			expires_at = excluded.expires_at, claimed_at = excluded.claimed_at, ended_at = excluded.ended_at,
			desk_proof = excluded.desk_proof, reset = excluded.reset,
			workstation = excluded.workstation, applet = excluded.applet,
			card = excluded.card, proved_at = excluded.proved_at, passkey = excluded.passkey,
			steps = excluded.steps, secret_hash = excluded.secret_hash, ceremony = excluded.ceremony`,
		t.ID, string(t.State), t.StateReason, string(t.Phase), orNull(string(t.Holder)), string(t.Operator),
		at(t.OpenedAt), at(t.ExpiresAt), at(t.ClaimedAt), at(t.EndedAt),
		inJSON{&t.DeskProof}, inJSON{&t.Reset}, inJSON{&t.Workstation}, inJSON{&t.Applet},
		orNull(t.Card), at(t.ProvedAt), orNull(encoding.EncodeToString(t.PasskeyID)), inJSON{&t.Steps},
		t.CodeHash, orNull(t.SecretHash), encoding.EncodeToString(t.Ceremony))
	return err
}

// TicketPage lists tickets, the latest opened first.
func (r reader) TicketPage(ctx context.Context, q enroll.TicketQuery) (enroll.TicketPage, error) {
	w, err := latestFirst(q.After, "opened_at", "id")
	if err != nil {
		return enroll.TicketPage{}, err
	}
	if q.Operator != "" {
		w.and("operator = ?", string(q.Operator))
	}
	if q.Holder != "" {
		w.and("holder = ?", string(q.Holder))
	}
	const order = ` ORDER BY opened_at DESC, id DESC`
	where := inStates(&w, "tickets", q.States, order, q.Limit+1)
	rows, err := r.q.QueryContext(ctx, `SELECT `+ticketColumns+` FROM tickets`+where+order+w.limit(q.Limit+1), w.args...)
	records, err := all(rows, err, scanTicket)
	if err != nil {
		return enroll.TicketPage{}, err
	}
	var page enroll.TicketPage
	if len(records) > q.Limit {
		records = records[:q.Limit]
		last := records[q.Limit-1]
		page.Next = place(at(last.OpenedAt), last.ID)
	}
	for _, t := range records {
		page.Tickets = append(page.Tickets, t.Ticket)
	}
	return page, nil
}

// TicketsDue gives the ids of tickets whose time is over and that nobody ended.
func (r reader) TicketsDue(ctx context.Context, now time.Time, limit int) ([]string, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT id FROM tickets
		WHERE state IN ('open', 'claimed') AND expires_at <= $1 ORDER BY expires_at LIMIT $2`, at(now), limit)
	return all(rows, err, scanText)
}

func scanText(r row) (s string, err error) {
	err = r.Scan(&s)
	return s, err
}
