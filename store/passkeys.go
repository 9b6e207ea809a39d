package store

import (
	"context"
	"encoding/hex"

	"cpsgate/identity"
)

const passkeyColumns = `credential_id, holder, user_handle, name, public_key, aaguid,
	attestation_format, attestation_type, attestation_verdict, sign_count, transports,
	backup_eligible, backup_state, min_pin_length, card,
	proof_kind, proof_at, proof_card, proof_operator, proof_approver,
	state, state_reason, created_at, last_used_at`

// Passkey finds a passkey by credential id.
func (r reader) Passkey(ctx context.Context, credentialID []byte) (identity.Passkey, error) {
	return found(scanPasskey(r.q.QueryRowContext(ctx,
		`SELECT `+passkeyColumns+` FROM passkeys WHERE credential_id = $1`, encoding.EncodeToString(credentialID))))
}

// PasskeysOf lists a person's passkeys, oldest first.
func (r reader) PasskeysOf(ctx context.Context, holder identity.PSIdNat) ([]identity.Passkey, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT `+passkeyColumns+`
		FROM passkeys WHERE holder = $1 ORDER BY created_at, credential_id`, string(holder))
	return all(rows, err, scanPasskey)
}

// PasskeysOn lists the passkeys that stand on a card, oldest first.
func (r reader) PasskeysOn(ctx context.Context, tokenID string) ([]identity.Passkey, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT `+passkeyColumns+`
		FROM passkeys WHERE stands_on = $1 ORDER BY created_at, credential_id`, tokenID)
	return all(rows, err, scanPasskey)
}

func scanPasskey(r row) (identity.Passkey, error) {
	var p identity.Passkey
	err := r.Scan(base64url{&p.ID}, &p.Holder, base64url{&p.UserHandle}, &p.Name, base64url{&p.PublicKey}, hexadecimal(p.AAGUID[:]),
		&p.AttestationFormat, &p.AttestationType, &p.AttestationVerdict, &p.SignCount, list[string]{&p.Transports},
		&p.BackupEligible, &p.BackupState, &p.MinPINLength, optional{&p.CardTokenID},
		&p.Proof.Kind, micros{&p.Proof.At}, optional{&p.Proof.CardTokenID}, &p.Proof.Operator, &p.Proof.Approver,
		&p.State, &p.StateReason, micros{&p.CreatedAt}, micros{&p.LastUsedAt})
	return p, err
}

// SavePasskey makes a passkey, or updates what of it may change.
func (u unit) SavePasskey(ctx context.Context, p identity.Passkey) error {
	standsOn := p.CardTokenID
	if standsOn == "" {
		standsOn = p.Proof.CardTokenID
	}
	_, err := u.q.ExecContext(ctx, `INSERT INTO passkeys (`+passkeyColumns+`, stands_on)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)
		ON CONFLICT (credential_id) DO UPDATE SET
			name = excluded.name, sign_count = excluded.sign_count, backup_state = excluded.backup_state,
			state = excluded.state, state_reason = excluded.state_reason, last_used_at = excluded.last_used_at`,
		encoding.EncodeToString(p.ID), string(p.Holder), encoding.EncodeToString(p.UserHandle), p.Name,
		encoding.EncodeToString(p.PublicKey), hex.EncodeToString(p.AAGUID[:]),
		p.AttestationFormat, p.AttestationType, p.AttestationVerdict, int64(p.SignCount), list[string]{&p.Transports},
		p.BackupEligible, p.BackupState, int64(p.MinPINLength), orNull(p.CardTokenID),
		string(p.Proof.Kind), at(p.Proof.At), orNull(p.Proof.CardTokenID), string(p.Proof.Operator), string(p.Proof.Approver),
		string(p.State), p.StateReason, at(p.CreatedAt), at(p.LastUsedAt), orNull(standsOn))
	return err
}
