package store

import (
	"context"
	"slices"
	"strings"

	"cpsgate/enroll"
	"cpsgate/identity"
)

const personColumns = `id_nat, user_handle, family_name, given_name, title, profession, training,
	specialties, structure, employer, roles, proved`

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
		list[string]{&p.Specialties}, &p.Structure, &p.Employer, list[identity.Role]{&p.Roles}, list[identity.Attribute]{&p.Proved})
	return p, err
}

// ProfessionalsOf finds the people of some identifiers.
func (r reader) ProfessionalsOf(ctx context.Context, ids []identity.PSIdNat) (people []identity.Professional, err error) {
	for some := range slices.Chunk(ids, foundAtOnce) {
		var w clause
		in(&w, "id_nat", some)
		rows, err := r.q.QueryContext(ctx, `SELECT `+personColumns+` FROM people`+w.where(), w.args...)
		found, err := all(rows, err, scanPerson)
		if err != nil {
			return nil, err
		}
		people = append(people, found...)
	}
	return people, nil
}

// How many people one statement finds, and writes: SQLite looks each parameter
// up by its name along the list of them, so that longer statements cost more
// than they save.
const (
	foundAtOnce = 100
	savedAtOnce = 10
)

// SaveProfessional makes or updates people; user handles stay.
func (u unit) SaveProfessional(ctx context.Context, people ...identity.Professional) error {
	for some := range slices.Chunk(people, savedAtOnce) {
		var w clause
		rows := make([]string, len(some))
		for i, p := range some {
			rows[i] = w.numbered("(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
				string(p.IdNat), encoding.EncodeToString(p.UserHandle), p.FamilyName, p.GivenName, p.Title, int64(p.Profession), p.Training,
				list[string]{&some[i].Specialties}, string(p.Structure), p.Employer, list[identity.Role]{&some[i].Roles},
				list[identity.Attribute]{&some[i].Proved}, enroll.SearchKey(p), enroll.GivenKey(p))
		}
		_, err := u.q.ExecContext(ctx, `INSERT INTO people (`+personColumns+`, search_key, given_key)
			VALUES `+strings.Join(rows, ", ")+`
			ON CONFLICT (id_nat) DO UPDATE SET
				family_name = excluded.family_name, given_name = excluded.given_name, title = excluded.title,
				profession = excluded.profession, training = excluded.training, specialties = excluded.specialties,
				structure = excluded.structure, employer = excluded.employer, roles = excluded.roles, proved = excluded.proved,
				search_key = excluded.search_key, given_key = excluded.given_key`, w.args...)
		if err != nil {
			return err
		}
	}
	return nil
}
