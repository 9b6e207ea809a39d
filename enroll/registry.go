package enroll

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
)

// Options of a Registry.
type Options struct {
	Audit *audit.Log       // required
	Now   func() time.Time // nil: time.Now

	Policy Policy       // of the desk
	Log    *slog.Logger // what Run could not do; nil: slog.Default

	// OnCardState and OnPasskeyState are told after a change is kept, so that
	// sessions end with what carried them. They must bear being told twice. What
	// they cannot hear now is told again by WatchChanges, see Untold.
	OnCardState    func(ctx context.Context, tokenID string, state identity.CardState) error
	OnPasskeyState func(ctx context.Context, credentialID []byte, state identity.PasskeyState) error
	// OnSessionsEnd is told whose sessions are to end; it too may be told twice.
	OnSessionsEnd func(ctx context.Context, of Ending) error
}

// Registry is the card record. It is safe for concurrent use.
type Registry struct {
	records Records
	o       Options
	live    *audience // who watches tickets
	wrong   *guesses  // wrong codes by address
	hearing hearing

	watchFrom atomic.Pointer[uint64] // the event that WatchChanges begins after; nil: the last one
}

// New returns a registry over the records.
func New(records Records, o Options) (*Registry, error) {
	if records == nil || o.Audit == nil {
		return nil, errors.New("a registry needs records and an audit log")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.OnCardState == nil {
		o.OnCardState = func(context.Context, string, identity.CardState) error { return nil }
	}
	if o.OnPasskeyState == nil {
		o.OnPasskeyState = func(context.Context, []byte, identity.PasskeyState) error { return nil }
	}
	if o.OnSessionsEnd == nil {
		o.OnSessionsEnd = func(context.Context, Ending) error { return nil }
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	o.Policy = o.Policy.withDefaults()
	return &Registry{records: records, o: o, live: newAudience(), wrong: newGuesses(o.Policy)}, nil
}

// Account is all that is known of one professional. Revoked passkeys are kept
// for evidence and not listed.
type Account struct {
	Professional identity.Professional
	Cards        []identity.Card
	Certificates []identity.Certificate
	Passkeys     []identity.Passkey
}

// Account reads a professional's account; ErrNotFound when there is none.
func (r *Registry) Account(ctx context.Context, idNat identity.PSIdNat) (Account, error) {
	var a Account
	var err error
	if a.Professional, err = r.records.Professional(ctx, idNat); err != nil {
		return Account{}, err
	}
	if a.Cards, err = r.records.CardsOf(ctx, idNat); err != nil {
		return Account{}, err
	}
	for _, c := range a.Cards {
		certificates, err := r.records.CertificatesOf(ctx, c.TokenID)
		if err != nil {
			return Account{}, err
		}
		a.Certificates = append(a.Certificates, certificates...)
	}
	if a.Passkeys, err = r.Passkeys(ctx, idNat); err != nil {
		return Account{}, err
	}
	return a, nil
}

// Professional finds a person; ErrNotFound when there is none.
func (r *Registry) Professional(ctx context.Context, idNat identity.PSIdNat) (identity.Professional, error) {
	return r.records.Professional(ctx, idNat)
}

// ByUserHandle finds the person whom a WebAuthn user handle stands for.
func (r *Registry) ByUserHandle(ctx context.Context, userHandle []byte) (identity.Professional, error) {
	return r.records.ProfessionalByHandle(ctx, userHandle)
}

// Card finds a card; ErrNotFound when there is none.
func (r *Registry) Card(ctx context.Context, tokenID string) (identity.Card, error) {
	return r.records.Card(ctx, tokenID)
}

// Standing tells whether a session may stand on this card and passkey, either
// of them empty: nil, or a Refusal. It is what sessions.Options.Standing asks.
func (r *Registry) Standing(ctx context.Context, tokenID string, credentialID []byte) error {
	if tokenID != "" {
		card, err := r.records.Card(ctx, tokenID)
		if err != nil {
			return unknownCard(tokenID, err)
		}
		if err := cardRefusal(card); err != nil {
			return err
		}
	}
	if len(credentialID) == 0 {
		return nil
	}
	passkey, err := r.records.Passkey(ctx, credentialID)
	if err != nil {
		return unknownPasskey(err)
	}
	return passkeyRefusal(passkey)
}
