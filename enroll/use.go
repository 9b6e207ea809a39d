package enroll

import (
	"context"

	"cpsgate/identity"
)

// MayUse tells whether a passkey may sign in: it is active or pending, the card
// that it stands on is its holder's and active, and that card's current
// certificate is still good. The passkey is read anew by its id.
//
// certificateStillGood is asked with the latest certificate of the card; its
// error is given as it is, so that the person is told what the card's own door
// would tell. A card without a known certificate cannot be asked about and is
// refused.
func (r *Registry) MayUse(ctx context.Context, passkey identity.Passkey, certificateStillGood func(identity.Certificate) error) error {
	p, err := r.Passkey(ctx, passkey.ID)
	if err != nil {
		return err
	}
	tokenID := standsOn(p)
	if tokenID == "" {
		return passkeyRefusal(p)
	}
	card, err := r.records.Card(ctx, tokenID)
	if err != nil {
		return unknownCard(tokenID, err)
	}
	if card.Holder != p.Holder {
		return &Refusal{Reason: ReasonCardOfAnother, Holder: card.Holder, Card: tokenID}
	}
	if err := cardRefusal(card); err != nil { // before the passkey, which only follows
		return err
	}
	if err := passkeyRefusal(p); err != nil {
		return err
	}
	certificates, err := r.records.CertificatesOf(ctx, tokenID)
	if err != nil {
		return err
	}
	if len(certificates) == 0 {
		return &Refusal{Reason: ReasonCertificateUnknown, Holder: p.Holder, Card: tokenID}
	}
	return certificateStillGood(certificates[0])
}
