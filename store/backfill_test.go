package store_test

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/store"
)

// What a certificate had said before there was a place to note it counts as said.
func TestOlderPeopleAreAsTheirCertificatesSaid(t *testing.T) {
	path := emptyFile(t)
	store.MigrateTo(t, path, 22)
	for id, handle := range map[identity.PSIdNat]string{alice: "YQ", bob: "Yg"} {
		execute(t, path, `INSERT INTO people VALUES ('`+string(id)+`', '`+handle+`', 'EXEMPLE', 'Infirmière', '', 60, FALSE, '[]', '', '', '[]', '', '')`)
	}
	execute(t, path, `INSERT INTO cards VALUES ('`+cardA+`', '`+string(alice)+`', 0, FALSE, '', 'active', '', 1, 1)`)
	execute(t, path, `INSERT INTO certificates VALUES ('aa', '01', 'CN=TEST', 'f', '`+cardA+`', '`+string(alice)+`', 1, 2, 1)`)
	s := openAt(t, path)
	for id, want := range map[identity.PSIdNat]bool{alice: true, bob: false} {
		p, err := s.Professional(t.Context(), id)
		if err != nil || p.HasProved(identity.AttributeProfession) != want || p.HasProved(identity.AttributeStructure) != want {
			t.Errorf("%s: %q, %v", id, p.Proved, err)
		}
	}
}

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

// A card that held a passkey before that told its generation is a CPS4.
func TestOlderCardsWithPasskeysAreCPS4(t *testing.T) {
	path := emptyFile(t)
	s := openAt(t, path)
	bare, holding := card(cardB, bob), card(cardA, alice)
	bare.Generation, holding.Generation = "", ""
	k := passkey("k", alice, cardA)
	change(t, s, func(ctx context.Context, u enroll.Unit) error {
		return errors.Join(u.SaveProfessional(ctx, person(alice), person(bob)), u.SaveCard(ctx, bare), u.SaveCard(ctx, holding), u.SavePasskey(ctx, k))
	})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	execute(t, path, `ALTER TABLE certificates DROP COLUMN signer_key; DELETE FROM goose_db_version WHERE version_id >= 26`)
	s = openAt(t, path)
	for id, want := range map[string]identity.Generation{cardA: identity.GenerationCPS4, cardB: identity.GenerationUnknown} {
		if c, err := s.Card(t.Context(), id); err != nil || c.Generation != want {
			t.Errorf("%+v, %v", c, err)
		}
	}
}
