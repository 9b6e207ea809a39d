package enroll

import (
	"context"
	"encoding/csv"
	"errors"
	"io"
	"strconv"
	"strings"

	"cpsgate/audit"
	"cpsgate/identity"
)

// ExportPeople writes everybody as CSV, in the order of their PS_IdNat, as
// ImportPeople reads it. That they were given out is recorded first.
func (r *Registry) ExportPeople(ctx context.Context, act Act, out io.Writer) (n int, err error) {
	err = r.records.Change(ctx, func(u Unit) error {
		if err := r.may(ctx, u, act, rightPeople); err != nil {
			return err
		}
		return r.o.Audit.RecordIn(ctx, u, r.event(act, audit.KindPeopleExport))
	})
	if err != nil {
		return 0, err
	}
	w := csv.NewWriter(out)
	err = w.Write([]string{
		fieldIdNat, fieldFamilyName, fieldGivenName, fieldTitle, fieldProfession,
		fieldTraining, fieldSpecialties, fieldStructure, fieldEmployer,
	})
	for page := (Range{By: ByIdNat, Limit: progressEvery}); err == nil; {
		var people []identity.Professional
		if people, err = r.records.PeopleBetween(ctx, page); err != nil || len(people) == 0 {
			break
		}
		for _, p := range people {
			err = errors.Join(err, w.Write(personCells(p)))
		}
		n += len(people)
		page.After = Place{IdNat: string(people[len(people)-1].IdNat)}
	}
	w.Flush()
	return n, errors.Join(err, w.Error())
}

func personCells(p identity.Professional) []string {
	profession := ""
	if p.Profession != 0 {
		profession = strconv.Itoa(int(p.Profession))
	}
	return []string{
		string(p.IdNat), p.FamilyName, p.GivenName, p.Title, profession,
		strconv.FormatBool(p.Training), strings.Join(p.Specialties, " "), string(p.Structure), p.Employer,
	}
}
