package store

import (
	"context"

	"cpsgate/enroll"
	"cpsgate/identity"
)

const (
	cardColumns        = `token_id, holder, type, test, generation, state, state_reason, against, first_seen, last_seen`
	certificateColumns = `issuer_key, serial, issuer, fingerprint, token_id, holder, not_before, not_after, seen_at, signer_key`
)

// Card finds a card by token id.
func (r reader) Card(ctx context.Context, tokenID string) (identity.Card, error) {
	return found(scanCard(r.q.QueryRowContext(ctx,
		`SELECT `+cardColumns+` FROM cards WHERE token_id = $1`, tokenID)))
}

// CardsOf lists a person's cards, the last seen first.
func (r reader) CardsOf(ctx context.Context, holder identity.PSIdNat) ([]identity.Card, error) {
	rows, err := r.q.QueryContext(ctx,
		`SELECT `+cardColumns+` FROM cards WHERE holder = $1 ORDER BY last_seen DESC, token_id`, string(holder))
	return all(rows, err, scanCard)
}

// CardsAfter lists all cards in the order of their token ids.
func (r reader) CardsAfter(ctx context.Context, tokenID string, limit int) ([]identity.Card, error) {
	rows, err := r.q.QueryContext(ctx,
		`SELECT `+cardColumns+` FROM cards WHERE token_id > $1 ORDER BY token_id LIMIT $2`, tokenID, limit)
	return all(rows, err, scanCard)
}

func scanCard(r row) (identity.Card, error) {
	var c identity.Card
	err := r.Scan(&c.TokenID, &c.Holder, &c.Type, &c.Test, &c.Generation, &c.State, &c.StateReason, &c.Against,
		micros{&c.FirstSeen}, micros{&c.LastSeen})
	return c, err
}

// SaveCard makes or updates a card; its holder and first sight stay.
func (u unit) SaveCard(ctx context.Context, c identity.Card) error {
	_, err := u.q.ExecContext(ctx, `INSERT INTO cards (`+cardColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (token_id) DO UPDATE SET
			type = excluded.type, test = excluded.test, generation = excluded.generation,
			state = excluded.state, state_reason = excluded.state_reason, against = excluded.against, last_seen = excluded.last_seen`,
		c.TokenID, string(c.Holder), int64(c.Type), c.Test, string(c.Generation), string(c.State), c.StateReason, c.Against,
		at(c.FirstSeen), at(c.LastSeen))
	return err
}

// CertificatesOf lists a card's certificates, the latest first.
func (r reader) CertificatesOf(ctx context.Context, tokenID string) ([]identity.Certificate, error) {
	rows, err := r.q.QueryContext(ctx, `SELECT `+certificateColumns+`
		FROM certificates WHERE token_id = $1 ORDER BY not_before DESC, seen_at DESC, serial`, tokenID)
	return all(rows, err, scanCertificate)
}

func scanCertificate(r row) (identity.Certificate, error) {
	var c identity.Certificate
	err := r.Scan(&c.IssuerKey, &c.Serial, &c.Issuer, &c.Fingerprint, &c.TokenID, &c.Holder,
		micros{&c.NotBefore}, micros{&c.NotAfter}, micros{&c.SeenAt}, &c.SignerKey)
	return c, err
}

// SaveCertificate keeps a certificate, or when it was seen again and who signed it.
func (u unit) SaveCertificate(ctx context.Context, c identity.Certificate) error {
	result, err := u.q.ExecContext(ctx, `INSERT INTO certificates (`+certificateColumns+`)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (issuer_key, serial) DO UPDATE SET seen_at = excluded.seen_at,
			signer_key = CASE WHEN excluded.signer_key = '' THEN certificates.signer_key ELSE excluded.signer_key END
		WHERE certificates.fingerprint = excluded.fingerprint
			AND certificates.token_id = excluded.token_id AND certificates.holder = excluded.holder`,
		c.IssuerKey, c.Serial, c.Issuer, c.Fingerprint, c.TokenID, string(c.Holder),
		at(c.NotBefore), at(c.NotAfter), at(c.SeenAt), c.SignerKey)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n == 1 {
		return err
	}
	return enroll.ErrConflict
}
