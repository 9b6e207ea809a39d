package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"

	"cpsgate/audit"
)

// Append seals one event onto the audit chain, in a transaction of its own.
func (s *Store) Append(ctx context.Context, seal func(audit.Tail) (audit.Event, error)) error {
	return s.change(ctx, func(u unit) error { return u.Append(ctx, seal) })
}

// Append seals one event onto the audit chain, with the unit it is part of.
func (u unit) Append(ctx context.Context, seal func(audit.Tail) (audit.Event, error)) error {
	tail, err := u.lockTail(ctx)
	if err != nil {
		return err
	}
	e, err := seal(tail)
	if err != nil {
		return err
	}
	encoded, err := e.Encode()
	if err != nil {
		return err
	}
	hash := hex.EncodeToString(e.Hash[:])
	result, err := u.q.ExecContext(ctx, `INSERT INTO audit_events (`+eventColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (id) DO NOTHING`,
		int64(e.Sequence), e.ID, hex.EncodeToString(e.Previous[:]), hash,
		at(e.At), e.Kind, string(e.Outcome), string(e.Actor), string(e.Subject), e.Card,
		e.Reason, string(e.Approver), string(encoded))
	if err != nil {
		return fmt.Errorf("appending audit event %d: %w", e.Sequence, err)
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(audit.ErrDuplicateID, err)
	}
	_, err = u.q.ExecContext(ctx, `UPDATE audit_tail SET sequence = $1, hash = $2 WHERE one = 1`, int64(e.Sequence), hash)
	if err != nil {
		return fmt.Errorf("moving the audit tail: %w", err)
	}
	return nil
}

// lockTail reads the tail by writing to it, which holds its row against all
// other writers until the transaction ends, in PostgreSQL too.
func (u unit) lockTail(ctx context.Context) (audit.Tail, error) {
	tail, err := scanTail(u.q.QueryRowContext(ctx,
		`UPDATE audit_tail SET sequence = sequence WHERE one = 1 RETURNING sequence, hash`))
	if err != nil {
		return audit.Tail{}, fmt.Errorf("locking the audit tail: %w", err)
	}
	return tail, nil
}

func scanTail(r row) (audit.Tail, error) {
	var t audit.Tail
	err := r.Scan(&t.Sequence, hexadecimal(t.Hash[:]))
	return t, err
}

// eventColumns begins with what places an event in the chain: a later column
// that cannot be read leaves that known.
const eventColumns = `sequence, id, previous, hash, at, kind, outcome, actor, subject, card, reason, approver, encoded`

// Chain gives the tail kept apart, the signed checkpoints and all events, as
// of one moment, for audit.Verify: what is appended meanwhile is in none.
func (s *Store) Chain(ctx context.Context, read func(audit.Chain) error) error {
	tx, err := s.readers.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("beginning to read the audit: %w", err)
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	tail, err := scanTail(tx.QueryRowContext(ctx, `SELECT sequence, hash FROM audit_tail WHERE one = 1`))
	if err != nil {
		return fmt.Errorf("reading the audit tail: %w", err)
	}
	signed, err := reader{tx}.checkpoints(ctx)
	if err != nil {
		return err
	}
	return read(audit.Chain{Tail: tail, Signed: signed, Events: reader{tx}.Events(ctx, 0)})
}

// Events gives the events after a sequence, in order. One that is not as it
// was written comes with an *audit.Fault as its error, and what its row says
// of sequence and hashes.
func (r reader) Events(ctx context.Context, after uint64) iter.Seq2[audit.Event, error] {
	return func(yield func(audit.Event, error) bool) {
		rows, err := r.q.QueryContext(ctx,
			`SELECT `+eventColumns+` FROM audit_events WHERE sequence > $1 ORDER BY sequence`, int64(after))
		if err != nil {
			yield(audit.Event{}, err)
			return
		}
		defer rows.Close()
		for rows.Next() {
			e, err := scanEvent(rows)
			if err != nil && !errors.As(err, new(*audit.Fault)) {
				err = edited(e, err) // a column of another type than we write
			}
			if !yield(e, err) {
				return
			}
		}
		if err := rows.Err(); err != nil {
			yield(audit.Event{}, err)
		}
	}
}

// Event finds one event by its id.
func (r reader) Event(ctx context.Context, id string) (audit.Event, error) {
	return found(scanEvent(r.q.QueryRowContext(ctx, `SELECT `+eventColumns+` FROM audit_events WHERE id = $1`, id)))
}

func scanEvent(r row) (audit.Event, error) {
	var said audit.Event // by the row's columns
	var encoded string
	err := r.Scan(&said.Sequence, &said.ID, hexadecimal(said.Previous[:]), hexadecimal(said.Hash[:]),
		micros{&said.At}, &said.Kind, &said.Outcome, &said.Actor, &said.Subject, &said.Card,
		&said.Reason, &said.Approver, &encoded)
	if err != nil {
		return said, err
	}
	e, err := audit.Decode([]byte(encoded))
	if err != nil {
		return said, edited(said, err)
	}
	e.Previous, e.Hash = said.Previous, said.Hash
	if fault := compare(said, e); fault != nil {
		return said, fault
	}
	return e, nil
}

// compare finds where the columns for searching say another thing than the
// event: an auditor's search would not show what the chain holds.
func compare(said, e audit.Event) error {
	if said.Sequence != e.Sequence {
		return &audit.Fault{
			Kind: audit.FaultReordered, Sequence: said.Sequence, ID: said.ID,
			Detail: fmt.Sprintf("in its place stands event %d (%s)", e.Sequence, e.ID),
		}
	}
	same := said.ID == e.ID && said.At.Equal(e.At) && said.Kind == e.Kind && said.Outcome == e.Outcome &&
		said.Actor == e.Actor && said.Subject == e.Subject && said.Card == e.Card &&
		said.Reason == e.Reason && said.Approver == e.Approver
	if !same {
		return edited(said, errors.New("the columns for searching do not say what the event says"))
	}
	return nil
}

func edited(said audit.Event, how error) error {
	return &audit.Fault{Kind: audit.FaultEdited, Sequence: said.Sequence, ID: said.ID, Detail: how.Error()}
}
