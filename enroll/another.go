package enroll

import (
	"context"
	"errors"
	"slices"

	"cpsgate/identity"
)

// clientDecides refuses approval by a machine client: four eyes are a person's, in
// a session of their own.
func (r *Registry) clientDecides(act Act, a Approval) error {
	switch {
	case act.Client == "":
		return nil
	case !r.o.Policy.ProgramsApprove:
		return &Refusal{Reason: ReasonApproverPerson, Holder: a.Subject, Detail: "no client approves here"}
	case actOf(a.By).Client != "":
		return &Refusal{Reason: ReasonApproverPerson, Holder: a.Subject, Detail: "asked by a client: a person approves"}
	}
	return nil
}

// clientDeclines refuses a machine client's no to what others ask for, and to what
// cpsgate proposes: that no is kept as a person's.
func (r *Registry) clientDeclines(act Act, a Approval) error {
	switch {
	case act.Client == "" || a.By == act.Actor():
		return nil
	case a.State == ApprovalProposed:
		return &Refusal{Reason: ReasonApproverPerson, Holder: a.Subject, Detail: "proposed: a person declines"}
	}
	return r.clientDecides(act, a)
}

// clientWaits refuses a machine client's request where a person's or cpsgate's own
// waits for the same.
func (r *Registry) clientWaits(ctx context.Context, u Reader, like Approval) error {
	before := &Refusal{Reason: ReasonApprovalBefore, Holder: like.Subject, Detail: "request " + like.ID}
	switch {
	case like.State == ApprovalProposed:
		return before
	case actOf(like.By).Client != "" || !r.o.Now().Before(like.ExpiresAt):
		return nil
	}
	err := r.stillMay(ctx, u, like)
	switch {
	case err == nil:
		return before
	case errors.As(err, new(*Refusal)):
		return nil
	}
	return err
}

// MayApprove tells whether a request is open to this person's approval, as far as
// that can be told before they prove their PIN: nil, or the refusal.
func (r *Registry) MayApprove(ctx context.Context, by identity.PSIdNat, a Approval) error {
	act, need := Act{By: by}, rightApprove
	need.fresh = false
	if err := r.may(ctx, r.records, act, need); err != nil {
		return err
	}
	if a.State != ApprovalWaiting || !r.o.Now().Before(a.ExpiresAt) {
		return &Refusal{Reason: ReasonApprovalOver, Holder: a.Subject, Detail: string(a.State)}
	}
	named := a.Subject
	if a.Ticket != "" {
		t, err := r.records.Ticket(ctx, a.Ticket)
		if err != nil {
			return unknownTicket(err)
		}
		named = t.Holder
	}
	if err := another(ctx, r.records, act, a, named); err != nil {
		return err
	}
	return r.stillMay(ctx, r.records, a)
}

// another refuses approval by who asked or whom it is about, by way of a client
// that they made too: who makes a client sees its secret. Named is whom the
// request was about when it was made.
func another(ctx context.Context, u Reader, act Act, a Approval, named identity.PSIdNat) error {
	asked, err := behind(ctx, u, a.By)
	if err != nil {
		return err
	}
	approving, err := behind(ctx, u, act.Actor())
	if err != nil {
		return err
	}
	concerned := append(asked, a.Subject, named)
	if slices.ContainsFunc(approving, func(by identity.PSIdNat) bool { return slices.Contains(concerned, by) }) {
		return &Refusal{Reason: ReasonApprovalOwn, Holder: a.Subject}
	}
	return nil
}

// behind lists who stands behind a doer: of a client, who made it too.
func behind(ctx context.Context, u Reader, doer identity.PSIdNat) ([]identity.PSIdNat, error) {
	all := []identity.PSIdNat{doer}
	name := actOf(doer).Client
	if name == "" {
		return all, nil
	}
	c, err := u.Client(ctx, name)
	switch {
	case errors.Is(err, ErrNotFound):
		return all, nil
	case err != nil:
		return nil, err
	}
	return append(all, c.CreatedBy), nil
}
