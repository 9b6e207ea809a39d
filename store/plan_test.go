package store_test

import (
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// Lists answer in the same time with a hundred people and with a hundred
// thousand: each page is a piece of an index, nothing is read to be thrown
// away, and nothing is sorted but the page itself.
func TestPagesArePiecesOfIndexes(t *testing.T) {
	s := openAt(t, emptyFile(t))
	place := "1000000.x"
	tests := []struct {
		name string
		read func(s reading) error
		sort bool   // a few short pieces are merged
		by   string // the index that the page must be a piece of; "": any
	}{
		{name: "people", read: people(enroll.Range{By: enroll.ByName})},
		{name: "people, next page", read: people(enroll.Range{By: enroll.ByName, After: enroll.Place{Key: "k", IdNat: "8"}})},
		{name: "people by a name", read: people(enroll.Range{By: enroll.ByName, From: "d", To: "d\x7f", After: enroll.Place{Key: "k", IdNat: "8"}})},
		{name: "people by a given name", read: people(enroll.Range{By: enroll.ByGiven, From: "d", To: "d\x7f", After: enroll.Place{Key: "k", IdNat: "8"}})},
		{name: "people by a number", read: people(enroll.Range{By: enroll.ByIdNat, From: "8", To: "8\x7f", After: enroll.Place{IdNat: "8"}})},
		{name: "staff", read: func(s reading) error { _, err := s.Staff(s.t.Context()); return err }},
		{name: "tickets", read: tickets(enroll.TicketQuery{})},
		{name: "tickets, next page", read: tickets(enroll.TicketQuery{After: place})},
		{name: "tickets in a state", read: tickets(enroll.TicketQuery{States: []enroll.TicketState{enroll.TicketOpen}, After: place})},
		{name: "tickets in two states", read: tickets(enroll.TicketQuery{States: []enroll.TicketState{enroll.TicketOpen, enroll.TicketDone}, After: place}), sort: true},
		{name: "an operator's tickets", read: tickets(enroll.TicketQuery{Operator: bob, After: place})},
		{name: "a person's tickets", read: tickets(enroll.TicketQuery{Holder: bob, After: place})},
		{name: "requests", read: approvals(enroll.ApprovalQuery{After: place}), by: "approvals_requested"},
		{name: "requests that wait", read: approvals(enroll.ApprovalQuery{States: []enroll.ApprovalState{enroll.ApprovalWaiting}, After: place}), by: "approvals_state"},
		{name: "audit", read: searching(audit.Query{}), by: "audit_events_at"},
		{name: "audit, next page", read: searching(audit.Query{After: "1.1"}), by: "audit_events_at"},
		{name: "audit of a time", read: searching(audit.Query{From: noon, To: noon.Add(time.Hour), After: "1.1"}), by: "audit_events_at"},
		{name: "audit of a person", read: searching(audit.Query{Person: bob, After: "1.1"}), sort: true, by: "audit_events_subject"},
		{name: "audit of a card", read: searching(audit.Query{Card: cardA, After: "1.1"}), by: "audit_events_card"},
		{name: "audit of a kind", read: searching(audit.Query{Kinds: []string{audit.KindLoginCPS}, After: "1.1"}), by: "audit_events_kind"},
		{name: "audit of two kinds", read: searching(audit.Query{Kinds: []string{"a", "b"}, After: "1.1"}), sort: true, by: "audit_events_kind"},
		{name: "audit of refusals", read: searching(audit.Query{Outcome: audit.Refused, After: "1.1"}), by: "audit_events_refused"},
		{name: "audit of failures", read: searching(audit.Query{Outcome: audit.Failed, After: "1.1"}), by: "audit_events_failed"},
		{name: "audit of a time's failures", read: searching(audit.Query{Outcome: audit.Failed, From: noon, To: noon.Add(time.Hour)}), by: "audit_events_failed"},
		{name: "tickets that are due", read: func(s reading) error { _, err := s.TicketsDue(s.t.Context(), noon, 9); return err }, sort: true},
		{name: "certificates to look at again", read: func(s reading) error { _, err := s.CurrentCertificates(s.t.Context(), cardA, 9); return err }},
		{name: "sessions with grants", read: func(s reading) error { _, err := s.GrantedSessions(s.t.Context(), "s", 9); return err }},
		{name: "clients due", read: func(s reading) error { _, err := s.ClientsDue(s.t.Context(), noon); return err }, sort: true},
		{name: "changes by others", read: func(s reading) error { _, err := s.ChangesAfter(s.t.Context(), 9); return err }, sort: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			plans := 0
			err := tt.read(reading{t, s.Explaining(t, func(plan string) {
				plans++
				if tt.by != "" && !strings.Contains(plan, "INDEX "+tt.by+" ") && !strings.HasSuffix(plan, "INDEX "+tt.by) {
					t.Errorf("not by %s, in\n%s", tt.by, plan)
				}
				for line := range strings.Lines(plan) {
					line = strings.TrimSpace(line)
					scans := strings.HasPrefix(line, "SCAN") && !strings.Contains(line, "INDEX") && !strings.Contains(line, "SCAN piece")
					if scans || strings.Contains(line, "TEMP B-TREE") && !tt.sort {
						t.Errorf("%s, in\n%s", line, plan)
					}
				}
			})})
			if err != nil || plans == 0 {
				t.Errorf("%d plans, %v", plans, err)
			}
		})
	}
}

type reading struct {
	t *testing.T
	backend
}

func people(r enroll.Range) func(reading) error {
	return func(s reading) error {
		r.Limit = 9
		_, err := s.PeopleBetween(s.t.Context(), r)
		return err
	}
}

func tickets(q enroll.TicketQuery) func(reading) error {
	return func(s reading) error {
		q.Limit = 9
		_, err := s.TicketPage(s.t.Context(), q)
		return err
	}
}

func approvals(q enroll.ApprovalQuery) func(reading) error {
	return func(s reading) error {
		q.Limit = 9
		_, err := s.ApprovalPage(s.t.Context(), q)
		return err
	}
}

func searching(q audit.Query) func(reading) error {
	return func(s reading) error {
		_, err := s.Search(s.t.Context(), q)
		return err
	}
}
