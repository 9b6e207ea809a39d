package enroll

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"cpsgate/audit"
	"cpsgate/identity"
)

// Sitting is one workstation's claim of one ticket. Its secret is the
// workstation's; all that it has done is kept, so that a server that starts
// again goes on where it was.
type Sitting struct {
	Ticket    Ticket
	Holder    identity.Professional // zero: the card has not said yet
	Policy    AppletPolicy
	DeskProof bool // may enrol without the card's certificate
	Reset     bool // may empty the applet first: of nobody's card before it is known whose it is
}

// Claim answers a code typed at a workstation: the ticket is its from now on,
// nobody else's, for as long as a code lives. Wrong, old and used codes are
// counted by address, see Policy.WrongCodes.
func (r *Registry) Claim(ctx context.Context, code string, at Workstation, applet Applet) (Sitting, string, error) {
	now := r.o.Now()
	if err := r.wrong.lockedUntil(at.Address, now); err != nil {
		return Sitting{}, "", err
	}
	at.bound()
	applet.bound()
	var t TicketRecord
	var holder identity.Professional
	secret, secretHash := newSecret()
	codeHash, _ := hashCode(code) // takes milliseconds: not in the transaction
	err := r.records.Change(ctx, func(u Unit) (err error) {
		if t, err = r.byCode(ctx, u, codeHash); err != nil {
			return err
		}
		t.State, t.Phase, t.SecretHash = TicketClaimed, PhaseClaimed, secretHash
		t.ClaimedAt, t.ExpiresAt = now, now.Add(r.o.Policy.CodeLife)
		t.Workstation, t.Applet = at, applet
		t.step(now, StepClaimed, "", true)
		if err := u.SaveTicket(ctx, t); err != nil {
			return err
		}
		if holder, err = holderOf(ctx, u, t); err != nil {
			return err
		}
		return r.record(ctx, u, r.ticketEvent(t, audit.KindTicketClaim))
	})
	if err != nil {
		if errors.As(err, new(*Refusal)) {
			r.wrong.erred(at.Address, now)
		}
		return Sitting{}, "", err
	}
	r.live.tell(t.ID)
	return r.sitting(t, holder), secret, nil
}

// byCode finds the open ticket of a code.
func (r *Registry) byCode(ctx context.Context, u Unit, hash string) (TicketRecord, error) {
	if hash == "" { // it is no code at all
		return TicketRecord{}, &Refusal{Reason: ReasonTicketUnknown}
	}
	t, err := u.TicketByCode(ctx, hash)
	if err != nil {
		return t, unknownTicket(err)
	}
	refuse := func(reason Reason) (TicketRecord, error) {
		return t, &Refusal{Reason: reason, Holder: t.Holder, Detail: "ticket " + t.ID}
	}
	switch state := r.asNow(t.Ticket).State; {
	case state == TicketOpen:
		return t, nil
	case state == TicketCancelled:
		return refuse(ReasonTicketCancelled)
	case state == TicketExpired && t.Phase == PhaseNone:
		return refuse(ReasonTicketExpired)
	}
	return refuse(ReasonTicketUsed)
}

func holderOf(ctx context.Context, u Reader, t TicketRecord) (identity.Professional, error) {
	if t.Holder == "" {
		return identity.Professional{}, nil
	}
	return u.Professional(ctx, t.Holder)
}

func (r *Registry) sitting(t TicketRecord, holder identity.Professional) Sitting {
	_, unproved := r.proofOf(&t)
	return Sitting{
		Ticket: t.Ticket, Holder: holder, Policy: r.o.Policy.Applet,
		DeskProof: t.DeskProof.State == LeaveGiven, Reset: t.Reset.State == LeaveGiven && unproved == nil,
	}
}

// Sitting finds the sitting of a secret, while it lasts.
func (r *Registry) Sitting(ctx context.Context, secret string) (Sitting, error) {
	t, err := r.bySecret(ctx, r.records, secret)
	if err != nil {
		return Sitting{}, err
	}
	holder, err := holderOf(ctx, r.records, t)
	return r.sitting(t, holder), err
}

// bySecret finds the ticket of a sitting that goes on.
func (r *Registry) bySecret(ctx context.Context, u Reader, secret string) (TicketRecord, error) {
	t, err := u.TicketBySecret(ctx, hashSecret(secret))
	if errors.Is(err, ErrNotFound) {
		return t, &Refusal{Reason: ReasonSittingUnknown, Err: err}
	}
	if err != nil {
		return t, err
	}
	refuse := func(reason Reason) (TicketRecord, error) {
		return t, &Refusal{Reason: reason, Holder: t.Holder, Card: t.Card, Detail: "ticket " + t.ID}
	}
	switch r.asNow(t.Ticket).State {
	case TicketClaimed:
		return t, nil
	case TicketDone:
		return refuse(ReasonTicketUsed)
	case TicketExpired:
		return refuse(ReasonTicketExpired)
	case TicketCancelled:
		return refuse(ReasonTicketCancelled)
	}
	return refuse(ReasonTicketEnded)
}

// sit does one act of a sitting that is in one of the phases: what act changes
// of the ticket is kept with it. A refusal is noted on the ticket as a failed
// step of that name.
func (r *Registry) sit(ctx context.Context, secret, step string, phases []Phase, act func(Unit, *TicketRecord) (telling, error)) (Sitting, error) {
	var t TicketRecord
	var holder identity.Professional
	err := r.changed(ctx, func(u Unit) (after telling, err error) {
		if t, err = r.bySecret(ctx, u, secret); err != nil {
			return after, err
		}
		if !slices.Contains(phases, t.Phase) {
			return after, &Refusal{Reason: ReasonSittingPhase, Holder: t.Holder, Detail: fmt.Sprintf("%s in phase %s", step, t.Phase)}
		}
		if after, err = act(u, &t); err != nil {
			return after, err
		}
		if err = u.SaveTicket(ctx, t); err != nil {
			return after, err
		}
		after.ticket = t.ID
		holder, err = holderOf(ctx, u, t)
		return after, err
	})
	if err != nil {
		return Sitting{}, errors.Join(err, r.noteRefusal(ctx, secret, step, err))
	}
	return r.sitting(t, holder), nil
}

func (r *Registry) noteRefusal(ctx context.Context, secret, step string, err error) error {
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		return nil
	}
	err = r.Note(ctx, secret, step, string(refusal.Reason), false)
	if errors.As(err, new(*Refusal)) { // it has no ticket to note it on
		return nil
	}
	return err
}

// Note adds a step to the ticket: the workstation's own progress, or what
// another package refused. It changes nothing else.
func (r *Registry) Note(ctx context.Context, secret, name, detail string, ok bool) error {
	return r.changed(ctx, func(u Unit) (telling, error) {
		t, err := r.bySecret(ctx, u, secret)
		if err != nil {
			return telling{}, err
		}
		t.step(r.o.Now(), name, detail, ok)
		if err := u.SaveTicket(ctx, t); err != nil {
			return telling{}, err
		}
		if name == StepEmptied {
			err = r.o.Audit.RecordIn(ctx, u, r.emptiedEvent(t, detail, ok))
		}
		return telling{ticket: t.ID}, err
	})
}

// ProveCard keeps that the card's certificate was used in this sitting, by
// mutual TLS: its holder is the ticket's, or becomes so. A card of anybody else
// ends the sitting. The card is admitted as at the door, see Admit.
func (r *Registry) ProveCard(ctx context.Context, secret string, holder identity.Cardholder) (Sitting, error) {
	s, err := r.sit(ctx, secret, StepCard, []Phase{PhaseClaimed, PhaseProved}, func(u Unit, t *TicketRecord) (telling, error) {
		return telling{}, r.proveCard(ctx, u, t, holder)
	})
	var refusal *Refusal
	if errors.As(err, &refusal) && refusal.Reason == ReasonTicketOfAnother {
		err = errors.Join(err, r.Abandon(ctx, secret, string(ReasonTicketOfAnother)))
	}
	return s, err
}

func (r *Registry) proveCard(ctx context.Context, u Unit, t *TicketRecord, holder identity.Cardholder) error {
	who, tokenID := holder.Professional.IdNat, holder.Card.TokenID
	if who == "" || tokenID == "" {
		return errors.New("proving a card: no PS_IdNat or no token id")
	}
	if t.Holder != "" && t.Holder != who || t.Phase == PhaseProved && t.Card != tokenID {
		return &Refusal{
			Reason: ReasonTicketOfAnother, Holder: t.Holder, Card: tokenID,
			Detail: fmt.Sprintf("ticket %s is for %q and card %q; the certificate says %s", t.ID, t.Holder, t.Card, who),
		}
	}
	if t.Phase == PhaseProved { // told twice: the answer was lost
		return nil
	}
	now := r.o.Now()
	if t.Workstation.Generation != identity.GenerationUnknown {
		holder.Card.Generation = t.Workstation.Generation
	}
	admitting := admission{Registry: r, holder: holder, now: now}
	if err := admitting.run(ctx, u); err != nil {
		return err
	}
	t.Holder, t.Card, t.Phase, t.ProvedAt = who, tokenID, PhaseProved, now
	t.step(now, StepCard, "", true)
	e := r.ticketEvent(*t, audit.KindTicketCard)
	e.Actor, e.Proof = t.Operator, string(identity.ProofSameCard)
	e.CertificateSerial, e.CertificateIssuer = holder.Certificate.Serial, holder.Certificate.Issuer
	return r.record(ctx, u, e)
}

// Abandon ends the sitting at the workstation's word: the card left the
// reader, the person left. What was half enrolled is revoked.
func (r *Registry) Abandon(ctx context.Context, secret, reason string) error {
	return r.changed(ctx, func(u Unit) (telling, error) {
		t, err := r.bySecret(ctx, u, secret)
		if err != nil {
			return telling{}, err
		}
		return r.endTicket(ctx, u, t, ending{TicketAbandoned, reason, StepAbandoned, audit.KindTicketAbandon, ""})
	})
}

func (w *Workstation) bound() {
	w.Name, w.Reader, w.Address = bounded(w.Name, 128), bounded(w.Reader, 128), bounded(w.Address, 64)
	if w.Generation != identity.GenerationCPS3 && w.Generation != identity.GenerationCPS4 {
		w.Generation = identity.GenerationUnknown
	}
}

// Bounds of what a workstation may tell of an applet.
const (
	maxVersions = 16
	maxOptions  = 64
)

func (a *Applet) bound() {
	a.AAGUID = bounded(a.AAGUID, 64)
	versions := make([]string, 0, maxVersions)
	for _, v := range a.Versions[:min(len(a.Versions), maxVersions)] {
		versions = append(versions, bounded(v, 32))
	}
	a.Versions = versions
	options := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(a.Options)) {
		if len(options) < maxOptions {
			options[bounded(name, 32)] = a.Options[name]
		}
	}
	a.Options = options
}
