package store

import (
	"context"

	"cpsgate/enroll"
	"cpsgate/identity"
)

const personColumns = `id_nat, user_handle, family_name, given_name, title, profession, training,
	specialties, structure, employer, roles`

// Professional finds a person by PS_IdNat.
func (r reader) Professional(ctx context.Context, idNat identity.PSIdNat) (identity.Professional, error) {
	return found(scanPerson(r.q.QueryRowContext(ctx,
		`SELECT `+personColumns+` FROM people WHERE id_nat = $1`, string(idNat))))
}

// ProfessionalByHandle finds a person by WebAuthn user handle.
func (r reader) ProfessionalByHandle(ctx context.Context, userHandle []byte) (identity.Professional, error) {
	return found(scanPerson(r.q.QueryRowContext(ctx,
		`SELECT `+personColumns+` FROM people WHERE user_handle = $1`, encoding.EncodeToString(userHandle))))
}

func scanPerson(r row) (identity.Professional, error) {
	var p identity.Professional
	err := r.Scan(&p.IdNat, base64url{&p.UserHandle}, &p.FamilyName, &p.GivenName, &p.Title, &p.Profession, &p.Training,
		list[string]{&p.Specialties}, &p.Structure, &p.Employer, list[identity.Role]{&p.Roles})
	return p, err
}

// SaveProfessional makes or updates a person; the user handle stays.
func (u unit) SaveProfessional(ctx context.Context, p identity.Professional) error {
	_, err := u.q.ExecContext(ctx, `INSERT INTO people (`+personColumns+`, search_key, given_key)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (id_nat) DO UPDATE SET
			family_name = excluded.family_name, given_name = excluded.given_name, title = excluded.title,
			profession = excluded.profession, training = excluded.training, specialties = excluded.specialties,
			structure = excluded.structure, employer = excluded.employer, roles = excluded.roles,
			search_key = excluded.search_key, given_key = excluded.given_key`,
		string(p.IdNat), encoding.EncodeToString(p.UserHandle), p.FamilyName, p.GivenName, p.Title, int64(p.Profession), p.Training,
		list[string]{&p.Specialties}, string(p.Structure), p.Employer, list[identity.Role]{&p.Roles}, enroll.SearchKey(p), enroll.GivenKey(p))
	return err
}
