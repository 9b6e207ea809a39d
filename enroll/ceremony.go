package enroll

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"cpsgate/audit"
	"cpsgate/identity"
)

// maxCeremony bounds what the server remembers of a ceremony, in bytes.
const maxCeremony = 16 << 10

// BeginPasskey keeps what the server must remember of the registration that
// it asks the applet for, in place of an earlier one. The card was proved by
// then, or the desk vouches.
func (r *Registry) BeginPasskey(ctx context.Context, secret string, ceremony []byte) (Sitting, error) {
	return r.sit(ctx, secret, StepOptions, []Phase{PhaseClaimed, PhaseProved}, func(_ Unit, t *TicketRecord) (telling, error) {
		if _, err := r.proofOf(t); err != nil {
			return telling{}, err
		}
		if !slices.ContainsFunc(t.Steps, func(s Step) bool { return s.Name == StepOptions && s.OK }) {
			t.step(r.o.Now(), StepOptions, "", true)
		}
		return telling{}, remember(t, ceremony)
	})
}

// BeginProof keeps what the server must remember of the proof of use, in place
// of an earlier one: for a workstation that lost the answer to its passkey.
func (r *Registry) BeginProof(ctx context.Context, secret string, ceremony []byte) (Sitting, error) {
	return r.sit(ctx, secret, StepOptions, []Phase{PhaseRegistered}, func(_ Unit, t *TicketRecord) (telling, error) {
		return telling{}, remember(t, ceremony)
	})
}

func remember(t *TicketRecord, ceremony []byte) error {
	if len(ceremony) == 0 || len(ceremony) > maxCeremony {
		return fmt.Errorf("keeping a ceremony of %d bytes", len(ceremony))
	}
	t.Ceremony = ceremony
	return nil
}

// PendingProof gives what RegisterPasskey or BeginProof kept, and leaves it for
// ProveUse to take: an applet whose PIN is to be changed signs no second time.
func (r *Registry) PendingProof(ctx context.Context, secret string) (ceremony []byte, err error) {
	_, err = r.sit(ctx, secret, StepOptions, []Phase{PhaseRegistered}, func(_ Unit, t *TicketRecord) (telling, error) {
		ceremony = t.Ceremony
		return telling{}, t.pending(ceremony)
	})
	return ceremony, err
}

// pending refuses what is not what the server waits to be answered.
func (t *TicketRecord) pending(ceremony []byte) error {
	if len(ceremony) == 0 || !bytes.Equal(t.Ceremony, ceremony) {
		return &Refusal{Reason: ReasonCeremonyTaken, Holder: t.Holder}
	}
	return nil
}

// TakeCeremony gives what was kept by BeginPasskey, RegisterPasskey or
// BeginProof, once: a message that is sent again finds nothing.
func (r *Registry) TakeCeremony(ctx context.Context, secret string) (Sitting, []byte, error) {
	var ceremony []byte
	s, err := r.sit(ctx, secret, StepOptions, []Phase{PhaseClaimed, PhaseProved, PhaseRegistered}, func(_ Unit, t *TicketRecord) (telling, error) {
		ceremony, t.Ceremony = t.Ceremony, nil
		if len(ceremony) == 0 {
			return telling{}, &Refusal{Reason: ReasonCeremonyTaken, Holder: t.Holder}
		}
		return telling{}, nil
	})
	return s, ceremony, err
}

// proofOf is the evidence that the sitting has by now.
func (r *Registry) proofOf(t *TicketRecord) (identity.Proof, error) {
	proof := identity.Proof{At: r.o.Now(), Operator: t.Operator}
	switch {
	case t.Phase == PhaseProved:
		proof.Kind, proof.CardTokenID, proof.At = identity.ProofSameCard, t.Card, t.ProvedAt
	case t.DeskProof.State == LeaveGiven && t.Holder != "":
		proof.Kind, proof.CardTokenID = identity.ProofDesk, t.DeskProof.Card
		proof.Operator, proof.Approver = t.DeskProof.By, t.DeskProof.Approver
	default:
		return proof, &Refusal{Reason: ReasonCardUnproved, Holder: t.Holder}
	}
	return proof, nil
}

// RegisterPasskey keeps the passkey that rp has verified, pending, with the
// evidence of this sitting; next is what the server must remember of the proof
// of use, which it asks for at once.
func (r *Registry) RegisterPasskey(ctx context.Context, secret string, p identity.Passkey, next []byte) (Sitting, error) {
	return r.sit(ctx, secret, StepRegistered, []Phase{PhaseClaimed, PhaseProved}, func(u Unit, t *TicketRecord) (telling, error) {
		return telling{}, r.registerPasskey(ctx, u, t, p, next)
	})
}

func (r *Registry) registerPasskey(ctx context.Context, u Unit, t *TicketRecord, p identity.Passkey, next []byte) error {
	proof, err := r.proofOf(t)
	if err != nil {
		return err
	}
	if p.Holder != t.Holder {
		return &Refusal{Reason: ReasonTicketOfAnother, Holder: t.Holder, Detail: fmt.Sprintf("a passkey of %s", p.Holder)}
	}
	// What the authenticator says (CTAP 2.1 §12.4), when it says anything.
	if least := r.o.Policy.Applet.MinPINLength; p.MinPINLength > 0 && p.MinPINLength < least {
		return &Refusal{Reason: ReasonPINLength, Holder: t.Holder, Detail: fmt.Sprintf("the applet takes %d characters; %d at least", p.MinPINLength, least)}
	}
	if models := r.o.Policy.CardModels; proof.Kind == identity.ProofSameCard && len(models) > 0 && !slices.Contains(models, p.AAGUID) {
		return &Refusal{Reason: ReasonKey, Holder: t.Holder, Detail: fmt.Sprintf("model %x is no card's applet", p.AAGUID)}
	}
	p.Proof, p.CardTokenID = proof, madeIn(proof, p.Transports)
	if p.Name == "" {
		p.Name = "CPS " + proof.CardTokenID
	}
	p, err = r.newPasskey(p)
	if err != nil {
		return err
	}
	if err := mayAdd(ctx, u, p); err != nil {
		return err
	}
	if err := u.SavePasskey(ctx, p); err != nil {
		return err
	}
	if err := holdsPasskey(ctx, u, p.CardTokenID); err != nil {
		return err
	}
	now := r.o.Now()
	t.Phase, t.PasskeyID, t.Card = PhaseRegistered, p.ID, proof.CardTokenID
	t.step(now, StepRegistered, p.AttestationVerdict, true)
	if err := remember(t, next); err != nil {
		return err
	}
	return r.record(ctx, u, r.deskPasskeyEvent(*t, p, audit.KindPasskeyAdd))
}

// transportCard is the transport of a contact card (WebAuthn L3 §5.8.4).
const transportCard = "smart-card"

// madeIn is the card that a passkey of the desk lives in: the one that was proved;
// the one that the operator named only if the workstation made the passkey in a card.
func madeIn(proof identity.Proof, transports []string) string {
	if proof.Kind == identity.ProofSameCard || slices.Contains(transports, transportCard) {
		return proof.CardTokenID
	}
	return ""
}

// deskPasskeyEvent is the wide event of a passkey made at the desk.
func (r *Registry) deskPasskeyEvent(t TicketRecord, p identity.Passkey, kind string) *audit.Event {
	e := r.passkeyEvent(kind, p, p.Proof.Operator, "")
	e.Workstation, e.Reader, e.Address = t.Workstation.Name, t.Workstation.Reader, t.Workstation.Address
	e.Detail = "ticket " + t.ID
	return e
}

// ProveUse ends the sitting well: the passkey has signed in once, by PIN, in
// answer to what PendingProof gave. It becomes active, those that the same card
// held before are revoked (the applet has one for each account, CTAP 2.1 §6.1.2),
// and the ticket is done: all in one transaction with its event. A server that
// falls before that finds the same answer good when it comes again.
func (r *Registry) ProveUse(ctx context.Context, secret string, used identity.Passkey, answered []byte) (Sitting, error) {
	return r.sit(ctx, secret, StepActive, []Phase{PhaseRegistered}, func(u Unit, t *TicketRecord) (telling, error) {
		if err := t.pending(answered); err != nil {
			return telling{}, err
		}
		if !bytes.Equal(used.ID, t.PasskeyID) {
			return telling{}, &Refusal{Reason: ReasonOtherCredential, Holder: t.Holder}
		}
		p, err := u.Passkey(ctx, used.ID)
		if err != nil {
			return telling{}, unknownPasskey(err)
		}
		if err := passkeyRefusal(p); err != nil {
			return telling{}, err
		}
		r.use(&p, used)
		if err := u.SavePasskey(ctx, p); err != nil {
			return telling{}, err
		}
		after, err := supersede(ctx, u, p)
		if err != nil {
			return telling{}, err
		}
		t.Phase = PhaseUsed
		t.end(r.o.Now(), TicketDone, "", StepActive)
		return after, r.record(ctx, u, r.deskPasskeyEvent(*t, p, audit.KindPasskeyActive))
	})
}

// supersede revokes the other passkeys that live in the same card.
func supersede(ctx context.Context, u Unit, p identity.Passkey) (after telling, err error) {
	if p.CardTokenID == "" {
		return after, nil
	}
	all, err := u.PasskeysOn(ctx, p.CardTokenID)
	if err != nil {
		return after, err
	}
	for _, old := range all {
		if old.CardTokenID != p.CardTokenID || old.State == identity.PasskeyRevoked || bytes.Equal(old.ID, p.ID) {
			continue
		}
		old.State, old.StateReason = identity.PasskeyRevoked, ReasonReplaced
		if err := u.SavePasskey(ctx, old); err != nil {
			return after, err
		}
		after.passkeys = append(after.passkeys, old)
	}
	return after, nil
}

// newPasskey is a passkey as it is first kept: named, pending.
func (r *Registry) newPasskey(p identity.Passkey) (identity.Passkey, error) {
	name, err := passkeyName(p.Name)
	if err != nil {
		return p, err
	}
	if p.Holder == "" {
		return p, errors.New("adding a passkey: no holder")
	}
	p.Name, p.State, p.StateReason = name, identity.PasskeyPending, ""
	if p.CreatedAt.IsZero() {
		p.CreatedAt = r.o.Now()
	}
	return p, nil
}
