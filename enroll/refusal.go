package enroll

import (
	"errors"

	"cpsgate/identity"
)

// ErrNotFound is what Records answers for what it does not hold.
var ErrNotFound = errors.New("not found")

// ErrConflict is Records' refusal of a certificate known with other content.
var ErrConflict = errors.New("known with other content")

// Reason is why the registry refuses.
type Reason string

// The reasons.
const (
	ReasonCardUnknown         Reason = "card-unknown"
	ReasonCardSuspended       Reason = "card-suspended"
	ReasonCardRevoked         Reason = "card-revoked"
	ReasonCardOfAnother       Reason = "card-of-another"
	ReasonCardState           Reason = "card-state" // no such change of state
	ReasonCertificateUnknown  Reason = "certificate-unknown"
	ReasonCertificateConflict Reason = "certificate-conflict" // one serial, two certificates
	ReasonPasskeyUnknown      Reason = "passkey-unknown"
	ReasonPasskeySuspended    Reason = "passkey-suspended"
	ReasonPasskeyRevoked      Reason = "passkey-revoked"
	ReasonPasskeyExists       Reason = "passkey-exists"
	ReasonPasskeyName         Reason = "passkey-name"
	ReasonTooManyPasskeys     Reason = "too-many-passkeys"
)

// Refusal is the registry's no.
type Refusal struct {
	Reason Reason
	Detail string             // for operators, English
	Holder identity.PSIdNat   // of the card or passkey, when known
	Card   string             // token id, when known
	State  identity.CardState // of the card, when that is why
	Err    error
}

func (r *Refusal) Error() string {
	s := string(r.Reason)
	if r.Detail != "" {
		s += ": " + r.Detail
	}
	if r.Err != nil {
		s += ": " + r.Err.Error()
	}
	return s
}

func (r *Refusal) Unwrap() error { return r.Err }

// cardRefusal is nil for an active card.
func cardRefusal(c identity.Card) error {
	r := &Refusal{Detail: c.StateReason, Holder: c.Holder, Card: c.TokenID, State: c.State}
	switch c.State {
	case identity.CardActive:
		return nil
	case identity.CardRevoked:
		r.Reason = ReasonCardRevoked
	default: // suspended, and any state not known here
		r.Reason = ReasonCardSuspended
	}
	return r
}

// passkeyRefusal is nil for an active or pending passkey.
func passkeyRefusal(p identity.Passkey) error {
	r := &Refusal{Detail: p.StateReason, Holder: p.Holder, Card: standsOn(p)}
	switch p.State {
	case identity.PasskeyActive, identity.PasskeyPending:
		return nil
	case identity.PasskeyRevoked:
		r.Reason = ReasonPasskeyRevoked
	default: // suspended, and any state not known here
		r.Reason = ReasonPasskeySuspended
	}
	return r
}

func unknownPasskey(err error) error {
	if errors.Is(err, ErrNotFound) {
		return &Refusal{Reason: ReasonPasskeyUnknown, Err: err}
	}
	return err
}

func unknownCard(tokenID string, err error) error {
	if errors.Is(err, ErrNotFound) {
		return &Refusal{Reason: ReasonCardUnknown, Card: tokenID, Err: err}
	}
	return err
}
