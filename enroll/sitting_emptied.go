package enroll

import (
	"context"
	"fmt"
	"slices"

	"cpsgate/audit"
)

// StepEmptied is the workstation's word that it emptied the applet; one that
// failed, that it may have. It is an act, and stands in the audit.
const StepEmptied = "reset-done"

// EmptiedLate keeps that word of a workstation whose sitting was over by then:
// what was done to a card stands in the audit, whatever became of its ticket. It
// is kept once for a ticket, and changes nothing else.
func (r *Registry) EmptiedLate(ctx context.Context, secret, detail string, ok bool) error {
	return r.changed(ctx, func(u Unit) (telling, error) {
		t, err := u.TicketBySecret(ctx, hashSecret(secret))
		if err != nil {
			return telling{}, fmt.Errorf("finding the ticket of a card that was emptied: %w", err)
		}
		if slices.ContainsFunc(t.Steps, func(s Step) bool { return s.Name == StepEmptied }) {
			return telling{}, nil
		}
		t.step(r.o.Now(), StepEmptied, detail, ok)
		if err := u.SaveTicket(ctx, t); err != nil {
			return telling{}, err
		}
		e := r.emptiedEvent(t, detail, ok)
		e.Detail += " after its end"
		return telling{ticket: t.ID}, r.o.Audit.RecordIn(ctx, u, e)
	})
}

// emptiedEvent says which card was emptied, where, and by whose leave.
func (r *Registry) emptiedEvent(t TicketRecord, detail string, ok bool) *audit.Event {
	e := r.ticketEvent(t, audit.KindEmptied)
	e.Actor, e.Approver = t.Operator, t.Reset.Approver
	if proof, err := r.proofOf(&t); err == nil {
		e.Proof, e.Card = string(proof.Kind), proof.CardTokenID
	}
	if !ok {
		e.Outcome, e.Reason = audit.Failed, detail
	}
	if t.Reset.State != LeaveGiven {
		e.Detail += " without leave"
	}
	return e
}
