package store_test

import (
	"encoding/hex"
	"fmt"
	"testing"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/store"
)

// A store from before the desk is searched like one of today.
func TestAnOlderStoreIsBroughtUpToDate(t *testing.T) {
	path := emptyFile(t)
	store.MigrateTo(t, path, 3)
	execute(t, path, `INSERT INTO people VALUES ('`+string(alice)+`', 'aGFuZGxl', 'ÉXEMPLE', 'Infirmière', '', 60, FALSE, '[]', '', '', '[]')`)
	events := recorded(t, openAt(t, emptyFile(t)))
	for _, e := range events {
		encoded, err := e.Encode()
		if err != nil {
			t.Fatal(err)
		}
		execute(t, path, fmt.Sprintf(`INSERT INTO audit_events VALUES (%d, '%s', '%s', '%s', %d, '%s', '%s', '%s', '%s', '%s', '%s')`,
			e.Sequence, e.ID, hex.EncodeToString(e.Previous[:]), hex.EncodeToString(e.Hash[:]), e.At.UnixMicro(),
			e.Kind, e.Outcome, e.Actor, e.Subject, e.Card, encoded))
	}
	last := events[len(events)-1]
	execute(t, path, fmt.Sprintf(`UPDATE audit_tail SET sequence = %d, hash = '%s'`, last.Sequence, hex.EncodeToString(last.Hash[:])))

	s := openAt(t, path)
	intact(t, s, uint64(len(events)))
	page, err := s.Search(t.Context(), audit.Query{Person: alice})
	if err != nil || len(page.Events) != 4 || page.Events[0].Approver != alice {
		t.Errorf("%+v, %v", page, err)
	}
	for _, by := range []enroll.Range{
		{By: enroll.ByName, From: "exemple", To: "exemplf", Limit: 1}, {By: enroll.ByGiven, From: "infirmiere e", To: "infirmiere f", Limit: 1},
	} {
		people, err := s.PeopleBetween(t.Context(), by)
		if err != nil || len(people) != 1 || people[0].IdNat != alice {
			t.Errorf("%+v, %v", people, err)
		}
	}
}
