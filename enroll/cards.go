package enroll

import (
	"context"

	"cpsgate/identity"
)

// Reasons that cpsgate itself gives for a passkey's state.
const (
	ReasonFollowsCard = "follows-card" // it went with its card, and comes back with it
	ReasonSignCount   = "sign-count"   // its count ran backwards: there may be two of it
	reasonRemoved     = "removed"      // by its holder
	reasonEnrolment   = "enrolment-"   // and how the enrolment that made it ended
)

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

// holdsPasskey notes that a card has an applet: it is a CPS4, which neither its
// certificate nor, where no workstation read it, anything else tells.
func holdsPasskey(ctx context.Context, u Unit, tokenID string) error {
	if tokenID == "" {
		return nil
	}
	card, err := u.Card(ctx, tokenID)
	if err != nil || card.Generation != identity.GenerationUnknown {
		return err
	}
	card.Generation = identity.GenerationCPS4
	return u.SaveCard(ctx, card)
}
