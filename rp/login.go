package rp

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"slices"
	"time"

	"cpsgate/identity"
)

// Assertion is an accepted login.
type Assertion struct {
	// Passkey is the stored one with the new sign count and time of use.
	Passkey      identity.Passkey
	UserVerified bool
	// SignCountRegressed: the count did not rise and the policy is to record
	// it. A copy of the credential may exist.
	SignCountRegressed bool
	PreviousSignCount  uint32
}

// FinishLogin judges the browser's AuthenticationResponseJSON by WebAuthn L3
// §7.2 and this party's policy. find gives the stored passkey with that
// credential id, ErrUnknownPasskey when there is none; userHandle is what the
// response claims and FinishLogin compares it itself. A *Refusal says why not;
// find's own errors come back wrapped, and so does a pending value that is
// none of BeginLogin's.
func (p *RelyingParty) FinishLogin(pending PendingLogin, body []byte, find func(credentialID, userHandle []byte) (identity.Passkey, error), now time.Time) (Assertion, error) {
	if err := checkPending(pending.Challenge, pending.UserVerification); err != nil {
		return Assertion{}, err
	}
	if !now.Before(pending.Expires) {
		return Assertion{}, refuse(ReasonExpired, "ended at %s", pending.Expires.UTC().Format(time.RFC3339))
	}
	r, err := readResponse(body)
	if err != nil {
		return Assertion{}, refuse(ReasonMalformed, "%w", err)
	}
	data, refusal := p.checkAnswer(pending, r)
	if refusal != nil {
		refusal.CredentialID = r.id
		return Assertion{}, refusal
	}
	passkey, err := find(r.id, r.userHandle)
	if errors.Is(err, ErrUnknownPasskey) {
		return Assertion{}, &Refusal{Reason: ReasonPasskeyUnknown, Detail: err.Error(), CredentialID: r.id, Err: err}
	}
	if err != nil {
		return Assertion{}, fmt.Errorf("finding passkey: %w", err)
	}
	assertion, refusal := p.checkAssertion(pending, r, data, passkey)
	if refusal != nil {
		refusal.CredentialID, refusal.Claimed = r.id, &passkey
		return Assertion{}, refusal
	}
	assertion.Passkey.LastUsedAt = now
	return assertion, nil
}

// checkAnswer is what can be judged before knowing the passkey: §7.2 steps 5, 6
// (a user handle is there) and 10 to 18.
func (p *RelyingParty) checkAnswer(pending PendingLogin, r *response) (authenticatorData, *Refusal) {
	if len(r.signature) == 0 || len(r.authenticatorData) == 0 {
		return authenticatorData{}, refuse(ReasonMalformed, "%w", errMember)
	}
	if len(pending.Allowed) == 0 && len(r.userHandle) == 0 {
		return authenticatorData{}, refuse(ReasonUserHandle, "no user handle")
	}
	if len(pending.Allowed) > 0 && !slices.ContainsFunc(pending.Allowed, func(id []byte) bool { return bytes.Equal(id, r.id) }) {
		return authenticatorData{}, refuse(ReasonPasskeyUnknown, "not one of the credentials allowed")
	}
	if refusal := p.checkClientData(r.clientDataJSON, typeGet, pending.Challenge); refusal != nil {
		return authenticatorData{}, refusal
	}
	data, err := parseAuthenticatorData(r.authenticatorData)
	if err != nil {
		return authenticatorData{}, refuse(ReasonMalformed, "%w", err)
	}
	// L3 §6.1: for assertion signatures the AT flag must not be set.
	if data.flags.HasAttestedCredentialData() {
		return authenticatorData{}, refuse(ReasonMalformed, "an assertion with attested credential data")
	}
	return data, p.checkFlags(data, pending.UserVerification)
}

// checkAssertion is the rest of §7.2, steps 6 and 19 to 25, then policy.
func (p *RelyingParty) checkAssertion(pending PendingLogin, r *response, data authenticatorData, passkey identity.Passkey) (Assertion, *Refusal) {
	if !bytes.Equal(passkey.ID, r.id) {
		return Assertion{}, refuse(ReasonPasskeyUnknown, "another credential was found")
	}
	if (len(pending.Allowed) == 0 || len(r.userHandle) > 0) &&
		(len(passkey.UserHandle) == 0 || subtle.ConstantTimeCompare(passkey.UserHandle, r.userHandle) != 1) {
		return Assertion{}, refuse(ReasonUserHandle, "not the user handle that the credential was made for")
	}
	if data.flags.HasBackupEligible() != passkey.BackupEligible {
		return Assertion{}, refuse(ReasonBackupState, "flag BE has changed since registration")
	}
	clientDataHash := sha256.Sum256(r.clientDataJSON)
	if err := verifySignature(passkey.PublicKey, slices.Concat(r.authenticatorData, clientDataHash[:]), r.signature); err != nil {
		return Assertion{}, refuse(ReasonSignature, "%w", err)
	}
	// §7.2 step 22: authenticators without a counter stay at zero.
	regressed := (data.signCount != 0 || passkey.SignCount != 0) && data.signCount <= passkey.SignCount
	if regressed && p.o.SignCount != SignCountRecord {
		return Assertion{}, refuse(ReasonSignCount, "count %d after %d", data.signCount, passkey.SignCount)
	}
	if data.flags.HasBackupEligible() {
		return Assertion{}, refuse(ReasonBackupEligible, "flag BE is set")
	}
	if refusal := p.checkStored(passkey.AttestationFormat, passkey.AttestationVerdict, passkey.AAGUID); refusal != nil {
		return Assertion{}, refusal
	}
	previous := passkey.SignCount
	passkey.SignCount, passkey.BackupState = data.signCount, data.flags.HasBackupState()
	return Assertion{
		Passkey:            passkey,
		UserVerified:       data.flags.HasUserVerified(),
		SignCountRegressed: regressed,
		PreviousSignCount:  previous,
	}, nil
}
