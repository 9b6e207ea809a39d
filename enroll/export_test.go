package enroll

import (
	"context"

	"cpsgate/audit"
	"cpsgate/identity"
)

// Guarded and Bare are a cell as a table has it, and back.
var (
	Guarded = guarded
	Bare    = bare
)

// SetCardState changes a card's state without an act: what acts, lists and
// authorities do has this in common.
func (r *Registry) SetCardState(ctx context.Context, tokenID string, state identity.CardState, reason string, by identity.PSIdNat) error {
	return r.changed(ctx, func(u Unit) (telling, error) {
		return r.changeCard(ctx, u, tokenID, state, &audit.Event{Reason: reason, At: r.o.Now(), Actor: by})
	})
}
