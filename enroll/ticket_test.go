package enroll_test

import (
	"errors"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

func TestWhoMayOpenATicket(t *testing.T) {
	tests := []struct {
		name   string
		act    func(*desk) enroll.Act
		holder identity.PSIdNat
		want   enroll.Reason
	}{
		{"an operator", func(d *desk) enroll.Act { return d.by(operator) }, alice, ""},
		{"for whom the card will name", func(d *desk) enroll.Act { return d.by(operator) }, "", ""},
		{"the console", func(*desk) enroll.Act { return console }, alice, ""},
		{"for somebody unknown", func(d *desk) enroll.Act { return d.by(operator) }, carol, enroll.ReasonPersonUnknown},
		{"an auditor", func(d *desk) enroll.Act { return d.by(auditor) }, alice, enroll.ReasonRoleMissing},
		{"the professional", func(d *desk) enroll.Act { return d.by(alice) }, alice, enroll.ReasonRoleMissing},
		{"somebody unknown", func(d *desk) enroll.Act { return d.by(carol) }, alice, enroll.ReasonRoleMissing},
		{"an unknown client", func(*desk) enroll.Act { return enroll.Act{Client: "none"} }, alice, enroll.ReasonClientUnknown},
		{"with a novel for a reason", func(*desk) enroll.Act { return enroll.Act{Console: true, Reason: strings.Repeat("x", 513)} }, alice, enroll.ReasonText},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := staffed(t)
			before := len(d.events(t))
			_, _, err := d.OpenTicket(t.Context(), tt.act(d), tt.holder)
			wantRefusal(t, err, tt.want)
			if n := len(d.events(t)) - before; tt.want == "" && n != 1 || tt.want != "" && n != 0 {
				t.Errorf("%d events", n)
			}
		})
	}
	d := staffed(t)
	for _, nobody := range []enroll.Act{{}, {By: operator, Console: true}, {By: operator, Client: "x"}} {
		if _, _, err := d.OpenTicket(t.Context(), nobody, alice); err == nil {
			t.Errorf("%+v opened one", nobody)
		}
	}
}

func TestACodeIsReadableAndNotKept(t *testing.T) {
	d := staffed(t)
	ticket, code := d.ticket(t, alice)
	if len(code) != 9 || code[4] != '-' || strings.ContainsAny(code, "ILOUilou") {
		t.Errorf("code %q", code)
	}
	if want := noon.Add(15 * time.Minute); !ticket.ExpiresAt.Equal(want) {
		t.Errorf("until %s, want %s", ticket.ExpiresAt, want)
	}
	_, secret := d.claim(t, code)
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(d.path)
	if err != nil {
		t.Fatal(err)
	}
	for _, hidden := range []string{code, strings.ReplaceAll(code, "-", ""), secret} {
		if strings.Contains(string(file), hidden) {
			t.Errorf("%q stands in the database", hidden)
		}
	}
}

func TestACodeIsTakenAsItIsRead(t *testing.T) {
	for name, spoken := range map[string]func(string) string{
		"as shown":           func(s string) string { return s },
		"in lower case":      strings.ToLower,
		"without its hyphen": func(s string) string { return strings.ReplaceAll(s, "-", "") },
		"with spaces":        func(s string) string { return " " + strings.Join(strings.Split(s, ""), " ") + " " },
		"with O for 0":       func(s string) string { return strings.ReplaceAll(s, "0", "O") },
	} {
		t.Run(name, func(t *testing.T) {
			d := staffed(t)
			ticket, code := d.ticket(t, alice)
			sitting, _ := d.claim(t, spoken(code))
			if sitting.Ticket.ID != ticket.ID || sitting.Holder.IdNat != alice || sitting.Ticket.State != enroll.TicketClaimed {
				t.Errorf("%+v", sitting)
			}
		})
	}
}

func TestClaimRefuses(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, d *desk, ticket enroll.Ticket, code string) string
		want    enroll.Reason
	}{
		{"nothing of a good code", func(_ *testing.T, _ *desk, _ enroll.Ticket, code string) string { return code }, ""},
		{"what is no code", func(*testing.T, *desk, enroll.Ticket, string) string { return "hello" }, enroll.ReasonTicketUnknown},
		{"an endless one", func(*testing.T, *desk, enroll.Ticket, string) string { return strings.Repeat(" ", 1<<20) }, enroll.ReasonTicketUnknown},
		{"a code that nobody was given", func(*testing.T, *desk, enroll.Ticket, string) string { return "0000-0000" }, enroll.ReasonTicketUnknown},
		{"a used code", func(t *testing.T, d *desk, _ enroll.Ticket, code string) string { d.claim(t, code); return code }, enroll.ReasonTicketUsed},
		{"a code of a ticket that is done", func(t *testing.T, d *desk, _ enroll.Ticket, code string) string {
			_, secret := d.claim(t, code)
			p := d.made(t, "desk", alice)
			if err := errors.Join(d.prove(t, secret), d.register(t, secret, p), d.proveUse(t, secret, p)); err != nil {
				t.Fatal(err)
			}
			return code
		}, enroll.ReasonTicketUsed},
		{"an old code", func(_ *testing.T, d *desk, _ enroll.Ticket, code string) string {
			d.pass(15 * time.Minute)
			return code
		}, enroll.ReasonTicketExpired},
		{"an old code that was swept", func(t *testing.T, d *desk, _ enroll.Ticket, code string) string {
			d.pass(15 * time.Minute)
			if err := d.Sweep(t.Context()); err != nil {
				t.Fatal(err)
			}
			return code
		}, enroll.ReasonTicketExpired},
		{"a cancelled one", func(t *testing.T, d *desk, ticket enroll.Ticket, code string) string {
			if err := d.CancelTicket(t.Context(), d.by(operator), ticket.ID); err != nil {
				t.Fatal(err)
			}
			return code
		}, enroll.ReasonTicketCancelled},
		{"a used code whose sitting is over", func(t *testing.T, d *desk, _ enroll.Ticket, code string) string {
			_, secret := d.claim(t, code)
			if err := d.Abandon(t.Context(), secret, "card-removed"); err != nil {
				t.Fatal(err)
			}
			return code
		}, enroll.ReasonTicketUsed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := staffed(t)
			ticket, code := d.ticket(t, alice)
			_, secret, err := d.Claim(t.Context(), tt.prepare(t, d, ticket, code), atDesk, blank)
			wantRefusal(t, err, tt.want)
			if (secret == "") != (tt.want != "") {
				t.Errorf("secret %q", secret)
			}
		})
	}
}

func TestGuessingLocksTheAddress(t *testing.T) {
	d := staffed(t)
	_, code := d.ticket(t, alice)
	guess := func(from, code string) error {
		at := atDesk
		at.Address = from
		_, _, err := d.Claim(t.Context(), code, at, blank)
		return err
	}
	for range 10 {
		wantRefusal(t, guess("2001:db8::1", "0000-0000"), enroll.ReasonTicketUnknown)
	}
	refusal := wantRefusal(t, guess("2001:db8::ffff", code), enroll.ReasonTicketLocked) // the same host's network
	if want := noon.Add(5 * time.Minute); !refusal.Until.Equal(want) {
		t.Errorf("until %s, want %s", refusal.Until, want)
	}
	wantRefusal(t, guess("2001:db8:0:1::1", "0000-0000"), enroll.ReasonTicketUnknown) // another one
	d.pass(5 * time.Minute)
	wantRefusal(t, guess("2001:db8::1", code), "")
}

func TestOfAHundredTakersOneGetsTheTicket(t *testing.T) {
	d := staffed(t, enroll.Policy{WrongCodes: 1000})
	_, code := d.ticket(t, alice)
	var got, used atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			_, _, err := d.Claim(t.Context(), code, atDesk, blank)
			var refusal *enroll.Refusal
			switch {
			case err == nil:
				got.Add(1)
			case errors.As(err, &refusal) && refusal.Reason == enroll.ReasonTicketUsed:
				used.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got.Load() != 1 || used.Load() != 99 {
		t.Errorf("%d got it, %d were told that it is used", got.Load(), used.Load())
	}
}

func TestCancelTicketRefuses(t *testing.T) {
	d := staffed(t)
	ticket, _ := d.ticket(t, alice)
	wantRefusal(t, d.CancelTicket(t.Context(), d.by(auditor), ticket.ID), enroll.ReasonRoleMissing)
	wantRefusal(t, d.CancelTicket(t.Context(), d.by(operator), "none"), enroll.ReasonTicketUnknown)
	wantRefusal(t, d.CancelTicket(t.Context(), d.by(operator), ticket.ID), "")
	wantRefusal(t, d.CancelTicket(t.Context(), d.by(operator), ticket.ID), enroll.ReasonTicketEnded)
}

func TestTheQueue(t *testing.T) {
	d := staffed(t)
	var ids []string
	for i := range 5 {
		d.pass(time.Second)
		ticket, code := d.ticket(t, []identity.PSIdNat{alice, bob}[i%2])
		ids = append([]string{ticket.ID}, ids...)
		if i == 0 {
			d.claim(t, code)
		}
	}
	list := func(q enroll.TicketQuery) (found []string, next string) {
		t.Helper()
		page, err := d.Tickets(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, ticket := range page.Tickets {
			found = append(found, ticket.ID)
		}
		return found, page.Next
	}
	wantList := func(got, want []string) {
		t.Helper()
		if strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("got %v, want %v", got, want)
		}
	}
	all, next := list(enroll.TicketQuery{})
	wantList(all, ids)
	if next != "" {
		t.Errorf("one page, and next %q", next)
	}
	first, next := list(enroll.TicketQuery{Limit: 2})
	wantList(first, ids[:2])
	second, next := list(enroll.TicketQuery{Limit: 2, After: next})
	wantList(second, ids[2:4])
	third, next := list(enroll.TicketQuery{Limit: 2, After: next})
	wantList(third, ids[4:])
	if next != "" {
		t.Errorf("after the last, %q", next)
	}
	claimed, _ := list(enroll.TicketQuery{States: []enroll.TicketState{enroll.TicketClaimed, enroll.TicketDone}})
	wantList(claimed, ids[4:])
	bobs, _ := list(enroll.TicketQuery{Holder: bob})
	wantList(bobs, []string{ids[1], ids[3]})
	nobodys, _ := list(enroll.TicketQuery{Operator: admin})
	wantList(nobodys, nil)
	_, err := d.Tickets(t.Context(), enroll.TicketQuery{After: "x"})
	wantRefusal(t, err, enroll.ReasonCursor)
}

func TestATicketInTimeIsShownAsExpired(t *testing.T) {
	d := staffed(t)
	ticket, _ := d.ticket(t, alice)
	d.pass(15 * time.Minute)
	if now, err := d.Ticket(t.Context(), ticket.ID); err != nil || now.State != enroll.TicketExpired {
		t.Errorf("%s, %v", now.State, err)
	}
	before := len(d.events(t))
	for range 2 {
		if err := d.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	events := d.events(t)[before:]
	if len(events) != 1 || events[0].Kind != audit.KindTicketExpire || events[0].Subject != alice {
		t.Errorf("%+v", events)
	}
	_, err := d.Ticket(t.Context(), "none")
	wantRefusal(t, err, enroll.ReasonTicketUnknown)
}
