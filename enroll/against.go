package enroll

import (
	"context"
	"errors"
	"slices"
	"strings"

	"cpsgate/audit"
	"cpsgate/identity"
)

// against lists what cpsgate has found against a suspended card, its reason first.
func against(card identity.Card) []string {
	all := strings.Fields(card.Against)
	if found := card.StateReason; found == ReasonCertificateRevoked || found == ReasonOpposed {
		all = append([]string{found}, all...)
	}
	return all
}

// unlifted is against without what has been taken back since: it is the reason of a
// card that is proposed for reactivation.
func unlifted(ctx context.Context, u Reader, card identity.Card) ([]string, error) {
	back, err := u.ApprovalLike(ctx, bringingBack(card))
	switch {
	case errors.Is(err, ErrNotFound):
		return against(card), nil
	case err == nil && back.State == ApprovalProposed:
		return strings.Fields(card.Against), nil
	}
	return against(card), err
}

// alsoAgainst keeps what is found against a card that is suspended already. What
// it was suspended for stays its reason: only that, lifted, may bring it back. A
// request that was made before is closed, also where the same was found before.
func (r *Registry) alsoAgainst(ctx context.Context, u Unit, card identity.Card, e *audit.Event) error {
	if err := r.stays(ctx, u, card, e.Actor); err != nil {
		return err
	}
	if slices.Contains(against(card), e.Reason) {
		return nil
	}
	card.Against = strings.Join(append(strings.Fields(card.Against), e.Reason), " ")
	if err := u.SaveCard(ctx, card); err != nil {
		return err
	}
	e.Kind, e.Outcome, e.Subject, e.Card = audit.KindCardState, audit.Done, card.Holder, card.TokenID
	e.Detail = string(card.State) + " already: " + e.Detail
	return r.record(ctx, u, e)
}

// lifted takes back what was found against a card. If nothing else keeps it
// suspended, reactivation is proposed.
func (r *Registry) lifted(ctx context.Context, u Unit, tokenID, found, source string) (proposed bool, err error) {
	card, err := u.Card(ctx, tokenID)
	if err != nil || card.State != identity.CardSuspended {
		return false, err
	}
	rest := strings.Fields(card.Against)
	switch i := slices.Index(rest, found); {
	case i >= 0:
		rest = slices.Delete(rest, i, i+1)
	case card.StateReason == found && len(rest) > 0:
		card.StateReason, rest = rest[0], rest[1:]
	default:
		return r.propose(ctx, u, tokenID, found, source)
	}
	card.Against = strings.Join(rest, " ")
	if err := u.SaveCard(ctx, card); err != nil {
		return false, err
	}
	return false, r.record(ctx, u, &audit.Event{
		Kind: audit.KindCardState, Outcome: audit.Done, Reason: found, At: r.o.Now(),
		Subject: card.Holder, Card: tokenID, Detail: "lifted, " + string(card.State) + " still: " + source,
	})
}

// asNews tells whether the record does not say yet what was found against a card,
// or would let it come back all the same.
func (r *Registry) asNews(ctx context.Context, card identity.Card, found string) (bool, error) {
	switch {
	case card.State != identity.CardSuspended:
		return card.State == identity.CardActive, nil
	case !slices.Contains(against(card), found):
		return true, nil
	}
	return r.returning(ctx, r.records, card)
}
