package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cpsgate/audit"
)

var (
	_ audit.Trail  = (*Store)(nil)
	_ audit.Pruner = (*Store)(nil)
)

// Search gives one page of the events that a query chooses, the latest first.
func (r reader) Search(ctx context.Context, q audit.Query) (audit.Page, error) {
	limit := q.PageSize()
	var c clause
	if err := choose(&c, q); err != nil {
		return audit.Page{}, err
	}
	query := `SELECT ` + eventColumns + ` FROM audit_events` + c.where()
	order := ` ORDER BY at DESC, sequence DESC`
	if parts := partsOf(&c, q); len(parts) > 1 {
		query = `SELECT ` + eventColumns + ` FROM audit_events WHERE ` + c.pieces("audit_events", "sequence", parts, order, limit+1)
	}
	rows, err := r.q.QueryContext(ctx, query+order+c.limit(limit+1), c.args...)
	events, err := all(rows, err, scanEvent)
	if err != nil {
		return audit.Page{}, fmt.Errorf("searching the audit: %w", err)
	}
	page := audit.Page{Events: events}
	if len(events) > limit {
		page.Events = events[:limit]
		last := page.Events[limit-1]
		page.Next = audit.Place{At: last.At, Sequence: last.Sequence}.String()
	}
	return page, nil
}

// partsOf are the conditions of which one must hold, and each of which has an
// index of its own.
func partsOf(c *clause, q audit.Query) (parts []string) {
	if q.Person != "" {
		person := c.numbered("?", string(q.Person))
		for _, column := range []string{"subject", "actor", "approver"} {
			parts = append(parts, column+" = "+person+" AND "+column+" <> ''")
		}
		return parts
	}
	for _, kind := range q.Kinds {
		parts = append(parts, c.numbered("kind = ?", kind))
	}
	return parts
}

func choose(c *clause, q audit.Query) error {
	if q.After != "" {
		after, err := audit.ParsePlace(q.After)
		if err != nil {
			return err
		}
		c.and("(at, sequence) < (?, ?)", at(after.At), int64(after.Sequence))
	}
	if q.Card != "" {
		c.and("card = ? AND card <> ''", q.Card)
	}
	if len(q.Kinds) == 1 || q.Person != "" && len(q.Kinds) > 0 {
		in(c, "kind", q.Kinds)
	}
	switch q.Outcome {
	case "":
	case audit.Refused: // in these words, which its index is for
		c.and("outcome = 'refused'")
	case audit.Failed: // as well
		c.and("outcome = 'failed'")
	default: // one event in a few: a page is soon found
		c.and("outcome = ?", string(q.Outcome))
	}
	if !q.From.IsZero() {
		c.and("at >= ?", at(q.From))
	}
	if !q.To.IsZero() {
		c.and("at < ?", at(q.To))
	}
	return nil
}

// checkpoints gives the signed checkpoints in order.
func (r reader) checkpoints(ctx context.Context) ([]audit.Checkpoint, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT checkpoint FROM audit_checkpoints ORDER BY sequence`)
	texts, err := all(rows, err, scanText)
	if err != nil {
		return nil, fmt.Errorf("reading the audit's checkpoints: %w", err)
	}
	var list []audit.Checkpoint
	for _, text := range texts {
		c, err := audit.DecodeCheckpoint([]byte(text))
		if err != nil {
			return nil, err
		}
		list = append(list, c)
	}
	return list, nil
}

// Prune forgets the audit's beginning, see audit.Pruner.
func (s *Store) Prune(ctx context.Context, before time.Time, p audit.Pruning) (audit.Checkpoint, error) {
	var c audit.Checkpoint
	err := s.change(ctx, func(u unit) (err error) {
		c, err = u.prune(ctx, before, p)
		return err
	})
	return c, err
}

func (u unit) prune(ctx context.Context, before time.Time, p audit.Pruning) (c audit.Checkpoint, err error) {
	if _, err := u.lockTail(ctx); err != nil {
		return c, err
	}
	last, n, err := u.older(ctx, before, p.Archive)
	if err != nil || n == 0 {
		return c, err
	}
	var from audit.Tail
	earlier, err := u.checkpoints(ctx)
	if err != nil {
		return c, err
	}
	if len(earlier) > 0 {
		from = earlier[len(earlier)-1].Tail
	}
	if c, err = p.Seal(last, n, from); err != nil {
		return c, err
	}
	text, err := c.Encode()
	if err != nil {
		return c, err
	}
	if _, err := u.q.ExecContext(ctx, `INSERT INTO audit_checkpoints (sequence, checkpoint) VALUES ($1, $2)`,
		int64(last.Sequence), string(text)); err != nil {
		return c, fmt.Errorf("keeping a checkpoint: %w", err)
	}
	if _, err := u.q.ExecContext(ctx, `DELETE FROM audit_events WHERE sequence <= $1`, int64(last.Sequence)); err != nil {
		return c, fmt.Errorf("removing audit events: %w", err)
	}
	return c, p.Record(u, c)
}

// older walks the first events for as long as they are before a time. An event
// that was edited stops everything: it is evidence.
func (u unit) older(ctx context.Context, before time.Time, archive func(audit.Event) error) (last audit.Tail, n uint64, err error) {
	for e, err := range u.Events(ctx, 0) {
		switch {
		case err != nil:
			return last, n, err
		case !e.At.Before(before):
			return last, n, nil
		case !e.Sealed():
			return last, n, edited(e, errors.New("its content does not give its hash"))
		}
		if archive != nil {
			if err := archive(e); err != nil {
				return last, n, fmt.Errorf("archiving event %d: %w", e.Sequence, err)
			}
		}
		last, n = audit.Tail{Sequence: e.Sequence, Hash: e.Hash}, n+1
	}
	return last, n, nil
}
