package enroll

import (
	"context"

	"cpsgate/audit"
	"cpsgate/identity"
)

// Records is where the card record is kept.
//
// Change runs act as one transaction, serialisable with all others: everything
// or nothing, as though one came after the other. It commits when act gives
// nil. A store may run act again after a conflict, so act touches nothing but
// its Unit; and act must not call Records itself, which may wait for it.
type Records interface {
	Reader
	Change(ctx context.Context, act func(Unit) error) error
}

// Unit is one transaction: what it reads, what it writes, and the audit events
// that go with it.
type Unit interface {
	Reader
	Writer
	audit.Ledger
}

// Reader finds records; ErrNotFound where there is none.
type Reader interface {
	People
	Cards
	Passkeys
}

// People finds professionals.
type People interface {
	Professional(ctx context.Context, idNat identity.PSIdNat) (identity.Professional, error)
	ProfessionalByHandle(ctx context.Context, userHandle []byte) (identity.Professional, error)
}

// Cards finds cards and their certificates.
type Cards interface {
	Card(ctx context.Context, tokenID string) (identity.Card, error)
	CardsOf(ctx context.Context, holder identity.PSIdNat) ([]identity.Card, error)
	CertificatesOf(ctx context.Context, tokenID string) ([]identity.Certificate, error) // the latest first
}

// Passkeys finds passkeys, revoked ones too, oldest first. PasskeysOn gives
// those that stand on a card: that live in it or, living in none, were vouched
// for by its certificate.
type Passkeys interface {
	Passkey(ctx context.Context, credentialID []byte) (identity.Passkey, error)
	PasskeysOf(ctx context.Context, holder identity.PSIdNat) ([]identity.Passkey, error)
	PasskeysOn(ctx context.Context, tokenID string) ([]identity.Passkey, error)
}

// Writer makes or updates records. What a record is keyed by, whose it is and
// what was proved when it was made stay as first written: a professional's
// user handle, a card's holder and first sight, a certificate but for SeenAt,
// a passkey but for its name, count, backup state, state and last use.
// SaveCertificate of a known issuer and serial with another fingerprint, card
// or holder is ErrConflict.
type Writer interface {
	SaveProfessional(ctx context.Context, p identity.Professional) error
	SaveCard(ctx context.Context, c identity.Card) error
	SaveCertificate(ctx context.Context, c identity.Certificate) error
	SavePasskey(ctx context.Context, p identity.Passkey) error
}
