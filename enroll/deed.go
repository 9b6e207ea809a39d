package enroll

import (
	"context"
	"errors"
	"fmt"

	"cpsgate/audit"
	"cpsgate/identity"
)

// possible refuses a request for what could not be done, and fills in whom it
// is about.
func (r *Registry) possible(ctx context.Context, u Unit, a *Approval) error {
	switch a.Deed {
	case DeedGrant:
		_, err := u.Professional(ctx, a.Subject)
		if errors.Is(err, ErrNotFound) && a.By == (Act{Console: true}).Actor() {
			_, err = newPerson(a.Subject)
		}
		return unknownPerson(a.Subject, err)
	case DeedReactivate:
		card, err := u.Card(ctx, a.Card)
		if err != nil {
			return unknownCard(a.Card, err)
		}
		a.Subject = card.Holder
		if card.State != identity.CardSuspended {
			return wrongCardState(card, identity.CardActive)
		}
		return nil
	case DeedDeskProof, DeedReset:
		return r.leavePossible(ctx, u, a)
	}
	return fmt.Errorf("no such deed: %q", a.Deed)
}

// rightTo is what asking for a deed needs.
func rightTo(d Deed) right {
	switch d {
	case DeedGrant:
		return rightGrant
	case DeedReactivate:
		return rightReturn
	case DeedReset:
		return rightReset
	}
	return rightVouch
}

// stillMay refuses the request of somebody whose role was taken away since, or
// of a client that is none any more.
func (r *Registry) stillMay(ctx context.Context, u Reader, a Approval) error {
	need := rightTo(a.Deed)
	need.fresh = false
	return r.may(ctx, u, actOf(a.By), need)
}

// perform does the deed and records it; approver is "" when one suffices.
func (r *Registry) perform(ctx context.Context, u Unit, a Approval, approver identity.PSIdNat) (telling, error) {
	e := &audit.Event{
		Outcome: audit.Done, Reason: a.Reason, At: r.o.Now(),
		Actor: a.By, Subject: a.Subject, Approver: approver, Card: a.Card,
	}
	switch a.Deed {
	case DeedGrant:
		if err := r.grant(ctx, u, a); err != nil {
			return telling{}, err
		}
		e.Kind, e.Detail = audit.KindRoleGrant, string(a.Role)
		return telling{}, r.o.Audit.RecordIn(ctx, u, e)
	case DeedReactivate:
		if err := r.closeProposal(ctx, u, a); err != nil {
			return telling{}, err
		}
		return r.changeCard(ctx, u, a.Card, identity.CardActive, e)
	case DeedDeskProof, DeedReset:
		e.Kind, e.Detail = audit.KindDeskProof, "ticket "+a.Ticket
		if a.Deed == DeedReset {
			e.Kind = audit.KindReset
		}
		if err := r.leave(ctx, u, a, Leave{State: LeaveGiven, By: a.By, Approver: approver, Card: a.Card}); err != nil {
			return telling{}, err
		}
		return telling{ticket: a.Ticket}, r.o.Audit.RecordIn(ctx, u, e)
	}
	return telling{}, fmt.Errorf("no such deed: %q", a.Deed)
}
