package enroll

import (
	"context"
	"slices"

	"cpsgate/identity"
)

// mergePeople compares each row with what is known and, given a writer, keeps
// what differs. It goes by many at once: nobody else writes meanwhile.
func mergePeople(ctx context.Context, u People, w Writer, people []peopleRow, report *ImportReport, progress func(int)) error {
	var notes rowErrors
	done := 0
	for rows := range slices.Chunk(people, progressEvery) {
		known, err := knownPeople(ctx, u, rows)
		if err != nil {
			return err
		}
		var differing []identity.Professional
		for _, row := range rows {
			next, differs, err := row.merge(known, report, &notes)
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
	report.Notes, report.MoreNotes = notes.list, notes.more
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

// merge is the person with what the row says, and counts them. What a
// certificate said of them stays: it is noted, cell by cell.
func (r peopleRow) merge(known map[identity.PSIdNat]identity.Professional, report *ImportReport, notes *rowErrors) (next identity.Professional, differs bool, err error) {
	before, found := known[r.idNat]
	if !found {
		if before, err = newPerson(r.idNat); err != nil {
			return next, false, err
		}
	}
	next = before
	for _, a := range attributes {
		switch {
		case !slices.Contains(r.said, a.name) || a.same(before, r.says):
		case before.HasProved(a.name) && a.said(before):
			notes.add(r.line, wrong(FaultProved, string(a.name), a.text(r.says), "%s: stays %q, as the card says; the file has %q",
				a.name, a.text(before), a.text(r.says)))
		default:
			a.take(&next, r.says)
			next.Proved = slices.DeleteFunc(slices.Clone(next.Proved), func(p identity.Attribute) bool { return p == a.name })
			differs = true
		}
	}
	switch {
	case !found:
		report.Added++
	case !differs:
		report.Unchanged++
	default:
		report.Changed++
	}
	return next, differs || !found, nil
}
