package enroll

import (
	"context"
	"errors"
	"io"

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
		return r.record(ctx, u, r.event(act, audit.KindPeopleExport))
	})
	if err != nil {
		return 0, err
	}
	table := NewTable(out)
	head := []string{fieldIdNat}
	for _, a := range attributes {
		head = append(head, string(a.name))
	}
	err = table.Row(head...)
	for page := (Range{By: ByIdNat, Limit: progressEvery}); err == nil; {
		var people []identity.Professional
		if people, err = r.records.PeopleBetween(ctx, page); err != nil || len(people) == 0 {
			break
		}
		for _, p := range people {
			err = errors.Join(err, table.Row(personCells(p)...))
		}
		n += len(people)
		page.After = Place{IdNat: string(people[len(people)-1].IdNat)}
	}
	return n, errors.Join(err, table.Flush())
}

func personCells(p identity.Professional) []string {
	cells := []string{string(p.IdNat)}
	for _, a := range attributes {
		cells = append(cells, a.text(p))
	}
	return cells
}
