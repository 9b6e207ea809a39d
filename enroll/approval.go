package enroll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
)

// Deed is an act that the policy may put under four eyes.
type Deed string

// The deeds.
const (
	DeedDeskProof  Deed = "desk-proof"
	DeedReset      Deed = "reset"
	DeedReactivate Deed = "reactivate"
	DeedGrant      Deed = "grant"
)

// ApprovalState is where a request stands.
type ApprovalState string

// The states of a request. Nobody has asked yet for a proposed one: cpsgate
// found that the deed may be wanted.
const (
	ApprovalProposed ApprovalState = "proposed"
	ApprovalWaiting  ApprovalState = "waiting"
	ApprovalDone     ApprovalState = "done"
	ApprovalDeclined ApprovalState = "declined"
	ApprovalExpired  ApprovalState = "expired"
)

// Over reports that the request will not be decided any more.
func (s ApprovalState) Over() bool { return s != ApprovalProposed && s != ApprovalWaiting }

// Approval is one request for a deed. What it asks for stays as first written.
type Approval struct {
	ID      string
	Deed    Deed
	State   ApprovalState
	By      identity.PSIdNat // who asks, see Act.Actor; "": proposed by cpsgate
	Subject identity.PSIdNat // whom it is about
	Card    string           // reactivate; desk-proof: the card on the table, if named
	Ticket  string           // desk-proof, reset
	Role    identity.Role    // grant
	Reason  string

	RequestedAt time.Time
	ExpiresAt   time.Time
	DecidedBy   identity.PSIdNat
	DecidedAt   time.Time
}

// ApprovalQuery chooses requests, the latest first.
type ApprovalQuery struct {
	States []ApprovalState // none: all
	After  string          // the cursor that the page before gave
	Limit  int             // 0: 50; at most 200
}

// ApprovalPage is one page; Next is empty on the last one.
type ApprovalPage struct {
	Approvals []Approval
	Next      string
}

// Approvals lists requests.
func (r *Registry) Approvals(ctx context.Context, q ApprovalQuery) (ApprovalPage, error) {
	q.Limit = pageSize(q.Limit)
	return r.records.ApprovalPage(ctx, q)
}

// Approval finds a request.
func (r *Registry) Approval(ctx context.Context, id string) (Approval, error) {
	a, err := r.records.Approval(ctx, id)
	return a, unknownApproval(err)
}

// undertake does a deed by the policy's rule: at once, and nil; or a request
// that waits for another person; or a refusal. The console stands outside the
// rule: whoever commands the machine commands the records. A machine client
// never suffices: where one person would, its request waits for that person.
func (r *Registry) undertake(ctx context.Context, act Act, a Approval) (*Approval, error) {
	a.By, a.Reason = act.Actor(), act.Reason
	var asked *Approval
	var after telling
	err := r.records.Change(ctx, func(u Unit) (err error) {
		asked, after = nil, telling{}
		if err := r.may(ctx, u, act, rightTo(a.Deed)); err != nil {
			return err
		}
		if err := r.possible(ctx, u, &a); err != nil {
			return err
		}
		rule := r.o.Policy.rule(a.Deed)
		switch {
		case act.Console, rule == Alone && act.Client == "":
			after, err = r.perform(ctx, u, a, "")
			return err
		case rule != FourEyes && rule != Alone:
			return &Refusal{Reason: ReasonPolicy, Detail: string(a.Deed)}
		}
		asked, err = r.ask(ctx, u, a)
		after.ticket = a.Ticket
		return err
	})
	if err != nil {
		return nil, err
	}
	r.tell(ctx, after)
	return asked, nil
}

// ask keeps the request, or finds the same one of the same asker that waits
// already. Another's, which may not be approved any more, does not stand in the
// way: it is closed, as is a proposal, which becomes the request of who takes it up.
// A machine client does not take the place of a person who may still ask, nor of
// a proposal: it would close them by declining its own afterwards.
func (r *Registry) ask(ctx context.Context, u Unit, a Approval) (*Approval, error) {
	now := r.o.Now()
	like, err := u.ApprovalLike(ctx, a)
	switch {
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return nil, err
	case like.State == ApprovalWaiting && like.By == a.By && now.Before(like.ExpiresAt):
		return &like, nil
	case actOf(a.By).Client != "":
		if err := r.clientWaits(ctx, u, like); err != nil {
			return nil, err
		}
	}
	if err := r.closeLike(ctx, u, a, a.By, reasonAskedAnew); err != nil {
		return nil, err
	}
	a.ID, a.State, a.RequestedAt, a.ExpiresAt = newHandle(), ApprovalWaiting, now, now.Add(r.o.Policy.ApprovalLife)
	if err := u.SaveApproval(ctx, a); err != nil {
		return nil, err
	}
	if err := r.leave(ctx, u, a, Leave{State: LeaveAsked, By: a.By, Card: a.Card}); err != nil {
		return nil, err
	}
	return &a, r.recordApproval(ctx, u, a, audit.KindApprovalRequest, a.By, "")
}

// Approve does what was asked for. The approver is another than who asked and
// whom it is about, and has just proved a PIN. A machine client, which has none,
// is no approver unless the policy says so, and never of what a client asked.
func (r *Registry) Approve(ctx context.Context, act Act, id string) (Approval, error) {
	var a Approval
	var after telling
	err := r.records.Change(ctx, func(u Unit) (err error) {
		if err := r.may(ctx, u, act, rightApprove); err != nil {
			return err
		}
		if a, err = r.waiting(ctx, u, id); err != nil {
			return err
		}
		if a.State == ApprovalProposed {
			return &Refusal{Reason: ReasonApprovalOver, Detail: "proposed only: somebody must ask for it first"}
		}
		if err := r.clientDecides(act, a); err != nil {
			return err
		}
		asked := a.Subject
		if err := r.stillMay(ctx, u, a); err != nil {
			return err
		}
		if err := r.possible(ctx, u, &a); err != nil {
			return err
		}
		// After possible: a ticket may name somebody by now that it did not when
		// the request was made.
		if err := another(ctx, u, act, a, asked); err != nil {
			return err
		}
		a.State, a.DecidedBy, a.DecidedAt = ApprovalDone, act.Actor(), r.o.Now()
		if err := u.SaveApproval(ctx, a); err != nil {
			return err
		}
		if after, err = r.perform(ctx, u, a, act.Actor()); err != nil {
			return err
		}
		return r.recordApproval(ctx, u, a, audit.KindApprovalApprove, act.Actor(), act.Reason)
	})
	if err != nil {
		return Approval{}, err
	}
	r.tell(ctx, after)
	return a, nil
}

// Decline ends a request, or a proposal, without doing it. Who asked may do so
// too, and need not prove a PIN again. A machine client takes back what it asked
// for, and beyond that declines what it might approve: never a proposal.
func (r *Registry) Decline(ctx context.Context, act Act, id string) (Approval, error) {
	var a Approval
	err := r.records.Change(ctx, func(u Unit) (err error) {
		if err := r.may(ctx, u, act, rightDecline); err != nil {
			return err
		}
		if a, err = r.waiting(ctx, u, id); err != nil {
			return err
		}
		if err := r.clientDeclines(act, a); err != nil {
			return err
		}
		if err := keepSuspended(ctx, u, a); err != nil {
			return err
		}
		a.State, a.DecidedBy, a.DecidedAt = ApprovalDeclined, act.Actor(), r.o.Now()
		if err := u.SaveApproval(ctx, a); err != nil {
			return err
		}
		if err := r.leave(ctx, u, a, Leave{State: LeaveDeclined, By: a.By, Approver: act.Actor(), Card: a.Card}); err != nil {
			return err
		}
		return r.recordApproval(ctx, u, a, audit.KindApprovalDecline, act.Actor(), act.Reason)
	})
	if err != nil {
		return Approval{}, err
	}
	r.tell(ctx, telling{ticket: a.Ticket})
	return a, nil
}

// keepSuspended makes a declined proposal the card's reason: it is suspended
// because a person said so, and is not proposed again.
func keepSuspended(ctx context.Context, u Unit, a Approval) error {
	if a.State != ApprovalProposed {
		return nil
	}
	card, err := u.Card(ctx, a.Card)
	if err != nil || card.State != identity.CardSuspended {
		return err
	}
	card.StateReason = ReasonKept
	return u.SaveCard(ctx, card)
}

func (r *Registry) waiting(ctx context.Context, u Unit, id string) (Approval, error) {
	a, err := u.Approval(ctx, id)
	if err != nil {
		return a, unknownApproval(err)
	}
	if a.State.Over() || a.State == ApprovalWaiting && !r.o.Now().Before(a.ExpiresAt) {
		return a, &Refusal{Reason: ReasonApprovalOver, Holder: a.Subject, Detail: string(a.State)}
	}
	return a, nil
}

func (r *Registry) recordApproval(ctx context.Context, u Unit, a Approval, kind string, actor identity.PSIdNat, reason string) error {
	if reason == "" {
		reason = a.Reason
	}
	detail := fmt.Sprintf("%s, request %s", a.Deed, a.ID)
	if a.Ticket != "" {
		detail += ", ticket " + a.Ticket
	}
	if a.Role != "" {
		detail += ", role " + string(a.Role)
	}
	return r.record(ctx, u, &audit.Event{
		Kind: kind, Outcome: audit.Done, Reason: reason, At: r.o.Now(),
		Actor: actor, Subject: a.Subject, Card: a.Card, Detail: detail,
	})
}

func unknownApproval(err error) error {
	if errors.Is(err, ErrNotFound) {
		return &Refusal{Reason: ReasonApprovalUnknown, Err: err}
	}
	return err
}
