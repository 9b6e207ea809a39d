package enroll

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
)

// Reasons that cpsgate itself gives for suspending a card. A card suspended so
// is proposed for reactivation when the cause is lifted.
const (
	ReasonCertificateRevoked = "certificate-revoked"
	ReasonOpposed            = "opposed"
	ReasonReplaced           = "replaced"
	ReasonKept               = "kept-suspended" // its cause was lifted, and a person declined to bring it back
)

// changeCard changes a card's state and that of what stands on it, with the
// event, which it completes. The state that the card has already is no change
// and no event, but is told again.
func (r *Registry) changeCard(ctx context.Context, u Unit, tokenID string, state identity.CardState, e *audit.Event) (telling, error) {
	card, err := u.Card(ctx, tokenID)
	if err != nil {
		return telling{}, unknownCard(tokenID, err)
	}
	if card.State == state {
		on, err := u.PasskeysOn(ctx, tokenID)
		return telling{cards: []identity.Card{card}, passkeys: on}, err
	}
	if !card.State.CanBecome(state) {
		return telling{}, wrongCardState(card, state)
	}
	before := card.State
	card.State, card.StateReason, card.Against = state, e.Reason, ""
	if state == identity.CardActive {
		card.StateReason = ""
	}
	if err := u.SaveCard(ctx, card); err != nil {
		return telling{}, err
	}
	if err := r.stays(ctx, u, card, e.Actor); err != nil {
		return telling{}, err
	}
	followed, err := follow(ctx, u, card)
	if err != nil {
		return telling{}, err
	}
	e.Kind, e.Outcome, e.Subject, e.Card = audit.KindCardState, audit.Done, card.Holder, tokenID
	change := fmt.Sprintf("%s to %s, %d passkeys follow", before, state, len(followed))
	if e.Detail != "" {
		change += ": " + e.Detail
	}
	e.Detail = change
	return telling{cards: []identity.Card{card}, passkeys: followed}, r.record(ctx, u, e)
}

// stays closes what would bring a stopped card back: it was asked for before what
// stops it now was known.
func (r *Registry) stays(ctx context.Context, u Unit, card identity.Card, by identity.PSIdNat) error {
	if card.State == identity.CardActive {
		return nil
	}
	return r.closeLike(ctx, u, bringingBack(card), by, reasonStoppedAnew)
}

func bringingBack(card identity.Card) Approval {
	return Approval{Deed: DeedReactivate, Subject: card.Holder, Card: card.TokenID}
}

// returning tells whether it is asked or proposed to bring a card back.
func (r *Registry) returning(ctx context.Context, u Reader, card identity.Card) (bool, error) {
	_, err := u.ApprovalLike(ctx, bringingBack(card))
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func wrongCardState(card identity.Card, next identity.CardState) error {
	return &Refusal{
		Reason: ReasonCardState, Holder: card.Holder, Card: card.TokenID, State: card.State,
		Detail: fmt.Sprintf("%s cannot become %s", card.State, next),
	}
}

// Suspend stops a card, its passkeys and its sessions: it is lost, or may be.
func (r *Registry) Suspend(ctx context.Context, act Act, tokenID string) error {
	return r.stop(ctx, act, tokenID, identity.CardSuspended)
}

// Revoke stops a card for good.
func (r *Registry) Revoke(ctx context.Context, act Act, tokenID string) error {
	return r.stop(ctx, act, tokenID, identity.CardRevoked)
}

// stop is done by one person: what protects must not wait for a second.
func (r *Registry) stop(ctx context.Context, act Act, tokenID string, state identity.CardState) error {
	return r.changed(ctx, func(u Unit) (telling, error) {
		if err := r.may(ctx, u, act, rightCards); err != nil {
			return telling{}, err
		}
		e := r.event(act, audit.KindCardState)
		card, err := u.Card(ctx, tokenID)
		if err == nil && card.State == state {
			return r.stopAgain(ctx, u, card, e)
		}
		return r.changeCard(ctx, u, tokenID, state, e)
	})
}

// stopAgain keeps what a person says of a card that is stopped already: of one
// that is suspended it is the reason from now on, so that a lifted opposition
// does not propose to bring back what somebody has reported lost; nor does a
// request that was made before.
func (r *Registry) stopAgain(ctx context.Context, u Unit, card identity.Card, e *audit.Event) (telling, error) {
	if card.State == identity.CardSuspended {
		found, err := unlifted(ctx, u, card)
		if err != nil {
			return telling{}, err
		}
		card.Against, card.StateReason = strings.Join(found, " "), e.Reason
		if err := u.SaveCard(ctx, card); err != nil {
			return telling{}, err
		}
	}
	if err := r.stays(ctx, u, card, e.Actor); err != nil {
		return telling{}, err
	}
	on, err := u.PasskeysOn(ctx, card.TokenID)
	if err != nil {
		return telling{}, err
	}
	e.Subject, e.Card, e.Detail = card.Holder, card.TokenID, string(card.State)+" already"
	return telling{cards: []identity.Card{card}, passkeys: on}, r.record(ctx, u, e)
}

// Reactivate brings a suspended card back, by the policy's rule: nil is done,
// an Approval is the request that waits for another person.
func (r *Registry) Reactivate(ctx context.Context, act Act, tokenID string) (*Approval, error) {
	return r.undertake(ctx, act, Approval{Deed: DeedReactivate, Card: tokenID})
}

// Replace revokes a card in favour of another of the same person, which is
// active here.
func (r *Registry) Replace(ctx context.Context, act Act, old, next string) error {
	return r.changed(ctx, func(u Unit) (telling, error) {
		if err := r.may(ctx, u, act, rightCards); err != nil {
			return telling{}, err
		}
		before, err := u.Card(ctx, old)
		if err != nil {
			return telling{}, unknownCard(old, err)
		}
		if next == "" || next == old { // it takes another card
			return telling{}, wrongCardState(before, before.State)
		}
		if err := mayStandOn(ctx, u, next, before.Holder); err != nil {
			return telling{}, err
		}
		if before.State == identity.CardRevoked {
			return telling{}, wrongCardState(before, identity.CardRevoked)
		}
		e := r.event(act, audit.KindCardReplace)
		e.Subject, e.Card, e.Detail = before.Holder, old, "by card "+next
		if err := r.record(ctx, u, e); err != nil {
			return telling{}, err
		}
		gone := r.event(act, audit.KindCardState)
		gone.Reason, gone.Detail = ReasonReplaced, "by card "+next
		return r.changeCard(ctx, u, old, identity.CardRevoked, gone)
	})
}

// CertificateRevoked suspends the card whose latest certificate an authority
// has revoked, with its passkeys and sessions; source says where that was
// found ("crl 4711", "ocsp"). Nobody needs to act. A certificate that is not
// known here, or that a later one of the card has replaced, changes nothing.
func (r *Registry) CertificateRevoked(ctx context.Context, issuerKey, serial, source string) error {
	return r.changed(ctx, func(u Unit) (telling, error) {
		c, err := current(ctx, u, issuerKey, serial)
		if errors.Is(err, ErrNotFound) {
			return telling{}, nil
		}
		if err != nil {
			return telling{}, err
		}
		return r.suspendByItself(ctx, u, c.TokenID, &audit.Event{
			Reason: ReasonCertificateRevoked, At: r.o.Now(), Detail: source,
			CertificateSerial: c.Serial, CertificateIssuer: c.Issuer,
		})
	})
}

// suspendByItself suspends an active card. Of one that is suspended already it is
// kept, see alsoAgainst; one that is revoked stays as it is.
func (r *Registry) suspendByItself(ctx context.Context, u Unit, tokenID string, e *audit.Event) (telling, error) {
	card, err := u.Card(ctx, tokenID)
	switch {
	case err != nil || card.State == identity.CardRevoked:
		return telling{}, err
	case card.State == identity.CardSuspended:
		return telling{}, r.alsoAgainst(ctx, u, card, e)
	}
	return r.changeCard(ctx, u, tokenID, identity.CardSuspended, e)
}

// current finds a certificate if it is the latest of its card.
func current(ctx context.Context, u Reader, issuerKey, serial string) (identity.Certificate, error) {
	c, err := u.CertificateBySerial(ctx, issuerKey, serial)
	if err != nil {
		return c, err
	}
	known, err := u.CertificatesOf(ctx, c.TokenID)
	if err != nil {
		return c, err
	}
	if known[0].IssuerKey != issuerKey || known[0].Serial != serial {
		return c, ErrNotFound
	}
	return c, nil
}

// CertificateReleased proposes to reactivate a card that was suspended because
// of this certificate, now that the authority has lifted the revocation
// (removeFromCRL, RFC 5280 §5.3.1). It never reactivates.
func (r *Registry) CertificateReleased(ctx context.Context, issuerKey, serial, source string) error {
	return r.records.Change(ctx, func(u Unit) error {
		c, err := current(ctx, u, issuerKey, serial)
		if errors.Is(err, ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = r.lifted(ctx, u, c.TokenID, ReasonCertificateRevoked, source)
		return err
	})
}

// propose makes one proposal for a card suspended for the reason, unless it is
// asked for or proposed already, or was declined since the card was suspended.
func (r *Registry) propose(ctx context.Context, u Unit, tokenID, suspendedFor, source string) (made bool, err error) {
	card, err := u.Card(ctx, tokenID)
	if err != nil || card.State != identity.CardSuspended || card.StateReason != suspendedFor {
		return false, err
	}
	now := r.o.Now()
	a := Approval{
		ID: newHandle(), Deed: DeedReactivate, State: ApprovalProposed, Subject: card.Holder, Card: tokenID,
		Reason: source, RequestedAt: now, ExpiresAt: time.Time{},
	}
	if _, err := u.ApprovalLike(ctx, a); !errors.Is(err, ErrNotFound) {
		return false, err
	}
	if err := u.SaveApproval(ctx, a); err != nil {
		return false, err
	}
	return true, r.recordApproval(ctx, u, a, audit.KindApprovalPropose, "", source)
}

// Verdict is what an authority says of a certificate.
type Verdict int

// The verdicts. Doubtful, the zero one, changes nothing: the door itself
// refuses while evidence is missing.
const (
	Doubtful Verdict = iota
	Good
	Revoked
)

// recheckPage is how many certificates are looked at between two reads.
const recheckPage = 500

// Recheck asks judge about the latest certificate of every card that is not
// revoked, after new evidence came in: it suspends the cards of those revoked,
// and proposes to reactivate the cards that were suspended so and are good
// again.
func (r *Registry) Recheck(ctx context.Context, source string, judge func(identity.Certificate) Verdict) error {
	after := ""
	for {
		page, err := r.records.CurrentCertificates(ctx, after, recheckPage)
		if err != nil || len(page) == 0 {
			return err
		}
		for _, c := range page {
			if err := r.recheck(ctx, c, source, judge(c)); err != nil {
				return err
			}
			after = c.TokenID
		}
	}
}

// recheck reads before it writes: nearly all certificates change nothing.
func (r *Registry) recheck(ctx context.Context, c identity.Certificate, source string, v Verdict) error {
	if v == Doubtful {
		return nil
	}
	card, err := r.records.Card(ctx, c.TokenID)
	if err != nil {
		return err
	}
	if v == Good {
		if card.State != identity.CardSuspended || !slices.Contains(against(card), ReasonCertificateRevoked) {
			return nil
		}
		return r.CertificateReleased(ctx, c.IssuerKey, c.Serial, source)
	}
	if news, err := r.asNews(ctx, card, ReasonCertificateRevoked); err != nil || !news {
		return err
	}
	return r.CertificateRevoked(ctx, c.IssuerKey, c.Serial, source)
}
