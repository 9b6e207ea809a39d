package enroll_test

import (
	"fmt"
	"testing"
	"time"

	"cpsgate/enroll"
	"cpsgate/identity"
)

// Those who work here, each with one role.
var (
	operator = identity.PSIdNat("8" + rpps(101))
	approver = identity.PSIdNat("8" + rpps(102))
	admin    = identity.PSIdNat("8" + rpps(103))
	auditor  = identity.PSIdNat("8" + rpps(104))
)

var console = enroll.Act{Console: true}

// rpps is the i-th number of the test range, with its key.
func rpps(i int) string {
	body := fmt.Sprintf("997%07d", i)
	for key := range 10 {
		if r := fmt.Sprint(body, key); identity.RPPS(r).Check() == nil {
			return r
		}
	}
	panic("no key")
}

// letters writes a number in letters, so that names differ.
func letters(i int) string {
	s := ""
	for ; i >= 0; i = i/26 - 1 {
		s = string(rune('A'+i%26)) + s
	}
	return s
}

// by is what a person does with a PIN just proved.
func (d *desk) by(who identity.PSIdNat) enroll.Act {
	return enroll.Act{By: who, AuthenticatedAt: d.now, Reason: "test"}
}

// staffed knows Alice, Bob and who works here, under a policy if one is given.
func staffed(t *testing.T, policy ...enroll.Policy) *desk {
	t.Helper()
	files.makeStaffed.Do(func() {
		d := populating(t)
		for who, role := range map[identity.PSIdNat]identity.Role{
			operator: identity.RoleOperator, approver: identity.RoleApprover,
			admin: identity.RoleAdmin, auditor: identity.RoleAuditor,
		} {
			if _, err := d.Grant(t.Context(), console, who, role); err != nil {
				t.Fatal(err)
			}
		}
		files.staffed = closed(t, d)
	})
	return deskOn(t, files.staffed, policy...)
}

// again is another process on the same file: what only memory held is gone.
func (d *desk) again(t *testing.T) *desk {
	t.Helper()
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	next := open(t, d.path, d.policy)
	next.now = d.now
	return next
}

func (d *desk) pass(by time.Duration) { d.now = d.now.Add(by) }

// ticket opens one and gives its code.
func (d *desk) ticket(t *testing.T, of identity.PSIdNat) (enroll.Ticket, string) {
	t.Helper()
	ticket, code, err := d.OpenTicket(t.Context(), d.by(operator), of)
	if err != nil {
		t.Fatal(err)
	}
	return ticket, code
}

var (
	atDesk = enroll.Workstation{Name: "GUICHET-1", Reader: "Reader 00", Address: "192.0.2.7", Generation: identity.GenerationCPS4}
	blank  = enroll.Applet{Blank: true, Versions: []string{"FIDO_2_1"}, MinPINLength: 4, Options: map[string]bool{"clientPin": false}}
)

// claim types the code at the workstation.
func (d *desk) claim(t *testing.T, code string) (sitting enroll.Sitting, secret string) {
	t.Helper()
	sitting, secret, err := d.Claim(t.Context(), code, atDesk, blank)
	if err != nil {
		t.Fatal(err)
	}
	return sitting, secret
}

// made is the passkey that the applet makes in a sitting, as rp gives it.
func (d *desk) made(t *testing.T, id string, of identity.PSIdNat) identity.Passkey {
	t.Helper()
	p := d.key(t, id, of, "", "")
	p.Proof, p.Transports = identity.Proof{}, []string{"smart-card"}
	return p
}

// sat is a sitting that came as far as a phase; the later acts are the test's.
type sat struct {
	ticket  enroll.Ticket
	secret  string
	passkey identity.Passkey
}

// sit begins with Alice's ticket and goes on to the phase.
func (d *desk) sit(t *testing.T, until enroll.Phase) sat {
	t.Helper()
	ticket, code := d.ticket(t, alice)
	s := sat{ticket: ticket, passkey: d.made(t, "desk", alice)}
	if until == enroll.PhaseNone {
		return s
	}
	_, s.secret = d.claim(t, code)
	for _, act := range []struct {
		phase enroll.Phase
		do    func() error
	}{
		{enroll.PhaseProved, func() error { return d.prove(t, s.secret) }},
		{enroll.PhaseRegistered, func() error { return d.register(t, s.secret, s.passkey) }},
		{enroll.PhaseUsed, func() error { return d.proveUse(t, s.secret, s.passkey) }},
	} {
		if d.phase(t, ticket.ID) == until {
			break
		}
		if err := act.do(); err != nil {
			t.Fatal(until, err)
		}
	}
	return s
}

func (d *desk) phase(t *testing.T, ticket string) enroll.Phase {
	t.Helper()
	now, err := d.Ticket(t.Context(), ticket)
	if err != nil {
		t.Fatal(err)
	}
	return now.Phase
}

func (d *desk) prove(t *testing.T, secret string) error {
	_, err := d.ProveCard(t.Context(), secret, holder(alice, cardA, "01"))
	return err
}

func (d *desk) register(t *testing.T, secret string, p identity.Passkey) error {
	if _, err := d.BeginPasskey(t.Context(), secret, []byte("registration")); err != nil {
		return err
	}
	if _, _, err := d.TakeCeremony(t.Context(), secret); err != nil {
		return err
	}
	_, err := d.RegisterPasskey(t.Context(), secret, p, []byte("proof of use"))
	return err
}

func (d *desk) proveUse(t *testing.T, secret string, p identity.Passkey) error {
	kept, err := d.PendingProof(t.Context(), secret)
	if err != nil {
		return err
	}
	p.SignCount = 1
	_, err = d.ProveUse(t.Context(), secret, p, kept)
	return err
}
