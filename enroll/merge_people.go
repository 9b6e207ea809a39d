package enroll

import (
	"context"
	"slices"

	"cpsgate/identity"
)

// mergePeople compares each row with what is known and, given a writer, keeps
// what differs. It goes by many at once: nobody else writes meanwhile.
func mergePeople(ctx context.Context, u People, w Writer, people []peopleRow, report *ImportReport, progress func(int)) error {
	done := 0
	for rows := range slices.Chunk(people, progressEvery) {
		known, err := knownPeople(ctx, u, rows)
		if err != nil {
			return err
		}
		var differing []identity.Professional
		for _, row := range rows {
			next, differs, err := row.merge(known, report)
			if err != nil {
				return err
			}
			if differs {
				differing = append(differing, next)
			}
		}
		if w != nil {
			if err := w.SaveProfessional(ctx, differing...); err != nil {
				return err
			}
		}
		if done += len(rows); progress != nil {
			progress(done)
		}
	}
	return nil
}

func knownPeople(ctx context.Context, u People, rows []peopleRow) (map[identity.PSIdNat]identity.Professional, error) {
	ids := make([]identity.PSIdNat, len(rows))
	for i, row := range rows {
		ids[i] = row.idNat
	}
	list, err := u.ProfessionalsOf(ctx, ids)
	known := make(map[identity.PSIdNat]identity.Professional, len(list))
	for _, p := range list {
		known[p.IdNat] = p
	}
	return known, err
}

// merge is the person with what the row says, and counts them.
func (r peopleRow) merge(known map[identity.PSIdNat]identity.Professional, report *ImportReport) (next identity.Professional, differs bool, err error) {
	before, found := known[r.idNat]
	if !found {
		if before, err = newPerson(r.idNat); err != nil {
			return next, false, err
		}
	}
	next = before
	for _, change := range r.changes {
		change(&next)
	}
	switch {
	case !found:
		report.Added++
	case samePerson(before, next):
		report.Unchanged++
		return next, false, nil
	default:
		report.Changed++
	}
	return next, true, nil
}

func samePerson(a, b identity.Professional) bool {
	return a.FamilyName == b.FamilyName && a.GivenName == b.GivenName && a.Title == b.Title &&
		a.Profession == b.Profession && a.Training == b.Training && a.Structure == b.Structure &&
		a.Employer == b.Employer && slices.Equal(a.Specialties, b.Specialties)
}
