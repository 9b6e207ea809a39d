package enroll

import (
	"context"
	"errors"
	"fmt"

	"cpsgate/audit"
	"cpsgate/identity"
)

// ReasonFollowsCard is the StateReason of a passkey that went with its card,
// and comes back with it.
const ReasonFollowsCard = "follows-card"

// SetCardState changes a card's state, and that of the passkeys standing on
// it, in one transaction with its audit event; then it tells OnCardState and
// OnPasskeyState. A reactivated card brings back the passkeys that went with
// it, no others. The state that the card has already is no change and no
// event, but is told again.
func (r *Registry) SetCardState(ctx context.Context, tokenID string, state identity.CardState, reason string, by identity.PSIdNat) error {
	var followed []identity.Passkey
	err := r.records.Change(ctx, func(u Unit) error {
		card, err := u.Card(ctx, tokenID)
		if err != nil {
			return unknownCard(tokenID, err)
		}
		if card.State == state {
			followed, err = u.PasskeysOn(ctx, tokenID)
			return err
		}
		if !card.State.CanBecome(state) {
			return &Refusal{
				Reason: ReasonCardState, Holder: card.Holder, Card: tokenID, State: card.State,
				Detail: fmt.Sprintf("%s cannot become %s", card.State, state),
			}
		}
		before := card.State
		card.State, card.StateReason = state, reason
		if err := u.SaveCard(ctx, card); err != nil {
			return err
		}
		if followed, err = follow(ctx, u, card); err != nil {
			return err
		}
		return r.o.Audit.RecordIn(ctx, u, &audit.Event{
			Kind: audit.KindCardState, Outcome: audit.Done, Reason: reason, At: r.o.Now(),
			Actor: by, Subject: card.Holder, Card: tokenID,
			Detail: fmt.Sprintf("%s to %s, %d passkeys follow", before, state, len(followed)),
		})
	})
	if err != nil {
		return err
	}
	errs := []error{r.o.OnCardState(ctx, tokenID, state)}
	for _, p := range followed {
		errs = append(errs, r.o.OnPasskeyState(ctx, p.ID, p.State))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("card %s is %s; telling it: %w", tokenID, state, err)
	}
	return nil
}

// follow makes the passkeys that stand on the card take its state, and gives
// those that changed.
func follow(ctx context.Context, u Unit, card identity.Card) ([]identity.Passkey, error) {
	passkeys, err := u.PasskeysOn(ctx, card.TokenID)
	if err != nil {
		return nil, err
	}
	var followed []identity.Passkey
	for _, p := range passkeys {
		next, changes := following(p, card.State)
		if !changes {
			continue
		}
		if err := u.SavePasskey(ctx, next); err != nil {
			return nil, err
		}
		followed = append(followed, next)
	}
	return followed, nil
}

// following is what a passkey becomes when its card takes the state.
func following(p identity.Passkey, card identity.CardState) (next identity.Passkey, changes bool) {
	next = p
	next.StateReason = ReasonFollowsCard
	switch {
	case p.State == identity.PasskeyRevoked:
		return p, false
	case card == identity.CardRevoked:
		next.State = identity.PasskeyRevoked
	case card == identity.CardSuspended && p.State != identity.PasskeySuspended:
		next.State = identity.PasskeySuspended
	case card == identity.CardActive && p.State == identity.PasskeySuspended && p.StateReason == ReasonFollowsCard:
		next.State, next.StateReason = identity.PasskeyActive, ""
		if p.LastUsedAt.IsZero() { // its proof of use is still owed
			next.State = identity.PasskeyPending
		}
	default:
		return p, false
	}
	return next, true
}
