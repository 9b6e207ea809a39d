package enroll

import (
	"context"
	"errors"
	"slices"

	"cpsgate/identity"
)

// mayDecide refuses approval by a machine client: four eyes are a person's, in
// a session of their own.
func (r *Registry) mayDecide(act Act, a Approval) error {
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
