package enroll_test

import (
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// wantClosed asserts that nobody decided a request, and that the last event of its
// closing says why and who.
func (d *desk) wantClosed(t *testing.T, id string, by identity.PSIdNat, why string) {
	t.Helper()
	a, err := d.Approval(t.Context(), id)
	if err != nil || a.State != enroll.ApprovalExpired || a.DecidedBy != by {
		t.Errorf("%+v, %v", a, err)
	}
	var last audit.Event
	for _, e := range d.events(t) {
		if e.Kind == audit.KindApprovalExpire {
			last = e
		}
	}
	if last.Actor != by || last.Reason != why || last.Subject != a.Subject || last.Outcome != audit.Done {
		t.Errorf("%+v", last)
	}
	_, err = d.Approve(t.Context(), d.by(approver), id)
	wantRefusal(t, err, enroll.ReasonApprovalOver)
}

// A request stands in nobody else's way, that of a revoked program least of all.
func TestAnothersRequestIsNotMine(t *testing.T) {
	for name, spoil := range map[string]func(t *testing.T, d *desk){
		"it could still be approved": func(*testing.T, *desk) {},
		"its program is revoked": func(t *testing.T, d *desk) {
			if err := d.RevokeClient(t.Context(), d.by(admin), "hr"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := staffed(t)
			first, err := d.Grant(t.Context(), d.program(t, "hr", console, enroll.ScopeRoles), alice, identity.RoleAuditor)
			if err != nil {
				t.Fatal(err)
			}
			spoil(t, d)
			act := d.by(admin)
			act.Reason = "remplace Bob"
			second, err := d.Grant(t.Context(), act, alice, identity.RoleAuditor)
			if err != nil || second.ID == first.ID || second.By != admin || second.Reason != act.Reason {
				t.Fatalf("%+v, %v", second, err)
			}
			events := d.events(t)
			if e := events[len(events)-1]; e.Kind != audit.KindApprovalRequest || e.Actor != admin || e.Reason != act.Reason {
				t.Errorf("%+v", e)
			}
			d.wantClosed(t, first.ID, admin, "asked-anew")
			if _, err := d.Approve(t.Context(), d.by(approver), second.ID); err != nil {
				t.Error(err)
			}
		})
	}
}

// A deed that is done leaves no request for it behind, which would do it again.
func TestADeedClosesWhatAsksForIt(t *testing.T) {
	for _, deed := range allDeeds {
		t.Run(string(deed), func(t *testing.T) {
			d := staffed(t, enroll.Policy{DeskProof: enroll.Alone, Reset: enroll.Alone, Reactivate: enroll.Alone, Grant: enroll.Alone})
			s := d.sit(t, enroll.PhaseClaimed)
			d.set(t, cardB, identity.CardSuspended)
			stale, err := deeds(d, s)[deed](t, d.program(t, "hr", console, deedScopes[deed]))
			if err != nil {
				t.Fatal(err)
			}
			by := d.asker(deed)
			if asked, err := deeds(d, s)[deed](t, by); err != nil || asked != nil || !d.did(t, deed, s) {
				t.Fatalf("%+v, %v", asked, err)
			}
			d.wantClosed(t, stale.ID, by.By, "done-otherwise")
		})
	}
}

// A role that is taken away is not given back by a request made before.
func TestWithdrawalClosesRequests(t *testing.T) {
	for name, held := range map[string]bool{"of a role that is held": true, "of one that is only asked for": false} {
		t.Run(name, func(t *testing.T) {
			d := staffed(t)
			stale, err := d.Grant(t.Context(), d.by(admin), alice, identity.RoleAuditor)
			if err != nil {
				t.Fatal(err)
			}
			if held { // by somebody who does not see the request
				p, err := d.Professional(t.Context(), alice)
				if err != nil {
					t.Fatal(err)
				}
				p.Roles = append(p.Roles, identity.RoleAuditor)
				if err := d.store.Change(t.Context(), func(u enroll.Unit) error { return u.SaveProfessional(t.Context(), p) }); err != nil {
					t.Fatal(err)
				}
			}
			if err := d.Withdraw(t.Context(), console, alice, identity.RoleAuditor); err != nil {
				t.Fatal(err)
			}
			d.wantClosed(t, stale.ID, "console", "role-withdrawn")
			if p, err := d.Professional(t.Context(), alice); err != nil || p.HasRole(identity.RoleAuditor) {
				t.Errorf("%+v, %v", p, err)
			}
		})
	}
}

// A program says no to what it asked for itself, and to nothing else: a declined
// proposal counts as a person's word.
func TestWhatProgramsDecline(t *testing.T) {
	for _, lets := range []bool{false, true} {
		d := staffed(t, enroll.Policy{ProgramsApprove: lets})
		all := d.program(t, "all", console, enroll.Scopes()...)
		d.oppose(t, opposing("8|99700000017|0000000001||2026-03-01|"))
		d.oppose(t, opposing("8|99700000017|0000000001|||"))
		page, err := d.Approvals(t.Context(), enroll.ApprovalQuery{States: []enroll.ApprovalState{enroll.ApprovalProposed}})
		if err != nil || len(page.Approvals) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		_, err = d.Decline(t.Context(), all, page.Approvals[0].ID)
		wantRefusal(t, err, enroll.ReasonApproverPerson)
		d.wantCard(t, cardA, identity.CardSuspended, enroll.ReasonOpposed)

		persons, err := d.Grant(t.Context(), d.by(admin), alice, identity.RoleAuditor)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = d.Decline(t.Context(), all, persons.ID); !lets {
			wantRefusal(t, err, enroll.ReasonApproverPerson)
		} else if err != nil {
			t.Error(err)
		}
		own, err := d.Grant(t.Context(), all, alice, identity.RoleOperator)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := d.Decline(t.Context(), all, own.ID); err != nil || back.DecidedBy != "client:all" {
			t.Errorf("%+v, %v", back, err)
		}
	}
}

// What the page offers an approver is what they may do, but for the PIN.
func TestMayApprove(t *testing.T) {
	d := staffed(t)
	d.grant(t, admin, identity.RoleApprover)
	d.grant(t, alice, identity.RoleApprover)
	asked, err := d.Grant(t.Context(), d.program(t, "hr", d.by(admin), enroll.ScopeRoles), alice, identity.RoleAuditor)
	if err != nil {
		t.Fatal(err)
	}
	for who, want := range map[identity.PSIdNat]enroll.Reason{
		approver: "", operator: enroll.ReasonRoleMissing, alice: enroll.ReasonApprovalOwn,
		admin: enroll.ReasonApprovalOwn, // who made the program
	} {
		wantRefusal(t, d.MayApprove(t.Context(), who, *asked), want)
	}
	s := d.sit(t, enroll.PhaseClaimed)
	reset, err := d.AllowReset(t.Context(), d.by(operator), s.ticket.ID)
	if err != nil {
		t.Fatal(err)
	}
	unnamed := *reset
	unnamed.Subject = "" // as when it was asked for before the card said whose it is
	wantRefusal(t, d.MayApprove(t.Context(), alice, unnamed), enroll.ReasonApprovalOwn)
	wantRefusal(t, d.MayApprove(t.Context(), approver, unnamed), "")
	if err := d.RevokeClient(t.Context(), d.by(admin), "hr"); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, d.MayApprove(t.Context(), approver, *asked), enroll.ReasonApprovalAsker)
	d.pass(25 * time.Hour)
	wantRefusal(t, d.MayApprove(t.Context(), approver, *asked), enroll.ReasonApprovalOver)
}

// A program takes nobody's place: by declining its own request afterwards it would
// close what a person asked for, or what cpsgate proposed.
func TestProgramsTakeNoPersonsPlace(t *testing.T) {
	d := staffed(t)
	hr := d.program(t, "hr", console, enroll.ScopeRoles, enroll.ScopeReactivate)
	first, err := d.Grant(t.Context(), d.by(admin), alice, identity.RoleAuditor)
	if err != nil {
		t.Fatal(err)
	}
	_, err = d.Grant(t.Context(), hr, alice, identity.RoleAuditor)
	wantRefusal(t, err, enroll.ReasonApprovalBefore)
	if err := d.Withdraw(t.Context(), hr, alice, identity.RoleAuditor); err != nil { // which she does not hold
		t.Fatal(err)
	}
	if a, err := d.Approval(t.Context(), first.ID); err != nil || a.State != enroll.ApprovalWaiting {
		t.Errorf("%+v, %v", a, err)
	}

	d.oppose(t, opposing("8|99700000017|0000000001||2026-03-01|"))
	if report := d.oppose(t, opposing("8|99700000017|0000000001|||")); report.Proposed != 1 {
		t.Fatalf("%+v", report)
	}
	_, err = d.Reactivate(t.Context(), hr, cardA)
	wantRefusal(t, err, enroll.ReasonApprovalBefore)

	// Of somebody who may no longer ask, it does.
	if err := d.Withdraw(t.Context(), console, admin, identity.RoleAdmin); err != nil {
		t.Fatal(err)
	}
	if asked, err := d.Grant(t.Context(), hr, alice, identity.RoleAuditor); err != nil || asked.By != "client:hr" {
		t.Errorf("%+v, %v", asked, err)
	}
}

// What is said of a card last stands above what was asked for before.
func TestAReportClosesWhatWouldBringTheCardBack(t *testing.T) {
	for name, stop := range map[string]func(*desk, enroll.Act) error{
		"lost":    func(d *desk, act enroll.Act) error { return d.Suspend(t.Context(), act, cardA) },
		"revoked": func(d *desk, act enroll.Act) error { return d.Revoke(t.Context(), act, cardA) },
	} {
		t.Run(name, func(t *testing.T) {
			d := staffed(t)
			if err := d.Suspend(t.Context(), d.by(operator), cardA); err != nil {
				t.Fatal(err)
			}
			asked, err := d.Reactivate(t.Context(), d.by(operator), cardA)
			if err != nil {
				t.Fatal(err)
			}
			if err := stop(d, console); err != nil {
				t.Fatal(err)
			}
			a, err := d.Approval(t.Context(), asked.ID)
			if err != nil || a.State != enroll.ApprovalExpired {
				t.Errorf("%+v, %v", a, err)
			}
			_, err = d.Approve(t.Context(), d.by(approver), asked.ID)
			wantRefusal(t, err, enroll.ReasonApprovalOver)
		})
	}
}
