package store_test

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// recorded are events an hour apart: their last letters say who is in them.
func recorded(t *testing.T, b backend) []audit.Event {
	t.Helper()
	events := []audit.Event{
		{Kind: audit.KindLoginCPS, Outcome: audit.Accepted, Actor: alice, Subject: alice, Card: cardA},
		{Kind: audit.KindLoginFIDO2, Outcome: audit.Refused, Reason: "expired", Subject: alice},
		{Kind: audit.KindCardState, Outcome: audit.Done, Actor: bob, Subject: alice, Card: cardA},
		{Kind: audit.KindRoleGrant, Outcome: audit.Done, Actor: bob, Approver: alice, Subject: bob},
		{Kind: audit.KindLoginCPS, Outcome: audit.Refused, Reason: "revoked", Subject: bob, Card: cardB},
		{Kind: audit.KindCardState, Outcome: audit.Failed, Card: cardB},
	}
	log := audit.New(b, audit.Options{})
	for i := range events {
		events[i].At = noon.Add(time.Duration(i) * time.Hour)
		if err := log.Record(t.Context(), &events[i]); err != nil {
			t.Fatal(err)
		}
	}
	return events
}

func contractSearch(t *testing.T, b backend) {
	events := recorded(t, b)
	find := func(q audit.Query) (numbers string) {
		t.Helper()
		for e, err := range audit.Found(t.Context(), b, q) {
			if err != nil {
				t.Fatal(err)
			}
			same(t, "found whole", e, nil, events[e.Sequence-1])
			numbers += fmt.Sprint(e.Sequence)
		}
		return numbers
	}
	for name, tt := range map[string]struct {
		q    audit.Query
		want string
	}{
		"everything, the latest first":     {audit.Query{}, "654321"},
		"who acted, is meant, or approved": {audit.Query{Person: alice}, "4321"},
		"another":                          {audit.Query{Person: bob}, "543"},
		"nobody":                           {audit.Query{Person: "8"}, ""},
		"a card":                           {audit.Query{Card: cardA}, "31"},
		"a kind":                           {audit.Query{Kinds: []string{audit.KindLoginCPS}}, "51"},
		"kinds":                            {audit.Query{Kinds: []string{audit.KindLoginCPS, audit.KindRoleGrant}}, "541"},
		"an outcome":                       {audit.Query{Outcome: audit.Refused}, "52"},
		"another outcome":                  {audit.Query{Outcome: audit.Done}, "43"},
		"the rarest outcome":               {audit.Query{Outcome: audit.Failed}, "6"},
		"from a time on":                   {audit.Query{From: noon.Add(3 * time.Hour)}, "654"},
		"before a time":                    {audit.Query{To: noon.Add(3 * time.Hour)}, "321"},
		"all of it":                        {audit.Query{Person: bob, Card: cardB, Kinds: []string{audit.KindLoginCPS}, Outcome: audit.Refused, From: noon, To: noon.Add(5 * time.Hour)}, "5"},
		"a person's, of a kind, in a time": {audit.Query{Person: alice, Kinds: []string{audit.KindCardState, audit.KindLoginCPS}, From: noon.Add(time.Hour)}, "3"},
		"what SQL would take":              {audit.Query{Card: "' OR 1=1 --"}, ""},
	} {
		if got := find(tt.q); got != tt.want {
			t.Errorf("%s: %s, want %s", name, got, tt.want)
		}
	}
	for _, q := range []audit.Query{{Limit: 2}, {Limit: 2, Person: alice}, {Limit: 1, Outcome: audit.Refused}} {
		page, err := b.Search(t.Context(), q)
		if err != nil || len(page.Events) != q.Limit || page.Next == "" {
			t.Fatalf("%+v, %v", page, err)
		}
		q.After = page.Next
		next, err := b.Search(t.Context(), q)
		if err != nil || len(next.Events) == 0 || next.Events[0].Sequence >= page.Events[q.Limit-1].Sequence {
			t.Errorf("%+v, %v", next, err)
		}
	}
	for _, cursor := range []string{"x", "1", "1.", "1.-1", ".1"} {
		if _, err := b.Search(t.Context(), audit.Query{After: cursor}); !errors.Is(err, audit.ErrCursor) {
			t.Errorf("%q: %v", cursor, err)
		}
	}
}

func contractPrune(t *testing.T, b backend) {
	events := recorded(t, b)
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	now := noon
	var archived []uint64
	durable := 0
	policy := audit.Retention{
		Log: audit.New(b, audit.Options{Now: func() time.Time { return now }}), Ledger: b, Key: key, Keep: audit.LeastRetention,
		Archive:  func(e audit.Event) error { archived = append(archived, e.Sequence); return nil },
		Archived: func() error { durable++; return nil },
	}
	prune := func(wantPruned uint64, wantArchived int) audit.Checkpoint {
		t.Helper()
		archived = nil
		c, err := policy.Prune(t.Context(), audit.Event{Actor: "console", Reason: "test"})
		if err != nil || c.Pruned != wantPruned || len(archived) != wantArchived {
			t.Fatalf("%+v, %v; archived %v", c, err, archived)
		}
		return c
	}
	prune(0, 0)
	now = noon.Add(audit.LeastRetention + 2*time.Hour) // the third is just that old
	first := prune(2, 2)
	if first.Sequence != 2 || first.Hash != events[1].Hash || !first.Signed() || durable != 1 {
		t.Errorf("%+v", first)
	}
	whole(t, b, audit.Expected{}, 5, "")
	prune(0, 0)
	now = now.Add(time.Hour)
	second := prune(1, 1)
	if second.From != first.Tail {
		t.Errorf("%+v", second)
	}
	whole(t, b, audit.Expected{Signer: audit.Fingerprint(key.Public().(ed25519.PublicKey))}, 5, "")
	whole(t, b, audit.Expected{Signer: "another"}, 5, "signature 2")
	whole(t, b, audit.Expected{Checkpoints: []audit.Tail{{Sequence: 1}, {Sequence: 2, Hash: events[1].Hash}, {Sequence: 4, Hash: events[3].Hash}}}, 5, "")
	whole(t, b, audit.Expected{Checkpoints: []audit.Tail{{Sequence: 2}}}, 5, "checkpoint 2")
	if _, err := b.Event(t.Context(), events[0].ID); !errors.Is(err, enroll.ErrNotFound) {
		t.Errorf("still there: %v", err)
	}
	last, err := b.Search(t.Context(), audit.Query{Kinds: []string{audit.KindAuditPrune}})
	if err != nil || len(last.Events) != 2 || last.Events[0].Actor != "console" || last.Events[0].Reason != "test" {
		t.Errorf("%+v, %v", last, err)
	}

	policy.Archived = func() error { return errChanged }
	now = now.Add(10 * time.Hour)
	if _, err := policy.Prune(t.Context(), audit.Event{}); !errors.Is(err, errChanged) {
		t.Errorf("pruned what was not archived: %v", err)
	}
	whole(t, b, audit.Expected{}, 5, "")
	for name, bad := range map[string]func(*audit.Retention){
		"a day":     func(r *audit.Retention) { r.Keep = 24 * time.Hour },
		"no key":    func(r *audit.Retention) { r.Key = nil },
		"no log":    func(r *audit.Retention) { r.Log = nil },
		"no ledger": func(r *audit.Retention) { r.Ledger = nil },
	} {
		r := policy
		bad(&r)
		if _, err := r.Prune(t.Context(), audit.Event{}); !errors.Is(err, audit.ErrRetention) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// whole verifies the chain, its checkpoints included; fault is the one expected.
func whole(t *testing.T, b backend, expected audit.Expected, events uint64, fault string) {
	t.Helper()
	err := b.Chain(t.Context(), func(c audit.Chain) error {
		expected.End, expected.Signed = &c.Tail, c.Signed
		report, err := audit.Verify(c.Events, expected)
		got := ""
		if len(report.Faults) > 0 {
			got = fmt.Sprint(report.Faults[0].Kind, " ", report.Faults[0].Sequence)
		}
		if report.Events != events || got != fault {
			t.Errorf("%+v, want %q", report, fault)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

// What the search's columns say must be what the event says.
func TestAnEditedEventIsNotFoundAsIfItWereOne(t *testing.T) {
	path := emptyFile(t)
	s := openAt(t, path)
	recorded(t, s)
	execute(t, path, `UPDATE audit_events SET reason = 'x' WHERE sequence = 2`)
	_, err := s.Search(context.Background(), audit.Query{Person: alice})
	var fault *audit.Fault
	if !errors.As(err, &fault) || fault.Sequence != 2 {
		t.Errorf("error %v", err)
	}
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	policy := audit.Retention{
		Log: audit.New(s, audit.Options{Now: func() time.Time { return noon.AddDate(9, 0, 0) }}), Ledger: s, Key: key, Keep: audit.LeastRetention,
	}
	if _, err := policy.Prune(t.Context(), audit.Event{}); !errors.As(err, &fault) {
		t.Errorf("evidence was pruned: %v", err)
	}
}
