package enroll_test

import (
	"strings"
	"testing"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// program makes a client, by the admin if nobody else is named, and gives its
// act.
func (d *desk) program(t *testing.T, name string, by enroll.Act, scopes ...enroll.Scope) enroll.Act {
	t.Helper()
	if _, _, err := d.AddClient(t.Context(), by, name, scopes, 0); err != nil {
		t.Fatal(err)
	}
	return enroll.Act{Client: name, Reason: "test"}
}

// deedScopes are what asking for a deed takes.
var deedScopes = map[enroll.Deed]enroll.Scope{
	enroll.DeedDeskProof: enroll.ScopeVouch, enroll.DeedReset: enroll.ScopeReset,
	enroll.DeedReactivate: enroll.ScopeReactivate, enroll.DeedGrant: enroll.ScopeRoles,
}

// A program asks and a person approves, even where one person would suffice.
func TestProgramsAsk(t *testing.T) {
	for _, deed := range allDeeds {
		for _, rule := range []enroll.Rule{enroll.FourEyes, enroll.Alone, enroll.Never} {
			t.Run(string(deed)+" "+string(rule), func(t *testing.T) {
				d := staffed(t, enroll.Policy{DeskProof: rule, Reset: rule, Reactivate: rule, Grant: rule})
				s := d.sit(t, enroll.PhaseClaimed)
				d.set(t, cardB, identity.CardSuspended)
				var others []enroll.Scope
				for _, scope := range enroll.Scopes() {
					if scope != deedScopes[deed] {
						others = append(others, scope)
					}
				}
				_, err := deeds(d, s)[deed](t, d.program(t, "others", d.by(admin), others...))
				wantRefusal(t, err, enroll.ReasonScopeMissing)
				asked, err := deeds(d, s)[deed](t, d.program(t, "hr", d.by(admin), deedScopes[deed]))
				if rule == enroll.Never {
					wantRefusal(t, err, enroll.ReasonPolicy)
					return
				}
				if err != nil || asked == nil || asked.By != "client:hr" || d.did(t, deed, s) {
					t.Fatalf("%+v, %v; done: %t", asked, err, d.did(t, deed, s))
				}
				if _, err := d.Approve(t.Context(), d.by(approver), asked.ID); err != nil || !d.did(t, deed, s) {
					t.Errorf("%v; done: %t", err, d.did(t, deed, s))
				}
				events := d.events(t)
				if e := events[len(events)-2]; e.Actor != "client:hr" || e.Approver != approver {
					t.Errorf("%+v", e)
				}
			})
		}
	}
}

// Who makes a program sees its secret: what it asks for, or approves, is theirs.
func TestProgramsAreTheirMakers(t *testing.T) {
	d := staffed(t, enroll.Policy{ProgramsApprove: true})
	d.grant(t, admin, identity.RoleApprover)
	d.grant(t, admin, identity.RoleOperator)
	hr := d.program(t, "hr", d.by(admin), enroll.Scopes()...)
	approve := func(act enroll.Act, asked *enroll.Approval, err error) error {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Approve(t.Context(), act, asked.ID)
		return err
	}
	asked, err := d.Grant(t.Context(), hr, alice, identity.RoleAuditor)
	wantRefusal(t, approve(d.by(admin), asked, err), enroll.ReasonApprovalOwn)
	own, err := d.Grant(t.Context(), d.by(admin), alice, identity.RoleOperator)
	wantRefusal(t, approve(hr, own, err), enroll.ReasonApprovalOwn)
	about, err := d.Grant(t.Context(), d.program(t, "hr-2", console, enroll.Scopes()...), admin, identity.RoleAuditor)
	wantRefusal(t, approve(d.by(admin), about, err), enroll.ReasonApprovalOwn)
	wantRefusal(t, approve(d.by(approver), asked, nil), "")

	// Nor does anybody vouch for themselves by one.
	d.grant(t, alice, identity.RoleAdmin)
	s := d.sit(t, enroll.PhaseClaimed)
	_, err = d.AllowDeskProof(t.Context(), d.program(t, "alices", d.by(alice), enroll.ScopeVouch), s.ticket.ID, "")
	wantRefusal(t, err, enroll.ReasonApprovalOwn)
}

// A program approves where the policy lets it, what a person asked for, and
// never what a program did.
func TestProgramsApprove(t *testing.T) {
	for _, lets := range []bool{false, true} {
		d := staffed(t, enroll.Policy{ProgramsApprove: lets})
		robot := d.program(t, "robot", console, enroll.ScopeApprovals)
		asked, err := d.Grant(t.Context(), d.by(admin), alice, identity.RoleAuditor)
		if err != nil {
			t.Fatal(err)
		}
		done, err := d.Approve(t.Context(), robot, asked.ID)
		if !lets {
			wantRefusal(t, err, enroll.ReasonApproverPerson)
			continue
		}
		if err != nil || done.DecidedBy != "client:robot" {
			t.Errorf("%+v, %v", done, err)
		}
		asked, err = d.Grant(t.Context(), d.program(t, "hr", console, enroll.ScopeRoles), alice, identity.RoleOperator)
		if err != nil {
			t.Fatal(err)
		}
		_, err = d.Approve(t.Context(), robot, asked.ID)
		wantRefusal(t, err, enroll.ReasonApproverPerson)
		_, err = d.Approve(t.Context(), d.program(t, "deaf", console, enroll.ScopeRoles), asked.ID)
		wantRefusal(t, err, enroll.ReasonScopeMissing)
		_, err = d.Decline(t.Context(), robot, asked.ID)
		wantRefusal(t, err, enroll.ReasonApproverPerson)
		if asked, err = d.Grant(t.Context(), d.by(admin), alice, identity.RoleApprover); err != nil {
			t.Fatal(err)
		}
		declined, err := d.Decline(t.Context(), robot, asked.ID)
		if err != nil || declined.DecidedBy != "client:robot" {
			t.Errorf("%+v, %v", declined, err)
		}
	}
}

// What a program asked for goes with it: once revoked, nobody approves it.
func TestRequestsOfARevokedProgram(t *testing.T) {
	d := staffed(t)
	asked, err := d.Grant(t.Context(), d.program(t, "hr", d.by(admin), enroll.ScopeRoles), alice, identity.RoleAuditor)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.RevokeClient(t.Context(), d.by(admin), "hr"); err != nil {
		t.Fatal(err)
	}
	_, err = d.Approve(t.Context(), d.by(approver), asked.ID)
	if refused := wantRefusal(t, err, enroll.ReasonApprovalAsker); refused.Holder != alice || !strings.Contains(refused.Error(), "client:hr") {
		t.Errorf("%+v", refused)
	}
}

// What only protects, a program does at once.
func TestProgramsProtect(t *testing.T) {
	d := staffed(t)
	d.add(t, d.key(t, "k", alice, cardA, cardA))
	hr := d.program(t, "hr", d.by(admin), enroll.ScopeRoles, enroll.ScopePasskeys)
	d.grant(t, alice, identity.RoleOperator)
	if err := d.Withdraw(t.Context(), hr, alice, identity.RoleOperator); err != nil {
		t.Error(err)
	}
	d.grant(t, alice, identity.RoleAdmin) // so that another stays
	wantRefusal(t, d.Withdraw(t.Context(), hr, admin, identity.RoleAdmin), enroll.ReasonRolePerson)
	wantRefusal(t, d.Withdraw(t.Context(), hr, approver, identity.RoleApprover), enroll.ReasonRolePerson)
	if err := d.SuspendPasskey(t.Context(), hr, []byte("k")); err != nil || d.state(t, "k") != "suspended" {
		t.Errorf("%v; %s", err, d.state(t, "k"))
	}
	events := d.events(t)
	if e := events[len(events)-1]; e.Kind != audit.KindPasskeySuspend || e.Actor != "client:hr" || e.Reason != "test" || e.Subject != alice {
		t.Errorf("%+v", e)
	}
}
