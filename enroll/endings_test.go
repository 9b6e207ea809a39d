package enroll_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// whose is how a desk of these tests is told of an ending.
func whose(person, card, passkey, workstation string) string {
	return fmt.Sprintf("sessions of %s on %s by %s at %s", person, card, passkey, workstation)
}

// last is the latest event of a kind.
func last(t *testing.T, d *desk, kind string) audit.Event {
	t.Helper()
	all := d.events(t)
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Kind == kind {
			return all[i]
		}
	}
	t.Fatalf("no %s in the audit", kind)
	return audit.Event{}
}

// TestSessionsAreEnded: by the console beside the server, of a person, a card,
// a passkey or a workstation; each is recorded with its reason, and told.
func TestSessionsAreEnded(t *testing.T) {
	server := staffed(t)
	commands := open(t, server.path, enroll.Policy{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(server.WatchFromNow(t.Context()))
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := server.WatchChanges(ctx, 10*time.Millisecond); err != nil {
			t.Error(err)
		}
	})
	defer watching.Wait()
	defer stop()
	because := enroll.Act{Console: true, Reason: "départ"}
	for _, tt := range []struct {
		of       enroll.Ending
		told     string
		recorded func(audit.Event) bool
	}{
		{enroll.Ending{Holder: alice}, whose(string(alice), "", "", ""), func(e audit.Event) bool { return e.Subject == alice && e.Detail == "person" }},
		{enroll.Ending{Card: cardA}, whose("", cardA, "", ""), func(e audit.Event) bool { return e.Card == cardA && e.Detail == "card" }},
		{enroll.Ending{Passkey: []byte("used")}, whose("", "", "used", ""), func(e audit.Event) bool {
			return e.CredentialHash == audit.HashCredential([]byte("used")) && e.Detail == "passkey"
		}},
		{enroll.Ending{Workstation: "SALLE-2"}, whose("", "", "", "SALLE-2"), func(e audit.Event) bool { return e.Workstation == "SALLE-2" && e.Detail == "workstation" }},
	} {
		must(commands.EndSessions(t.Context(), because, tt.of))
		eventually(t, tt.told, func() bool { return slices.Contains(server.wasTold(), tt.told) })
		e := last(t, server, audit.KindSessionsEnd)
		if !tt.recorded(e) || e.Outcome != audit.Done || e.Reason != "départ" || e.Actor != "console" {
			t.Errorf("the audit says %+v", e)
		}
	}
}

// TestEndingsAreToldOfTheirTime: told late, an ending is of the sessions that
// were opened before it.
func TestEndingsAreToldOfTheirTime(t *testing.T) {
	server := staffed(t)
	before := server.now
	if err := server.EndSessions(t.Context(), console, enroll.Ending{Holder: alice}); err != nil {
		t.Fatal(err)
	}
	if err := server.Suspend(t.Context(), console, cardA); err != nil {
		t.Fatal(err)
	}
	later := open(t, server.path, enroll.Policy{})
	if err := later.EndingsSince(t.Context(), before.Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	if told := later.wasTold(); !slices.Equal(told, []string{whose(string(alice), "", "", "")}) {
		t.Errorf("told %q", told)
	}
	if got := later.ended[0].Before; got.Before(before) || got.After(server.now.Add(2*time.Second)) {
		t.Errorf("of those opened before %s", got)
	}
}

func TestEndingSessionsRefused(t *testing.T) {
	d := staffed(t)
	for _, tt := range []struct {
		name   string
		act    enroll.Act
		of     enroll.Ending
		reason enroll.Reason // "": another error
	}{
		{"nobody's", console, enroll.Ending{}, ""},
		{"two at once", console, enroll.Ending{Holder: alice, Card: cardA}, ""},
		{"of nobody's act", enroll.Act{}, enroll.Ending{Holder: alice}, ""},
		{"an unknown person's", console, enroll.Ending{Holder: "899700000999"}, enroll.ReasonPersonUnknown},
		{"on an unknown card", console, enroll.Ending{Card: "8025000001/0000009999"}, enroll.ReasonCardUnknown},
		{"by an unknown passkey", console, enroll.Ending{Passkey: []byte("none")}, enroll.ReasonPasskeyUnknown},
		{"by somebody without a role", enroll.Act{By: alice, AuthenticatedAt: d.now}, enroll.Ending{Holder: bob}, enroll.ReasonRoleMissing},
		{"by a machine", enroll.Act{Client: "rh"}, enroll.Ending{Holder: bob}, enroll.ReasonClientUnknown},
		{"for a reason without end", enroll.Act{Console: true, Reason: strings.Repeat("x", 513)}, enroll.Ending{Holder: alice}, enroll.ReasonText},
	} {
		t.Run(tt.name, func(t *testing.T) {
			told := len(d.wasTold())
			err := d.EndSessions(t.Context(), tt.act, tt.of)
			var refused *enroll.Refusal
			if err == nil || errors.As(err, &refused) != (tt.reason != "") || refused != nil && refused.Reason != tt.reason {
				t.Errorf("error %v, want %q", err, tt.reason)
			}
			if now := d.wasTold(); len(now) != told {
				t.Errorf("told %q", now[told:])
			}
		})
	}
}

// TestARefusedEndingEndsNothing: an event of the same kind that was refused, that
// a later version wrote, or that an operator's own workstation stands in.
func TestARefusedEndingEndsNothing(t *testing.T) {
	d := staffed(t)
	since := d.now.Add(-time.Minute)
	for _, e := range []audit.Event{
		{Kind: audit.KindSessionsEnd, Outcome: audit.Refused, Subject: alice, Detail: "person"},
		{Kind: audit.KindSessionsEnd, Outcome: audit.Done, Subject: alice, Detail: "ward"}, // of a later version
	} {
		if err := d.log.Record(t.Context(), &e); err != nil {
			t.Fatal(err)
		}
	}
	at := audit.WithCircumstances(t.Context(), audit.Circumstances{Workstation: "GUICHET-1"})
	if err := d.EndSessions(at, console, enroll.Ending{Holder: bob}); err != nil {
		t.Fatal(err)
	}
	later := open(t, d.path, enroll.Policy{})
	if err := later.EndingsSince(t.Context(), since); err != nil {
		t.Fatal(err)
	}
	if told := later.wasTold(); !slices.Equal(told, []string{whose(string(bob), "", "", "")}) {
		t.Errorf("told %q", told)
	}
}
