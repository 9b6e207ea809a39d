package store

import (
	"context"
	"time"

	"cpsgate/enroll"
)

const approvalColumns = `id, deed, state, requester, subject, card, ticket, role, reason,
	requested_at, expires_at, decided_by, decided_at`

// Approval finds a request by id.
func (r reader) Approval(ctx context.Context, id string) (enroll.Approval, error) {
	return found(scanApproval(r.q.QueryRowContext(ctx, `SELECT `+approvalColumns+` FROM approvals WHERE id = $1`, id)))
}

// ApprovalLike finds the undecided request for the same deed, if any; one that
// waits before one that is only proposed.
func (r reader) ApprovalLike(ctx context.Context, a enroll.Approval) (enroll.Approval, error) {
	return found(scanApproval(r.q.QueryRowContext(ctx, `SELECT `+approvalColumns+` FROM approvals
		WHERE subject = $1 AND deed = $2 AND state IN ('proposed', 'waiting') AND card = $3 AND ticket = $4 AND role = $5
		ORDER BY state DESC, requested_at LIMIT 1`,
		string(a.Subject), string(a.Deed), a.Card, a.Ticket, string(a.Role))))
}

func scanApproval(r row) (enroll.Approval, error) {
	var a enroll.Approval
	err := r.Scan(&a.ID, &a.Deed, &a.State, &a.By, &a.Subject, &a.Card, &a.Ticket, &a.Role, &a.Reason,
		micros{&a.RequestedAt}, micros{&a.ExpiresAt}, &a.DecidedBy, micros{&a.DecidedAt})
	return a, err
}

// SaveApproval makes a request, or updates how it was decided.
func (u unit) SaveApproval(ctx context.Context, a enroll.Approval) error {
	_, err := u.q.ExecContext(ctx, `INSERT INTO approvals (`+approvalColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (id) DO UPDATE SET
			state = excluded.state, decided_by = excluded.decided_by, decided_at = excluded.decided_at`,
		a.ID, string(a.Deed), string(a.State), string(a.By), string(a.Subject), a.Card, a.Ticket, string(a.Role), a.Reason,
		at(a.RequestedAt), at(a.ExpiresAt), string(a.DecidedBy), at(a.DecidedAt))
	return err
}

// ApprovalPage lists requests, the latest first.
func (r reader) ApprovalPage(ctx context.Context, q enroll.ApprovalQuery) (enroll.ApprovalPage, error) {
	w, err := latestFirst(q.After, "requested_at", "id")
	if err != nil {
		return enroll.ApprovalPage{}, err
	}
	const order = ` ORDER BY requested_at DESC, id DESC`
	where := inStates(&w, "approvals", q.States, order, q.Limit+1)
	rows, err := r.q.QueryContext(ctx, `SELECT `+approvalColumns+` FROM approvals`+where+order+w.limit(q.Limit+1), w.args...)
	page := enroll.ApprovalPage{}
	if page.Approvals, err = all(rows, err, scanApproval); err != nil {
		return enroll.ApprovalPage{}, err
	}
	if len(page.Approvals) > q.Limit {
		page.Approvals = page.Approvals[:q.Limit]
		last := page.Approvals[q.Limit-1]
		page.Next = place(at(last.RequestedAt), last.ID)
	}
	return page, nil
}

// ApprovalsDue gives the ids of requests that wait beyond their time.
func (r reader) ApprovalsDue(ctx context.Context, now time.Time, limit int) ([]string, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT id FROM approvals
		WHERE state = 'waiting' AND expires_at <= $1 ORDER BY requested_at LIMIT $2`, at(now), limit)
	return all(rows, err, scanText)
}
