package enroll_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// However a sitting ends, nothing stays half enrolled.
func TestEnds(t *testing.T) {
	ends := map[enroll.TicketState]struct {
		end  func(t *testing.T, d *desk, s sat) error
		kind string
		then enroll.Reason
	}{
		enroll.TicketCancelled: {func(t *testing.T, d *desk, s sat) error {
			return d.CancelTicket(t.Context(), d.by(operator), s.ticket.ID)
		}, audit.KindTicketCancel, enroll.ReasonTicketCancelled},
		enroll.TicketAbandoned: {func(t *testing.T, d *desk, s sat) error {
			return d.Abandon(t.Context(), s.secret, "card-removed")
		}, audit.KindTicketAbandon, enroll.ReasonTicketEnded},
		enroll.TicketExpired: {func(t *testing.T, d *desk, _ sat) error {
			d.pass(16 * time.Minute)
			return d.Sweep(t.Context())
		}, audit.KindTicketExpire, enroll.ReasonTicketExpired},
	}
	for state, how := range ends {
		for _, phase := range []enroll.Phase{enroll.PhaseClaimed, enroll.PhaseProved, enroll.PhaseRegistered} {
			t.Run(fmt.Sprintf("%s when %s", state, phase), func(t *testing.T) {
				d := staffed(t)
				s := d.sit(t, phase)
				if err := how.end(t, d, s); err != nil {
					t.Fatal(err)
				}
				ticket, err := d.Ticket(t.Context(), s.ticket.ID)
				if err != nil || ticket.State != state || ticket.EndedAt.IsZero() {
					t.Errorf("%+v, %v", ticket, err)
				}
				events := d.events(t)
				if last := events[len(events)-1]; last.Kind != how.kind || last.Subject != alice {
					t.Errorf("%+v", last)
				}
				_, err = d.Sitting(t.Context(), s.secret)
				wantRefusal(t, err, how.then)
				if phase == enroll.PhaseRegistered {
					if got := d.state(t, "desk"); got != "revoked" {
						t.Errorf("the passkey is %s", got)
					}
					if want := "passkey desk revoked"; !slices.Contains(d.told, want) {
						t.Errorf("told %q", d.told)
					}
				}
				if got := d.state(t, "used"); got != "active" {
					t.Errorf("the passkey before is %s", got)
				}
			})
		}
	}
}

// A server that starts again goes on where it was, at every step.
func TestASittingOutlivesTheServer(t *testing.T) {
	d := staffed(t)
	_, code := d.ticket(t, alice)
	p := d.made(t, "desk", alice)
	d = d.again(t)
	_, secret := d.claim(t, code)
	d = d.again(t)
	if err := d.prove(t, secret); err != nil {
		t.Fatal(err)
	}
	d = d.again(t)
	if _, err := d.BeginPasskey(t.Context(), secret, []byte("registration")); err != nil {
		t.Fatal(err)
	}
	d = d.again(t)
	if _, got, err := d.TakeCeremony(t.Context(), secret); err != nil || string(got) != "registration" {
		t.Fatalf("took %q, %v", got, err)
	}
	d = d.again(t)
	if _, err := d.RegisterPasskey(t.Context(), secret, p, []byte("proof of use")); err != nil {
		t.Fatal(err)
	}
	d = d.again(t)
	if err := d.proveUse(t, secret, p); err != nil {
		t.Fatal(err)
	}
	if got := d.state(t, "desk"); got != "active" {
		t.Errorf("the passkey is %s", got)
	}
}

// An act that cannot be recorded does not happen.
func TestUnrecordedDeskActsDoNotHappen(t *testing.T) {
	acts := map[string]struct {
		until enroll.Phase
		do    func(t *testing.T, d *desk, r *enroll.Registry, s sat) error
	}{
		"open": {enroll.PhaseNone, func(t *testing.T, d *desk, r *enroll.Registry, _ sat) error {
			_, _, err := r.OpenTicket(t.Context(), d.by(operator), bob)
			return err
		}},
		"cancel": {enroll.PhaseRegistered, func(t *testing.T, d *desk, r *enroll.Registry, s sat) error {
			return r.CancelTicket(t.Context(), d.by(operator), s.ticket.ID)
		}},
		"abandon": {enroll.PhaseRegistered, func(t *testing.T, _ *desk, r *enroll.Registry, s sat) error {
			return r.Abandon(t.Context(), s.secret, "left")
		}},
		"prove": {enroll.PhaseClaimed, func(t *testing.T, _ *desk, r *enroll.Registry, s sat) error {
			_, err := r.ProveCard(t.Context(), s.secret, holder(alice, cardA, "01"))
			return err
		}},
		"register": {enroll.PhaseProved, func(t *testing.T, _ *desk, r *enroll.Registry, s sat) error {
			_, err := r.RegisterPasskey(t.Context(), s.secret, s.passkey, []byte("x"))
			return err
		}},
		"use": {enroll.PhaseRegistered, func(t *testing.T, _ *desk, r *enroll.Registry, s sat) error {
			_, err := r.ProveUse(t.Context(), s.secret, s.passkey, []byte("proof of use"))
			return err
		}},
		"replace": {enroll.PhaseNone, func(t *testing.T, d *desk, r *enroll.Registry, _ sat) error {
			d.admit(t, holder(alice, cardC, "0C"))
			return r.Replace(t.Context(), d.by(operator), cardA, cardC)
		}},
		"grant": {enroll.PhaseNone, func(t *testing.T, _ *desk, r *enroll.Registry, _ sat) error {
			_, err := r.Grant(t.Context(), console, bob, identity.RoleAdmin)
			return err
		}},
		"withdraw": {enroll.PhaseNone, func(t *testing.T, _ *desk, r *enroll.Registry, _ sat) error {
			return r.Withdraw(t.Context(), console, operator, identity.RoleOperator)
		}},
		"reactivation asked": {enroll.PhaseNone, func(t *testing.T, d *desk, r *enroll.Registry, _ sat) error {
			d.set(t, cardB, identity.CardSuspended)
			_, err := r.Reactivate(t.Context(), d.by(operator), cardB)
			return err
		}},
		"certificate revoked": {enroll.PhaseNone, func(t *testing.T, _ *desk, r *enroll.Registry, _ sat) error {
			return r.CertificateRevoked(t.Context(), "aa", "01", "crl")
		}},
		"import": {enroll.PhaseNone, func(t *testing.T, _ *desk, r *enroll.Registry, _ sat) error {
			_, err := r.ImportPeople(t.Context(), console, strings.NewReader("rpps,nom\n"+rpps(9)+",EXEMPLE\n"), enroll.ImportOptions{})
			return err
		}},
		"export": {enroll.PhaseNone, func(t *testing.T, _ *desk, r *enroll.Registry, _ sat) error {
			var out strings.Builder
			_, err := r.ExportPeople(t.Context(), console, &out)
			if out.Len() > 0 {
				t.Errorf("given out: %q", out.String())
			}
			return err
		}},
		"client": {enroll.PhaseNone, func(t *testing.T, _ *desk, r *enroll.Registry, _ sat) error {
			_, _, err := r.AddClient(t.Context(), console, "hr", []enroll.Scope{enroll.ScopePeople}, 0)
			return err
		}},
	}
	for name, act := range acts {
		t.Run(name, func(t *testing.T) {
			d := staffed(t)
			s := d.sit(t, act.until)
			before := d.dump(t)
			if name == "replace" || name == "reactivation asked" { // they prepare by themselves
				before = ""
			}
			if err := act.do(t, d, d.registryOver(t, unrecorded{d.store}), s); !errors.Is(err, errDisk) {
				t.Fatalf("error %v", err)
			}
			if after := d.dump(t); before != "" && after != before {
				t.Errorf("changed:\n%s\n%s", before, after)
			}
		})
	}
}

// dump is what the record says of those concerned.
func (d *desk) dump(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, who := range []identity.PSIdNat{alice, bob, operator} {
		account, err := d.Account(t.Context(), who)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "%+v\n", account)
	}
	tickets, err := d.Tickets(t.Context(), enroll.TicketQuery{})
	if err != nil {
		t.Fatal(err)
	}
	clients, err := d.Clients(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	people, err := d.SearchPeople(t.Context(), enroll.PeopleQuery{})
	fmt.Fprintf(&b, "%+v\n%+v\n%d people %v", tickets, clients, len(people.People), err)
	return b.String()
}

// A passkey that the desk had made, and that its holder used at the ordinary door
// before the sitting was over, ends with the sitting all the same.
func TestACancelledSittingEndsAPasskeyUsedMeanwhile(t *testing.T) {
	d := staffed(t)
	s := d.sit(t, enroll.PhaseRegistered)
	if err := d.Used(t.Context(), identity.Passkey{ID: s.passkey.ID, SignCount: 1}); err != nil {
		t.Fatal(err)
	}
	if err := d.CancelTicket(t.Context(), d.by(operator), s.ticket.ID); err != nil {
		t.Fatal(err)
	}
	p, err := d.Passkey(t.Context(), s.passkey.ID)
	if err != nil || p.State != identity.PasskeyRevoked {
		t.Errorf("%s, %v", p.State, err)
	}
}

// Where the hospital has named its cards' models, no other authenticator passes
// for the applet of the card that was proved.
func TestAnotherModelIsNotTheCards(t *testing.T) {
	for name, tt := range map[string]struct {
		models [][16]byte
		want   enroll.Reason
	}{
		"its own": {[][16]byte{{}}, ""}, "none named": {nil, ""}, "another": {[][16]byte{{15: 0xca}}, enroll.ReasonKey},
	} {
		t.Run(name, func(t *testing.T) {
			d := staffed(t, enroll.Policy{CardModels: tt.models})
			s := d.sit(t, enroll.PhaseProved)
			wantRefusal(t, d.register(t, s.secret, s.passkey), tt.want)
		})
	}
}

// What was done to a card is recorded once, however its sitting ended.
func TestACardEmptiedInASittingThatEnded(t *testing.T) {
	d := staffed(t)
	s := d.sit(t, enroll.PhaseProved)
	if err := d.CancelTicket(t.Context(), d.by(operator), s.ticket.ID); err != nil {
		t.Fatal(err)
	}
	before := len(d.events(t))
	for range 2 {
		if err := d.EmptiedLate(t.Context(), s.secret, "", true); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.EmptiedLate(t.Context(), "nobody's", "", true); !errors.Is(err, enroll.ErrNotFound) {
		t.Errorf("%v", err)
	}
	events := d.events(t)[before:]
	if len(events) != 1 || events[0].Kind != audit.KindEmptied || events[0].Card != cardA || !strings.HasSuffix(events[0].Detail, " after its end") {
		t.Errorf("%+v", events)
	}
	ticket, err := d.Ticket(t.Context(), s.ticket.ID)
	if err != nil || ticket.State != enroll.TicketCancelled || !strings.HasSuffix(stepsOf(ticket), " "+enroll.StepEmptied) {
		t.Errorf("%s: %s, %v", ticket.State, stepsOf(ticket), err)
	}
}
