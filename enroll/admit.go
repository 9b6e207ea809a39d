package enroll

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
)

// userHandleBytes is the length of a user handle: random, so that it says
// nothing of whom it stands for (WebAuthn L3 §14.6.1).
const userHandleBytes = 32

// Admit finds or makes the record of a verified cardholder, and refreshes what
// the certificate says of the person. Refused: a card that is not active here,
// and a card known as another person's.
func (r *Registry) Admit(ctx context.Context, holder identity.Cardholder, now time.Time) (identity.Professional, identity.Card, error) {
	if holder.Professional.IdNat == "" || holder.Card.TokenID == "" {
		return identity.Professional{}, identity.Card{}, errors.New("admitting a cardholder: no PS_IdNat or no token id")
	}
	a := admission{Registry: r, holder: holder, now: now}
	if err := r.records.Change(ctx, func(u Unit) error { return a.run(ctx, u) }); err != nil {
		return identity.Professional{}, identity.Card{}, err
	}
	return a.professional, a.card, nil
}

// admission is one Admit; run may be called again after a conflict.
type admission struct {
	*Registry
	holder identity.Cardholder
	now    time.Time

	professional identity.Professional
	card         identity.Card
}

func (a *admission) run(ctx context.Context, u Unit) error {
	seen, err := a.findCard(ctx, u)
	if err != nil {
		return err
	}
	if err := a.savePerson(ctx, u); err != nil {
		return err
	}
	if err := u.SaveCard(ctx, a.card); err != nil {
		return err
	}
	renewed, err := a.saveCertificate(ctx, u)
	if err != nil {
		return err
	}
	switch {
	case !seen:
		return a.record(ctx, u, audit.KindCardSeen)
	case renewed:
		return a.record(ctx, u, audit.KindCertificate)
	}
	return nil
}

// findCard sets card to the one known by the token id, or to a new one.
func (a *admission) findCard(ctx context.Context, u Unit) (seen bool, err error) {
	idNat, said := a.holder.Professional.IdNat, a.holder.Card
	a.card, err = u.Card(ctx, said.TokenID)
	switch {
	case errors.Is(err, ErrNotFound):
		a.card = said
		a.card.Holder, a.card.State, a.card.StateReason = idNat, identity.CardActive, ""
		a.card.FirstSeen, a.card.LastSeen = a.now, a.now
		return false, nil
	case err != nil:
		return false, err
	case a.card.Holder != idNat:
		return true, &Refusal{
			Reason: ReasonCardOfAnother, Holder: a.card.Holder, Card: said.TokenID,
			Detail: fmt.Sprintf("certificate says %s", idNat),
		}
	}
	a.card.Type, a.card.Test, a.card.LastSeen = said.Type, said.Test, a.now
	if said.Generation != identity.GenerationUnknown { // a certificate does not tell it: a workstation did
		a.card.Generation = said.Generation
	}
	return true, cardRefusal(a.card)
}

// savePerson keeps what the certificate says; roles and user handle stay.
func (a *admission) savePerson(ctx context.Context, u Unit) error {
	p, err := u.Professional(ctx, a.holder.Professional.IdNat)
	if errors.Is(err, ErrNotFound) {
		p, err = identity.Professional{IdNat: a.holder.Professional.IdNat, UserHandle: make([]byte, userHandleBytes)}, nil
		rand.Read(p.UserHandle) // never fails since Go 1.24
	}
	if err != nil {
		return err
	}
	p = certified(p, a.holder.Professional)
	if err := u.SaveProfessional(ctx, p); err != nil {
		return err
	}
	a.professional, err = u.Professional(ctx, p.IdNat) // with the handle that was first kept
	return err
}

func (a *admission) saveCertificate(ctx context.Context, u Unit) (renewed bool, err error) {
	c := a.holder.Certificate
	c.TokenID, c.Holder, c.SeenAt = a.card.TokenID, a.card.Holder, a.now
	known, err := u.CertificatesOf(ctx, c.TokenID)
	if err != nil {
		return false, err
	}
	renewed = true
	for _, k := range known {
		if k.IssuerKey == c.IssuerKey && k.Serial == c.Serial {
			renewed = false
		}
	}
	err = u.SaveCertificate(ctx, c)
	if errors.Is(err, ErrConflict) {
		err = &Refusal{
			Reason: ReasonCertificateConflict, Holder: c.Holder, Card: c.TokenID,
			Detail: fmt.Sprintf("serial %s of %s", c.Serial, c.Issuer), Err: err,
		}
	}
	return renewed, err
}

func (a *admission) record(ctx context.Context, u Unit, kind string) error {
	return a.o.Audit.RecordIn(ctx, u, &audit.Event{
		Kind: kind, Outcome: audit.Done, At: a.now,
		Actor: a.card.Holder, Subject: a.card.Holder, Card: a.card.TokenID,
		CertificateSerial: a.holder.Certificate.Serial,
		CertificateIssuer: a.holder.Certificate.Issuer,
		Detail:            a.card.Type.String(),
	})
}
