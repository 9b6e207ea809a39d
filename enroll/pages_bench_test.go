package enroll_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/store"
)

// crowded is a desk with n people, and as many cards with their
// certificates, tickets and events.
func crowded(tb testing.TB, n int) *desk {
	tb.Helper()
	d := deskOn(tb, nil)
	act := enroll.Act{Console: true}
	var csv strings.Builder
	csv.WriteString("rpps,family_name,given_name\n")
	for i := range n {
		fmt.Fprintf(&csv, "%s,EXEMPLE %s,%s\n", rpps(i), letters(i*7919%n), letters(i))
	}
	report, err := d.ImportPeople(tb.Context(), act, strings.NewReader(csv.String()), enroll.ImportOptions{})
	if err != nil || report.Added != n {
		tb.Fatalf("%+v, %v", report, err)
	}
	err = d.store.Change(tb.Context(), func(u enroll.Unit) error { return crowd(tb.Context(), u, d.log, n) })
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func crowd(ctx context.Context, u enroll.Unit, log *audit.Log, n int) error {
	for i := range n {
		who, token := identity.PSIdNat("8"+rpps(i)), fmt.Sprintf("8025000001/%010d", i)
		at := noon.Add(time.Duration(i) * time.Second)
		card := identity.Card{TokenID: token, Holder: who, State: identity.CardActive, FirstSeen: at, LastSeen: at}
		if err := u.SaveCard(ctx, card); err != nil {
			return err
		}
		certificate := holder(who, token, fmt.Sprintf("%X", i)).Certificate
		certificate.TokenID, certificate.Holder = token, who
		if err := u.SaveCertificate(ctx, certificate); err != nil {
			return err
		}
		t := enroll.TicketRecord{Ticket: enroll.Ticket{
			ID: fmt.Sprint(i), State: enroll.TicketDone, Holder: who, Operator: carol, OpenedAt: at, ExpiresAt: at,
		}, CodeHash: fmt.Sprint(i)}
		if err := u.SaveTicket(ctx, t); err != nil {
			return err
		}
		login := audit.Event{Kind: audit.KindLoginCPS, Outcome: audit.Accepted, At: at, Subject: who, Card: token}
		if err := log.RecordIn(ctx, u, &login); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkListPages answers how much slower a list's page is with 100,000
// people than with 100: compare the two of each name.
func BenchmarkListPages(b *testing.B) {
	for _, n := range []int{100, 100_000} {
		d := crowded(b, n)
		pages := pagesOf(b, d, n)
		for _, p := range pages {
			b.Run(fmt.Sprintf("%s/%d", p.name, n), func(b *testing.B) {
				for b.Loop() {
					if rows := p.page(b); rows == 0 {
						b.Fatal("no rows")
					}
				}
			})
		}
		_ = d.store.Close()
	}
}

type benchPage struct {
	name string
	page func(testing.TB) int
}

func pagesOf(tb testing.TB, d *desk, n int) []benchPage {
	people := func(q enroll.PeopleQuery) func(testing.TB) int {
		return func(tb testing.TB) int {
			page, err := d.SearchPeople(tb.Context(), q)
			if err != nil {
				tb.Fatal(err)
			}
			return len(page.People)
		}
	}
	middle := d.middle(tb, n)
	return []benchPage{
		{"people-first", people(enroll.PeopleQuery{Limit: 50})},
		{"people-middle", people(enroll.PeopleQuery{Limit: 50, After: middle})},
		{"people-name", people(enroll.PeopleQuery{Limit: 50, Text: "exemple"})},
		{"people-number", people(enroll.PeopleQuery{Limit: 50, Text: rpps(7)})},
		{"tickets", func(tb testing.TB) int {
			page, err := d.Tickets(tb.Context(), enroll.TicketQuery{States: []enroll.TicketState{enroll.TicketDone}})
			if err != nil {
				tb.Fatal(err)
			}
			return len(page.Tickets)
		}},
		{"audit", searching(d.store, audit.Query{})},
		{"audit-person", searching(d.store, audit.Query{Person: identity.PSIdNat("8" + rpps(3))})},
		{"audit-kind", searching(d.store, audit.Query{Kinds: []string{audit.KindLoginCPS}, From: noon, To: noon.Add(time.Minute)})},
	}
}

// middle is the cursor in the middle of the list.
func (d *desk) middle(tb testing.TB, n int) string {
	cursor := ""
	for range n / 2 / 200 {
		page, err := d.SearchPeople(tb.Context(), enroll.PeopleQuery{Limit: 200, After: cursor})
		if err != nil {
			tb.Fatal(err)
		}
		cursor = page.Next
	}
	return cursor
}

func searching(s *store.Store, q audit.Query) func(testing.TB) int {
	return func(tb testing.TB) int {
		page, err := s.Search(tb.Context(), q)
		if err != nil {
			tb.Fatal(err)
		}
		return len(page.Events)
	}
}
