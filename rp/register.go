package rp

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"cpsgate/identity"
)

// FinishRegistration judges the browser's RegistrationResponseJSON by
// WebAuthn L3 §7.1 and this party's policy. The passkey it returns is pending,
// without name, proof or card: those are the caller's to add. A *Refusal says
// why not; any other error means that pending is none of BeginRegistration's.
func (p *RelyingParty) FinishRegistration(pending PendingRegistration, body []byte, now time.Time) (identity.Passkey, error) {
	if err := checkPending(pending.Challenge, pending.UserVerification); err != nil {
		return identity.Passkey{}, err
	}
	if !now.Before(pending.Expires) {
		return identity.Passkey{}, refuse(ReasonExpired, "ended at %s", pending.Expires.UTC().Format(time.RFC3339))
	}
	r, err := readResponse(body)
	if err != nil {
		return identity.Passkey{}, refuse(ReasonMalformed, "%w", err)
	}
	passkey, refusal := p.register(pending, r, now)
	if refusal != nil {
		refusal.CredentialID = r.id
		return identity.Passkey{}, refusal
	}
	return passkey, nil
}

// register follows the order of §7.1, then applies policy: what is refused by
// policy has passed every check of the specification.
func (p *RelyingParty) register(pending PendingRegistration, r *response, now time.Time) (identity.Passkey, *Refusal) {
	if refusal := p.checkClientData(r.clientDataJSON, typeCreate, pending.Challenge); refusal != nil {
		return identity.Passkey{}, refusal
	}
	object, err := readAttestationObject(r.attestationObject)
	if err != nil {
		return identity.Passkey{}, refuse(ReasonMalformed, "%w", err)
	}
	data, err := parseAuthenticatorData(object.authData)
	if err != nil {
		return identity.Passkey{}, refuse(ReasonMalformed, "%w", err)
	}
	if refusal := p.checkFlags(data, pending.UserVerification); refusal != nil {
		return identity.Passkey{}, refusal
	}
	key, refusal := checkCredential(pending, r, data)
	if refusal != nil {
		return identity.Passkey{}, refusal
	}
	statement, err := verifyStatement(object.format, object.statement, attested{
		authenticatorData: data,
		key:               key,
		clientDataHash:    sha256.Sum256(r.clientDataJSON),
	}, now)
	if err != nil {
		return identity.Passkey{}, refuse(ReasonAttestation, "%s: %w", printable(object.format), err)
	}
	verdict, refusal := p.checkRegistrationPolicy(pending, r, data, statement, now)
	if refusal != nil {
		return identity.Passkey{}, refusal
	}
	return identity.Passkey{
		ID:                 slices.Clone(data.credentialID),
		Holder:             pending.Holder,
		UserHandle:         slices.Clone(pending.UserHandle),
		PublicKey:          data.publicKey,
		AAGUID:             data.aaguid,
		AttestationFormat:  object.format,
		AttestationType:    statement.kind,
		AttestationVerdict: verdict,
		SignCount:          data.signCount,
		Transports:         r.transports,
		BackupEligible:     data.flags.HasBackupEligible(),
		BackupState:        data.flags.HasBackupState(),
		MinPINLength:       data.minPINLength,
		State:              identity.PasskeyPending,
		CreatedAt:          now,
	}, nil
}

// checkCredential: §7.1 steps 13 (attested data must be there), 20 (algorithm),
// 25 (length), and that the client reports the id that is attested.
func checkCredential(pending PendingRegistration, r *response, data authenticatorData) (coseKey, *Refusal) {
	if !data.flags.HasAttestedCredentialData() {
		return coseKey{}, refuse(ReasonMalformed, "no attested credential data")
	}
	if !bytes.Equal(r.id, data.credentialID) {
		return coseKey{}, refuse(ReasonMalformed, "the client's credential id is not the attested one")
	}
	alg, err := readCOSEAlgorithm(data.publicKey)
	if err != nil {
		return coseKey{}, refuse(ReasonMalformed, "%w", err)
	}
	if !slices.Contains(pending.Algorithms, alg) {
		return coseKey{}, refuse(ReasonAlgorithm, "COSE algorithm %d was not offered", alg)
	}
	key, err := readCOSEKey(data.publicKey)
	if errors.Is(err, errRSAKey) {
		return coseKey{}, refuse(ReasonAlgorithm, "%w", err)
	}
	if err != nil {
		return coseKey{}, refuse(ReasonMalformed, "%w", err)
	}
	return key, nil
}

// readCOSEAlgorithm reads alg, and refuses parameters beyond those of the
// key's type (WebAuthn L3 §6.5.1).
func readCOSEAlgorithm(raw []byte) (int, error) {
	var parameters map[int64]any
	if err := unmarshalCBOR(raw, &parameters); err != nil {
		return 0, fmt.Errorf("credential public key: %w", err)
	}
	for label := range parameters {
		if label != 1 && label != 3 && (label > -1 || label < -3) {
			return 0, fmt.Errorf("credential public key: parameter %d", label)
		}
	}
	alg, ok := parameters[3].(int64)
	if !ok {
		return 0, fmt.Errorf("credential public key: no algorithm")
	}
	return int(alg), nil
}

// checkRegistrationPolicy is what we demand beyond the specification: every
// option that the browser was given, looked at again.
func (p *RelyingParty) checkRegistrationPolicy(pending PendingRegistration, r *response, data authenticatorData, s statement, now time.Time) (verdict string, _ *Refusal) {
	if data.flags.HasBackupEligible() {
		return "", refuse(ReasonBackupEligible, "flag BE is set")
	}
	if pending.Attachment != "" && r.attachment != "" && r.attachment != pending.Attachment {
		return "", refuse(ReasonAttachment, "attachment %.40q instead of %q", r.attachment, pending.Attachment)
	}
	if r.notResident {
		return "", refuse(ReasonNotDiscoverable, "credProps.rk is false")
	}
	for _, id := range pending.Excluded {
		if bytes.Equal(id, data.credentialID) {
			return "", refuse(ReasonExcluded, "the credential is one of the excluded")
		}
	}
	return p.assess(data, s, now)
}

// printable bounds what an operator's log is given of a made-up name.
func printable(s string) string {
	if s == "" {
		return "no format"
	}
	return fmt.Sprintf("%.40q", s)
}
