package enroll

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cpsgate/audit"
	"cpsgate/identity"
)

// OpenTicket makes a ticket for a professional, or for whom the card will name
// (holder ""). The code is given once: shown, read aloud, typed at the
// workstation; what is kept of it does not tell it.
func (r *Registry) OpenTicket(ctx context.Context, act Act, holder identity.PSIdNat) (Ticket, string, error) {
	var t TicketRecord
	code, hash := newCode() // takes milliseconds: not in the transaction
	err := r.records.Change(ctx, func(u Unit) (err error) {
		if err := r.may(ctx, u, act, rightTickets); err != nil {
			return err
		}
		if holder != "" {
			if _, err := u.Professional(ctx, holder); err != nil {
				return unknownPerson(holder, err)
			}
		}
		now := r.o.Now()
		t = TicketRecord{Ticket: Ticket{
			ID: newHandle(), State: TicketOpen, Holder: holder, Operator: act.Actor(),
			OpenedAt: now, ExpiresAt: now.Add(r.o.Policy.CodeLife),
		}}
		if code, t.CodeHash, err = freeCode(ctx, u, code, hash); err != nil {
			return err
		}
		t.step(now, StepOpened, "", true)
		if err := u.SaveTicket(ctx, t); err != nil {
			return err
		}
		e := r.event(act, audit.KindTicketOpen)
		e.Subject, e.Detail = holder, "ticket "+t.ID
		return r.record(ctx, u, e)
	})
	if err != nil {
		return Ticket{}, "", err
	}
	r.live.tell(t.ID)
	return t.Ticket, code, nil
}

// freeCode is the code drawn, or another if a ticket ever had that one.
func freeCode(ctx context.Context, u Unit, code, hash string) (string, string, error) {
	for range 5 {
		_, err := u.TicketByCode(ctx, hash)
		if errors.Is(err, ErrNotFound) {
			return code, hash, nil
		}
		if err != nil {
			return "", "", err
		}
		code, hash = newCode()
	}
	return "", "", errors.New("drawing a ticket's code: all that were drawn exist")
}

// Ticket finds a ticket; one whose time is over is given as expired, whether
// or not Sweep has come by.
func (r *Registry) Ticket(ctx context.Context, id string) (Ticket, error) {
	t, err := r.records.Ticket(ctx, id)
	return r.asNow(t.Ticket), unknownTicket(err)
}

// Tickets lists tickets, the latest opened first.
func (r *Registry) Tickets(ctx context.Context, q TicketQuery) (TicketPage, error) {
	q.Limit = pageSize(q.Limit)
	page, err := r.records.TicketPage(ctx, q)
	for i, t := range page.Tickets {
		page.Tickets[i] = r.asNow(t)
	}
	return page, err
}

func (r *Registry) asNow(t Ticket) Ticket {
	if t.ID != "" && !t.State.Ended() && !r.o.Now().Before(t.ExpiresAt) {
		t.State = TicketExpired
	}
	return t
}

// CancelTicket ends a ticket at the operator's word, whatever the workstation
// is doing. What was half enrolled is revoked.
func (r *Registry) CancelTicket(ctx context.Context, act Act, id string) error {
	return r.changed(ctx, func(u Unit) (telling, error) {
		if err := r.may(ctx, u, act, rightTickets); err != nil {
			return telling{}, err
		}
		t, err := u.Ticket(ctx, id)
		if err != nil {
			return telling{}, unknownTicket(err)
		}
		if t.State.Ended() {
			return telling{}, &Refusal{Reason: ReasonTicketEnded, Holder: t.Holder, Detail: string(t.State)}
		}
		return r.endTicket(ctx, u, t, ending{TicketCancelled, act.Reason, StepCancelled, audit.KindTicketCancel, act.Actor()})
	})
}

// ending is how a ticket ends before its passkey is active.
type ending struct {
	state  TicketState
	reason string
	step   string
	kind   string
	by     identity.PSIdNat
}

// endTicket ends the ticket, and revokes the passkey that was not proved yet:
// nothing stays half enrolled.
func (r *Registry) endTicket(ctx context.Context, u Unit, t TicketRecord, how ending) (telling, error) {
	t.end(r.o.Now(), how.state, how.reason, how.step)
	after := telling{ticket: t.ID}
	if len(t.PasskeyID) > 0 {
		p, err := u.Passkey(ctx, t.PasskeyID)
		if err != nil {
			return telling{}, err
		}
		if p.State != identity.PasskeyRevoked { // active too: it may have been used at the ordinary door meanwhile
			p.State, p.StateReason = identity.PasskeyRevoked, reasonEnrolment+string(how.state)
			if err := u.SavePasskey(ctx, p); err != nil {
				return telling{}, err
			}
			after.passkeys = append(after.passkeys, p)
		}
	}
	if err := u.SaveTicket(ctx, t); err != nil {
		return telling{}, err
	}
	e := r.ticketEvent(t, how.kind)
	e.Actor, e.Reason = how.by, how.reason
	return after, r.record(ctx, u, e)
}

// ticketEvent begins an event about a ticket: whom, which card, where.
func (r *Registry) ticketEvent(t TicketRecord, kind string) *audit.Event {
	return &audit.Event{
		Kind: kind, Outcome: audit.Done, At: r.o.Now(), Subject: t.Holder, Card: t.Card,
		CredentialHash: audit.HashCredential(t.PasskeyID),
		Workstation:    t.Workstation.Name, Reader: t.Workstation.Reader, Address: t.Workstation.Address,
		Detail: "ticket " + t.ID,
	}
}

// AllowDeskProof lets this ticket enrol without the card's certificate, on the
// operator's word and by the policy's rule: nil is done, an Approval is the
// request that waits. The operator may name the card on the table, which must
// be an active one of that professional; the passkey then follows it. One that
// stands on no card is stopped by hand only.
func (r *Registry) AllowDeskProof(ctx context.Context, act Act, ticketID, tokenID string) (*Approval, error) {
	return r.undertake(ctx, act, Approval{Deed: DeedDeskProof, Ticket: ticketID, Card: tokenID})
}

// AllowReset lets the workstation of this ticket empty an applet that holds
// something, by the policy's rule: nil is done, an Approval is the request that
// waits.
func (r *Registry) AllowReset(ctx context.Context, act Act, ticketID string) (*Approval, error) {
	return r.undertake(ctx, act, Approval{Deed: DeedReset, Ticket: ticketID})
}

// leavePossible refuses leave for a ticket that is over, needs none or sits at no
// workstation yet, and to vouch for oneself.
func (r *Registry) leavePossible(ctx context.Context, u Unit, a *Approval) error {
	t, err := u.Ticket(ctx, a.Ticket)
	if err != nil {
		return unknownTicket(err)
	}
	a.Subject = t.Holder
	asking, err := behind(ctx, u, a.By)
	if err != nil {
		return err
	}
	if state := r.asNow(t.Ticket).State; state.Ended() {
		return &Refusal{Reason: ReasonTicketEnded, Holder: t.Holder, Detail: string(state)}
	}
	if t.Phase == PhaseRegistered {
		return &Refusal{Reason: ReasonSittingPhase, Holder: t.Holder, Detail: string(t.Phase)}
	}
	switch proof := a.Deed == DeedDeskProof; {
	case proof && t.Holder == "":
		return &Refusal{Reason: ReasonPersonUnknown, Detail: "the ticket names nobody: who is vouched for?"}
	case proof && slices.Contains(asking, t.Holder):
		return &Refusal{Reason: ReasonApprovalOwn, Holder: t.Holder}
	case t.State != TicketClaimed: // its code is still about: who would be let in with it?
		return &Refusal{Reason: ReasonSittingPhase, Holder: t.Holder, Detail: "no workstation has taken the ticket yet"}
	case !proof:
		return nil
	}
	return mayStandOn(ctx, u, a.Card, t.Holder)
}

// leave notes on the ticket where a permission stands; deeds that concern no
// ticket have none.
func (r *Registry) leave(ctx context.Context, u Unit, a Approval, l Leave) error {
	if a.Ticket == "" {
		return nil
	}
	t, err := u.Ticket(ctx, a.Ticket)
	if err != nil {
		return unknownTicket(err)
	}
	if t.State.Ended() {
		return nil
	}
	name := StepReset
	if a.Deed == DeedDeskProof {
		name, t.DeskProof = StepDeskProof, l
	} else {
		t.Reset = l
	}
	t.step(r.o.Now(), name, string(l.State), l.State != LeaveDeclined)
	return u.SaveTicket(ctx, t)
}

// Sweep ends tickets and requests whose time is over.
func (r *Registry) Sweep(ctx context.Context) error {
	now := r.o.Now()
	tickets, err := r.records.TicketsDue(ctx, now, maxPage)
	if err != nil {
		return fmt.Errorf("finding tickets that are due: %w", err)
	}
	for _, id := range tickets {
		if err := r.changed(ctx, func(u Unit) (telling, error) { return r.expireTicket(ctx, u, id) }); err != nil {
			return fmt.Errorf("expiring ticket %s: %w", id, err)
		}
	}
	approvals, err := r.records.ApprovalsDue(ctx, now, maxPage)
	if err != nil {
		return fmt.Errorf("finding requests that are due: %w", err)
	}
	for _, id := range approvals {
		if err := r.records.Change(ctx, func(u Unit) error { return r.expireApproval(ctx, u, id) }); err != nil {
			return fmt.Errorf("expiring request %s: %w", id, err)
		}
	}
	return nil
}

func (r *Registry) expireTicket(ctx context.Context, u Unit, id string) (telling, error) {
	t, err := u.Ticket(ctx, id)
	if err != nil || t.State.Ended() || r.o.Now().Before(t.ExpiresAt) {
		return telling{}, err
	}
	return r.endTicket(ctx, u, t, ending{TicketExpired, string(t.Phase), StepExpired, audit.KindTicketExpire, ""})
}

func (r *Registry) expireApproval(ctx context.Context, u Unit, id string) error {
	a, err := u.Approval(ctx, id)
	now := r.o.Now()
	if err != nil || a.State != ApprovalWaiting || now.Before(a.ExpiresAt) {
		return err
	}
	a.State, a.DecidedAt = ApprovalExpired, now
	if err := u.SaveApproval(ctx, a); err != nil {
		return err
	}
	return r.recordApproval(ctx, u, a, audit.KindApprovalExpire, "", "")
}

func unknownTicket(err error) error {
	if errors.Is(err, ErrNotFound) {
		return &Refusal{Reason: ReasonTicketUnknown, Err: err}
	}
	return err
}
