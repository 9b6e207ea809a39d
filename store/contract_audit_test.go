package store_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
)

func contractChain(t *testing.T, b backend) {
	log := audit.New(b, audit.Options{Now: func() time.Time { return noon }})
	var recorded []audit.Event
	for i := range 5 {
		e := audit.Event{Kind: audit.KindLoginCPS, Outcome: audit.Accepted, Subject: alice, Card: cardA, Detail: fmt.Sprint("n° ", i)}
		if err := log.Record(t.Context(), &e); err != nil {
			t.Fatal(err)
		}
		recorded = append(recorded, e)
	}
	e := audit.Event{ID: recorded[0].ID, Kind: "x", Outcome: audit.Done}
	if err := log.Record(t.Context(), &e); !errors.Is(err, audit.ErrDuplicateID) {
		t.Errorf("an id twice: %v", err)
	}
	var got []audit.Event
	for e, err := range b.Events(t.Context(), 2) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	same(t, "events after the second", got, nil, recorded[2:])
	one, err := b.Event(t.Context(), recorded[1].ID)
	same(t, "by id", one, err, recorded[1])
	intact(t, b, 5)
}

// intact verifies the whole chain against the tail kept apart.
func intact(t *testing.T, b backend, events uint64) {
	t.Helper()
	err := b.Chain(t.Context(), func(c audit.Chain) error {
		report, err := audit.Verify(c.Events, audit.Expected{End: &c.Tail, Signed: c.Signed})
		if !report.Intact() || report.Events != events || c.Tail.Sequence != events {
			t.Errorf("tail %d, %+v", c.Tail.Sequence, report)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func contractEventInUnit(t *testing.T, b backend) {
	log := audit.New(b, audit.Options{})
	err := b.Change(t.Context(), func(u enroll.Unit) error {
		if err := u.SaveProfessional(t.Context(), person(alice)); err != nil {
			return err
		}
		if err := log.RecordIn(t.Context(), u, &audit.Event{Kind: "x", Outcome: audit.Done}); err != nil {
			return err
		}
		return errChanged
	})
	if !errors.Is(err, errChanged) {
		t.Fatal(err)
	}
	intact(t, b, 0)
	err = b.Change(t.Context(), func(u enroll.Unit) error {
		_ = u.SaveProfessional(t.Context(), person(alice))
		return log.RecordIn(t.Context(), u, &audit.Event{Kind: "x", Outcome: audit.Done})
	})
	if err != nil {
		t.Fatal(err)
	}
	intact(t, b, 1)
	if _, err := b.Professional(t.Context(), alice); err != nil {
		t.Error(err)
	}
}

func contractAppendRace(t *testing.T, b backend) {
	log := audit.New(b, audit.Options{})
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			if err := log.Record(t.Context(), &audit.Event{Kind: "x", Outcome: audit.Done}); err != nil {
				t.Error(err)
			}
		})
	}
	for range 5 { // who verifies meanwhile sees a whole chain too
		err := b.Chain(t.Context(), func(c audit.Chain) error {
			report, err := audit.Verify(c.Events, audit.Expected{End: &c.Tail, Signed: c.Signed})
			if !report.Intact() {
				t.Errorf("%+v", report)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	intact(t, b, 30)
}
