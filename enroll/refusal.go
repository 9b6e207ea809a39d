package enroll

import (
	"errors"
	"time"

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
	ReasonKey                 Reason = "key" // a security key, where policy lets in cards only

	// Who may act.
	ReasonRoleMissing         Reason = "role-missing"
	ReasonScopeMissing        Reason = "scope-missing" // a client's
	ReasonAuthenticationStale Reason = "authentication-stale"
	ReasonPolicy              Reason = "policy" // nobody may, here
	ReasonPersonUnknown       Reason = "person-unknown"
	ReasonRoleUnknown         Reason = "role-unknown"
	ReasonLastAdmin           Reason = "last-admin"
	ReasonRolePerson          Reason = "role-person"     // withdrawn by a machine client, where a person must
	ReasonReserved            Reason = "reason-reserved" // a reason that only cpsgate itself gives
	ReasonText                Reason = "text"            // too long, or holds what does not print
	ReasonCursor              Reason = "cursor"

	// Tickets. The first five answer a code.
	ReasonTicketUnknown   Reason = "ticket-unknown"
	ReasonTicketUsed      Reason = "ticket-used"
	ReasonTicketExpired   Reason = "ticket-expired"
	ReasonTicketCancelled Reason = "ticket-cancelled"
	ReasonTicketLocked    Reason = "ticket-locked"     // too many wrong codes from there; see Until
	ReasonTicketEnded     Reason = "ticket-ended"      // no change of an ended one
	ReasonTicketOfAnother Reason = "ticket-of-another" // the card is not that of the ticket's professional

	// Sittings.
	ReasonSittingUnknown  Reason = "sitting-unknown"
	ReasonSittingPhase    Reason = "sitting-phase" // not its turn
	ReasonCardUnproved    Reason = "card-unproved"
	ReasonCeremonyTaken   Reason = "ceremony-taken" // answered already, or never asked
	ReasonOtherCredential Reason = "credential-other"
	ReasonPINLength       Reason = "pin-length"

	// Four eyes.
	ReasonApprovalUnknown Reason = "approval-unknown"
	ReasonApprovalOver    Reason = "approval-over"   // decided already, or waited too long
	ReasonApprovalBefore  Reason = "approval-before" // a person, or cpsgate, asked before a program did
	ReasonApprovalOwn     Reason = "approval-own"    // by who asked, or whom it is about
	ReasonApprovalAsker   Reason = "approval-asker"  // who asked may no longer
	ReasonApproverPerson  Reason = "approver-person" // by a machine client, where a person must

	// Machine clients and files.
	ReasonClientUnknown Reason = "client-unknown"
	ReasonClientExists  Reason = "client-exists"
	ReasonLayout        Reason = "layout" // of an imported file
)

// Refusal is the registry's no.
type Refusal struct {
	Reason Reason
	Detail string             // for operators, English
	Holder identity.PSIdNat   // of the card or passkey, when known
	Card   string             // token id, when known
	State  identity.CardState // of the card, when that is why
	Until  time.Time          // of a lock: its end
	Row    *RowError          // of a file: what is wrong with it
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
