package enroll

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"cpsgate/audit"
	"cpsgate/identity"
)

// Bounds of what a holder may add.
const (
	maxPasskeys     = 20
	maxName         = 64   // runes
	maxCredentialID = 1023 // WebAuthn L3 §4, "Credential ID"
)

// standsOn is the card that a passkey's state follows; "" for none.
func standsOn(p identity.Passkey) string {
	if p.CardTokenID != "" {
		return p.CardTokenID
	}
	return p.Proof.CardTokenID
}

// Passkey finds a passkey in any state. An unknown one is a Refusal.
func (r *Registry) Passkey(ctx context.Context, credentialID []byte) (identity.Passkey, error) {
	p, err := r.records.Passkey(ctx, credentialID)
	return p, unknownPasskey(err)
}

// Passkeys lists a person's passkeys, without the revoked ones.
func (r *Registry) Passkeys(ctx context.Context, idNat identity.PSIdNat) ([]identity.Passkey, error) {
	all, err := r.records.PasskeysOf(ctx, idNat)
	return unrevoked(all), err
}

func unrevoked(all []identity.Passkey) []identity.Passkey {
	var list []identity.Passkey
	for _, p := range all {
		if p.State != identity.PasskeyRevoked {
			list = append(list, p)
		}
	}
	return list
}

// AddPasskey keeps a passkey that its holder registered without the desk, and
// rp has verified, if the policy lets them, see Policy.SelfEnrolment. It begins
// as pending, whatever p says: Used, the proof of use, makes it active.
func (r *Registry) AddPasskey(ctx context.Context, p identity.Passkey) error {
	p, err := r.o.Policy.selfEnrolled(p)
	if err != nil {
		return err
	}
	if p, err = r.newPasskey(p); err != nil {
		return err
	}
	return r.records.Change(ctx, func(u Unit) error {
		if err := mayAdd(ctx, u, p); err != nil {
			return err
		}
		if err := u.SavePasskey(ctx, p); err != nil {
			return err
		}
		if err := holdsPasskey(ctx, u, p.CardTokenID); err != nil {
			return err
		}
		return r.recordPasskey(ctx, u, audit.KindPasskeyAdd, p, p.Holder, "")
	})
}

func mayAdd(ctx context.Context, u Unit, p identity.Passkey) error {
	if len(p.ID) == 0 || len(p.ID) > maxCredentialID || len(p.PublicKey) == 0 {
		return errors.New("adding a passkey: no credential id, too long a one, or no public key")
	}
	holder, err := u.Professional(ctx, p.Holder)
	if err != nil {
		return fmt.Errorf("adding a passkey: holder %s: %w", p.Holder, err)
	}
	if !bytes.Equal(holder.UserHandle, p.UserHandle) {
		return fmt.Errorf("adding a passkey: user handle is not that of %s", p.Holder)
	}
	for _, tokenID := range []string{p.CardTokenID, p.Proof.CardTokenID} {
		if err := mayStandOn(ctx, u, tokenID, p.Holder); err != nil {
			return err
		}
	}
	switch _, err := u.Passkey(ctx, p.ID); {
	case err == nil:
		return &Refusal{Reason: ReasonPasskeyExists, Holder: p.Holder}
	case !errors.Is(err, ErrNotFound):
		return err
	}
	all, err := u.PasskeysOf(ctx, p.Holder)
	if err == nil && len(unrevoked(all)) >= maxPasskeys {
		err = &Refusal{Reason: ReasonTooManyPasskeys, Holder: p.Holder, Detail: fmt.Sprintf("%d at most", maxPasskeys)}
	}
	return err
}

// mayStandOn is nil for no card, and for an active card of the holder.
func mayStandOn(ctx context.Context, u Unit, tokenID string, holder identity.PSIdNat) error {
	if tokenID == "" {
		return nil
	}
	card, err := u.Card(ctx, tokenID)
	if err != nil {
		return unknownCard(tokenID, err)
	}
	if card.Holder != holder {
		return &Refusal{Reason: ReasonCardOfAnother, Holder: card.Holder, Card: tokenID}
	}
	return cardRefusal(card)
}

// passkeyName trims a name and refuses what could not be shown.
func passkeyName(name string) (string, error) {
	name = strings.TrimSpace(name)
	refuse := func(detail string) (string, error) {
		return "", &Refusal{Reason: ReasonPasskeyName, Detail: detail}
	}
	switch {
	case name == "":
		return refuse("empty")
	case !utf8.ValidString(name):
		return refuse("not UTF-8")
	case utf8.RuneCountInString(name) > maxName:
		return refuse(fmt.Sprintf("longer than %d characters", maxName))
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return refuse("holds what does not print")
	}
	return name, nil
}

// RenamePasskey gives the holder's passkey another name. Another's passkey is
// as unknown as one that does not exist.
func (r *Registry) RenamePasskey(ctx context.Context, idNat identity.PSIdNat, credentialID []byte, name string) error {
	name, err := passkeyName(name)
	if err != nil {
		return err
	}
	_, err = r.changePasskey(ctx, credentialID, func(p *identity.Passkey) (event string, by identity.PSIdNat, err error) {
		if p.Holder != idNat || p.State == identity.PasskeyRevoked {
			return "", "", &Refusal{Reason: ReasonPasskeyUnknown}
		}
		p.Name = name
		return audit.KindPasskeyRename, idNat, nil
	})
	return err
}

// RemovePasskey revokes the holder's passkey: it is kept for evidence, listed
// no more, and never comes back.
func (r *Registry) RemovePasskey(ctx context.Context, idNat identity.PSIdNat, credentialID []byte) error {
	p, err := r.changePasskey(ctx, credentialID, func(p *identity.Passkey) (event string, by identity.PSIdNat, err error) {
		if p.Holder != idNat || p.State == identity.PasskeyRevoked {
			return "", "", &Refusal{Reason: ReasonPasskeyUnknown}
		}
		p.State, p.StateReason = identity.PasskeyRevoked, reasonRemoved
		return audit.KindPasskeyRemove, idNat, nil
	})
	if err == nil {
		r.tell(ctx, telling{passkeys: []identity.Passkey{p}})
	}
	return err
}

// SuspendPasskey stops one passkey and no card. It does not come back with its
// card.
func (r *Registry) SuspendPasskey(ctx context.Context, act Act, credentialID []byte) error {
	return r.changed(ctx, func(u Unit) (telling, error) {
		if err := r.may(ctx, u, act, rightPasskeys); err != nil {
			return telling{}, err
		}
		return r.suspendPasskey(ctx, u, credentialID, act.Actor(), act.Reason)
	})
}

// PasskeyCopied stops a passkey whose sign count ran backwards: one of two
// copies was used, and nobody knows which. Nobody needs to act.
func (r *Registry) PasskeyCopied(ctx context.Context, credentialID []byte) error {
	return r.changed(ctx, func(u Unit) (telling, error) {
		return r.suspendPasskey(ctx, u, credentialID, "", ReasonSignCount)
	})
}

func (r *Registry) suspendPasskey(ctx context.Context, u Unit, credentialID []byte, by identity.PSIdNat, reason string) (telling, error) {
	p, err := u.Passkey(ctx, credentialID)
	if err != nil {
		return telling{}, unknownPasskey(err)
	}
	if p.State == identity.PasskeyRevoked {
		return telling{}, passkeyRefusal(p)
	}
	p.State, p.StateReason = identity.PasskeySuspended, reason
	if err := u.SavePasskey(ctx, p); err != nil {
		return telling{}, err
	}
	return telling{passkeys: []identity.Passkey{p}}, r.recordPasskey(ctx, u, audit.KindPasskeySuspend, p, by, reason)
}

// Used keeps what a verified assertion changed: count, backup state, time. The
// first use is the proof of use: a pending passkey becomes active. One that was
// suspended or revoked meanwhile is refused.
func (r *Registry) Used(ctx context.Context, used identity.Passkey) error {
	_, err := r.changePasskey(ctx, used.ID, func(p *identity.Passkey) (event string, by identity.PSIdNat, err error) {
		if err := passkeyRefusal(*p); err != nil {
			return "", "", err
		}
		if r.use(p, used) {
			event = audit.KindPasskeyActive
		}
		return event, p.Holder, nil
	})
	return err
}

// use applies a verified assertion, and tells whether it was the first.
func (r *Registry) use(p *identity.Passkey, used identity.Passkey) (first bool) {
	// Two assertions may end in another order than they were made in.
	p.SignCount = max(p.SignCount, used.SignCount)
	p.BackupState = used.BackupState
	p.LastUsedAt = r.o.Now()
	first = p.State == identity.PasskeyPending
	p.State = identity.PasskeyActive
	return first
}

// changePasskey applies change to the passkey as kept, with the event that it
// names, if any, in one transaction.
func (r *Registry) changePasskey(ctx context.Context, credentialID []byte,
	change func(*identity.Passkey) (event string, by identity.PSIdNat, err error)) (identity.Passkey, error) {
	var p identity.Passkey
	err := r.records.Change(ctx, func(u Unit) (err error) {
		if p, err = u.Passkey(ctx, credentialID); err != nil {
			return unknownPasskey(err)
		}
		event, by, err := change(&p)
		if err != nil {
			return err
		}
		if err := u.SavePasskey(ctx, p); err != nil {
			return err
		}
		if event == "" {
			return nil
		}
		return r.recordPasskey(ctx, u, event, p, by, p.StateReason)
	})
	return p, err
}

func (r *Registry) recordPasskey(ctx context.Context, u Unit, kind string, p identity.Passkey, by identity.PSIdNat, reason string) error {
	return r.record(ctx, u, r.passkeyEvent(kind, p, by, reason))
}

func (r *Registry) passkeyEvent(kind string, p identity.Passkey, by identity.PSIdNat, reason string) *audit.Event {
	return &audit.Event{
		Kind: kind, Outcome: audit.Done, Reason: reason, At: r.o.Now(),
		Actor: by, Subject: p.Holder, Approver: p.Proof.Approver, Card: standsOn(p),
		CredentialHash: audit.HashCredential(p.ID), AAGUID: hex.EncodeToString(p.AAGUID[:]),
		Attestation: p.AttestationVerdict, Proof: string(p.Proof.Kind),
		Detail: p.Name,
	}
}
