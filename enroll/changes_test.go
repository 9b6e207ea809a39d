package enroll_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/enroll"
	"cpsgate/identity"
)

func (d *desk) wasTold() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.told)
}

// eventually waits for what another goroutine brings about.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}

// A command line beside the server: two stores on one file.
func TestWhatAnotherProcessDoesIsTold(t *testing.T) {
	server := staffed(t)
	commands := open(t, server.path, enroll.Policy{})
	if err := server.WatchFromNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := server.WatchChanges(ctx, 10*time.Millisecond); err != nil {
			t.Error(err)
		}
	})
	defer watching.Wait()
	defer stop()
	if err := commands.Suspend(t.Context(), console, cardA); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"card " + cardA + " suspended", "passkey used suspended", "passkey usb suspended"} {
		eventually(t, want, func() bool { return slices.Contains(server.wasTold(), want) })
	}
	if err := commands.PasskeyCopied(t.Context(), []byte("bob")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the passkey", func() bool { return slices.Contains(server.wasTold(), "passkey bob suspended") })

	commands.grant(t, bob, identity.RoleOperator) // what concerns no session is not told
	told := len(server.wasTold())
	time.Sleep(50 * time.Millisecond)
	if now := server.wasTold(); len(now) != told {
		t.Errorf("told %q", now[told:])
	}
}

// A command line while no server runs, and sessions that outlive the server.
func TestWhatWasDoneWhileNoServerRanIsTold(t *testing.T) {
	server := staffed(t)
	commands := open(t, server.path, enroll.Policy{})
	if err := commands.Suspend(t.Context(), console, cardA); err != nil {
		t.Fatal(err)
	}
	watch := func(since time.Time) []string {
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		if err := server.WatchSince(ctx, since); err != nil {
			t.Fatal(err)
		}
		var watching sync.WaitGroup
		watching.Go(func() { _ = server.WatchChanges(ctx, 5*time.Millisecond) })
		if err := commands.PasskeyCopied(ctx, []byte("bob")); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the last change", func() bool { return slices.Contains(server.wasTold(), "passkey bob suspended") })
		stop()
		watching.Wait()
		return server.wasTold()
	}
	if told := watch(server.now.Add(-time.Hour)); !slices.Contains(told, "card "+cardA+" suspended") {
		t.Errorf("told %q", told)
	}
}

func TestAChangeIsToldUntilItIsHeard(t *testing.T) {
	server := staffed(t)
	commands := open(t, server.path, enroll.Policy{})
	server.hook = errDisk
	own := server.by(operator)
	if err := server.PasskeyCopied(t.Context(), []byte("bob")); err != nil || !server.Untold() {
		t.Errorf("%v; untold: %t", err, server.Untold())
	}
	if err := server.WatchFromNow(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	watching.Go(func() { _ = server.WatchChanges(ctx, 5*time.Millisecond) })
	defer watching.Wait()
	defer stop()
	if err := commands.Suspend(t.Context(), console, cardA); err != nil {
		t.Fatal(err)
	}
	if err := server.Suspend(t.Context(), own, cardB); err != nil {
		t.Fatal(err)
	}
	eventually(t, "told twice", func() bool { return len(server.wasTold()) > 12 })
	if !server.Untold() {
		t.Error("what was not heard counts as told")
	}
	server.mu.Lock()
	server.hook = nil
	server.mu.Unlock()
	eventually(t, "all heard", func() bool { return !server.Untold() })
	time.Sleep(30 * time.Millisecond)
	told := len(server.wasTold())
	time.Sleep(50 * time.Millisecond)
	if now := len(server.wasTold()); now != told {
		t.Errorf("told on and on: %d, then %d", told, now)
	}
}

func TestWatch(t *testing.T) {
	d := staffed(t)
	ticket, code := d.ticket(t, alice)
	seen := make(chan enroll.Ticket, 20)
	var watching sync.WaitGroup
	watching.Go(func() {
		defer close(seen)
		for now, err := range d.Watch(t.Context(), ticket.ID) {
			if err != nil {
				t.Error(err)
				return
			}
			seen <- now
		}
	})
	next := func(want enroll.TicketState, steps string) {
		t.Helper()
		if now := <-seen; now.State != want || stepsOf(now) != steps {
			t.Fatalf("saw %s, %q; want %s, %q", now.State, stepsOf(now), want, steps)
		}
	}
	next(enroll.TicketOpen, "opened")
	_, secret := d.claim(t, code)
	next(enroll.TicketClaimed, "opened claimed")
	if err := d.Note(t.Context(), secret, "pin-set", "", true); err != nil {
		t.Fatal(err)
	}
	next(enroll.TicketClaimed, "opened claimed pin-set")
	if err := d.Abandon(t.Context(), secret, "card-removed"); err != nil {
		t.Fatal(err)
	}
	next(enroll.TicketAbandoned, "opened claimed pin-set abandoned!card-removed")
	watching.Wait()
	if now, more := <-seen; more {
		t.Errorf("after its end, saw %+v", now)
	}
	for _, err := range d.Watch(t.Context(), "none") {
		wantRefusal(t, err, enroll.ReasonTicketUnknown)
	}
}

// TestATicketOfManyStepsIsWatchedOn: what says least goes, and every step still
// shows at once, the server's own above all.
func TestATicketOfManyStepsIsWatchedOn(t *testing.T) {
	d := staffed(t)
	ticket, code := d.ticket(t, alice)
	seen := make(chan enroll.Ticket)
	go func() {
		defer close(seen)
		for now, err := range d.Watch(t.Context(), ticket.ID) {
			if err != nil {
				t.Error(err)
				return
			}
			seen <- now
		}
	}()
	<-seen
	_, secret := d.claim(t, code)
	<-seen
	last := func(want string) enroll.Ticket {
		t.Helper()
		select {
		case now := <-seen:
			if len(now.Steps) > 60 || now.Steps[0].Name != enroll.StepOpened || now.Steps[1].Name != enroll.StepClaimed {
				t.Fatalf("%d steps, %s", len(now.Steps), stepsOf(now))
			}
			if got := now.Steps[len(now.Steps)-1].Name; got != want {
				t.Fatalf("the last is %q, want %q", got, want)
			}
			return now
		case <-time.After(time.Second): // less than a watcher's own look
			t.Fatalf("%s was not shown", want)
		}
		return enroll.Ticket{}
	}
	const many = 150
	told := func() {
		t.Helper()
		for i := range many {
			name := fmt.Sprintf("card-pin-%d", i)
			if err := d.Note(t.Context(), secret, name, "cpx-pin-wrong", i%2 == 0); err != nil {
				t.Fatal(err)
			}
			last(name)
		}
	}
	told()
	if err := d.prove(t, secret); err != nil {
		t.Fatal(err)
	}
	last(enroll.StepCard)
	told()
	if _, err := d.BeginPasskey(t.Context(), secret, []byte("registration")); err != nil {
		t.Fatal(err)
	}
	now := last(enroll.StepOptions)
	if !strings.Contains(stepsOf(now), " "+enroll.StepCard+" ") {
		t.Errorf("the card's proof is gone: %s", stepsOf(now))
	}
	if mark := now.Steps[2]; mark.Name != enroll.StepSkipped || mark.Detail != fmt.Sprint(2+2*many+2-59) {
		t.Errorf("%+v", mark)
	}
	if err := d.Abandon(t.Context(), secret, "card-removed"); err != nil {
		t.Fatal(err)
	}
	last(enroll.StepAbandoned)
	if _, more := <-seen; more {
		t.Error("it was watched after its end")
	}
}

func TestWatchersLeave(t *testing.T) {
	d := staffed(t)
	ticket, _ := d.ticket(t, alice)
	ctx, stop := context.WithCancel(t.Context())
	var watching sync.WaitGroup
	rounds := make(chan struct{}, 100)
	watching.Go(func() {
		for range d.WatchQueue(ctx) {
			rounds <- struct{}{}
		}
	})
	watching.Go(func() {
		for _, err := range d.Watch(ctx, ticket.ID) {
			if err != nil {
				t.Error(err)
			}
		}
	})
	<-rounds
	d.ticket(t, bob)
	<-rounds
	stop()
	watching.Wait() // or the test hangs
	for range d.Watch(t.Context(), ticket.ID) {
		break
	}
}
