package enroll

import (
	"cmp"
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
// of a client that is none any more: a reason of its own, for it is not the
// approver who may not.
func (r *Registry) stillMay(ctx context.Context, u Reader, a Approval) error {
	need := rightTo(a.Deed)
	need.fresh = false
	err := r.may(ctx, u, actOf(a.By), need)
	if errors.As(err, new(*Refusal)) {
		return &Refusal{Reason: ReasonApprovalAsker, Holder: a.Subject, Detail: string(a.By), Err: err}
	}
	return err
}

// Why cpsgate closes a request that nobody has decided.
const (
	reasonAskedAnew     = "asked-anew"     // by somebody else, or later
	reasonDoneOtherwise = "done-otherwise" // somebody did what it asks for
	reasonWithdrawn     = "role-withdrawn" // the role that it asks for was taken away
	reasonStoppedAnew   = "card-stopped"   // somebody said since that the card is to stay out of use
)

// closeLike ends the requests and proposals for the same deed that are not
// decided, with an event each. One about a ticket may have been made before the
// ticket named anybody.
func (r *Registry) closeLike(ctx context.Context, u Unit, a Approval, by identity.PSIdNat, why string) error {
	subjects := []identity.PSIdNat{a.Subject}
	if a.Ticket != "" && a.Subject != "" {
		subjects = append(subjects, "")
	}
	for _, a.Subject = range subjects {
		for {
			like, err := u.ApprovalLike(ctx, a)
			if errors.Is(err, ErrNotFound) {
				break
			}
			if err != nil {
				return err
			}
			like.State, like.DecidedBy, like.DecidedAt = ApprovalExpired, by, r.o.Now()
			if err := u.SaveApproval(ctx, like); err != nil {
				return err
			}
			if err := r.recordApproval(ctx, u, like, audit.KindApprovalExpire, by, why); err != nil {
				return err
			}
		}
	}
	return nil
}

// perform does the deed and records it, and closes what else asks for it; approver
// is "" when one suffices.
func (r *Registry) perform(ctx context.Context, u Unit, a Approval, approver identity.PSIdNat) (telling, error) {
	e := &audit.Event{
		Outcome: audit.Done, Reason: a.Reason, At: r.o.Now(),
		Actor: a.By, Subject: a.Subject, Approver: approver, Card: a.Card,
	}
	if err := r.closeLike(ctx, u, a, cmp.Or(approver, a.By), reasonDoneOtherwise); err != nil {
		return telling{}, err
	}
	if approver != "" { // the deed is the asker's; this request, the approver's, is told of by approval.approve
		ctx = audit.WithCircumstances(ctx, audit.Circumstances{})
	}
	switch a.Deed {
	case DeedGrant:
		if err := r.grant(ctx, u, a); err != nil {
			return telling{}, err
		}
		e.Kind, e.Detail = audit.KindRoleGrant, string(a.Role)
		return telling{}, r.record(ctx, u, e)
	case DeedReactivate:
		return r.changeCard(ctx, u, a.Card, identity.CardActive, e)
	case DeedDeskProof, DeedReset:
		if err := r.leave(ctx, u, a, Leave{State: LeaveGiven, By: a.By, Approver: approver, Card: a.Card}); err != nil {
			return telling{}, err
		}
		return telling{ticket: a.Ticket}, r.recordLeave(ctx, u, a, e)
	}
	return telling{}, fmt.Errorf("no such deed: %q", a.Deed)
}

// recordLeave completes the event of a permission with where it is used: the
// ticket's workstation, reader and card.
func (r *Registry) recordLeave(ctx context.Context, u Unit, a Approval, e *audit.Event) error {
	t, err := u.Ticket(ctx, a.Ticket)
	if err != nil {
		return unknownTicket(err)
	}
	kind := audit.KindDeskProof
	if a.Deed == DeedReset {
		kind = audit.KindReset
	}
	at := r.ticketEvent(t, kind)
	at.Reason, at.Actor, at.Approver = e.Reason, e.Actor, e.Approver
	at.Card = cmp.Or(a.Card, t.Card)
	return r.record(ctx, u, at)
}
