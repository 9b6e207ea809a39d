package enroll_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// deeds are the acts that the policy may put under four eyes, each about Alice.
func deeds(d *desk, s sat) map[enroll.Deed]func(t *testing.T, act enroll.Act) (*enroll.Approval, error) {
	return map[enroll.Deed]func(t *testing.T, act enroll.Act) (*enroll.Approval, error){
		enroll.DeedDeskProof: func(t *testing.T, act enroll.Act) (*enroll.Approval, error) {
			return d.AllowDeskProof(t.Context(), act, s.ticket.ID, cardA)
		},
		enroll.DeedReset: func(t *testing.T, act enroll.Act) (*enroll.Approval, error) {
			return d.AllowReset(t.Context(), act, s.ticket.ID)
		},
		enroll.DeedReactivate: func(t *testing.T, act enroll.Act) (*enroll.Approval, error) {
			return d.Reactivate(t.Context(), act, cardB)
		},
		enroll.DeedGrant: func(t *testing.T, act enroll.Act) (*enroll.Approval, error) {
			return d.Grant(t.Context(), act, alice, identity.RoleAuditor)
		},
	}
}

// did tells whether the deed was done.
func (d *desk) did(t *testing.T, deed enroll.Deed, s sat) bool {
	t.Helper()
	ticket, err := d.Ticket(t.Context(), s.ticket.ID)
	if err != nil {
		t.Fatal(err)
	}
	card, err := d.Card(t.Context(), cardB)
	if err != nil {
		t.Fatal(err)
	}
	p, err := d.Professional(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	return map[enroll.Deed]bool{
		enroll.DeedDeskProof:  ticket.DeskProof.State == enroll.LeaveGiven,
		enroll.DeedReset:      ticket.Reset.State == enroll.LeaveGiven,
		enroll.DeedReactivate: card.State == identity.CardActive,
		enroll.DeedGrant:      p.HasRole(identity.RoleAuditor),
	}[deed]
}

// asker is who may ask for the deed.
func (d *desk) asker(deed enroll.Deed) enroll.Act {
	if deed == enroll.DeedGrant {
		return d.by(admin)
	}
	return d.by(operator)
}

var allDeeds = []enroll.Deed{enroll.DeedDeskProof, enroll.DeedReset, enroll.DeedReactivate, enroll.DeedGrant}

// asked is a desk where somebody has done what the deed asks for.
func asked(t *testing.T, deed enroll.Deed, rule enroll.Rule) (*desk, sat, *enroll.Approval, error) {
	t.Helper()
	d := staffed(t, enroll.Policy{DeskProof: rule, Reset: rule, Reactivate: rule, Grant: rule})
	s := d.sit(t, enroll.PhaseClaimed)
	d.set(t, cardB, identity.CardSuspended)
	d.told = nil
	approval, err := deeds(d, s)[deed](t, d.asker(deed))
	return d, s, approval, err
}

func TestRules(t *testing.T) {
	for _, deed := range allDeeds {
		for rule, want := range map[enroll.Rule]enroll.Reason{
			enroll.Alone: "", enroll.FourEyes: "", enroll.Never: enroll.ReasonPolicy, "whatever": enroll.ReasonPolicy,
		} {
			t.Run(fmt.Sprintf("%s %q", deed, rule), func(t *testing.T) {
				d, s, approval, err := asked(t, deed, rule)
				wantRefusal(t, err, want)
				if d.did(t, deed, s) != (rule == enroll.Alone) {
					t.Errorf("done: %t", d.did(t, deed, s))
				}
				if (approval != nil) != (rule == enroll.FourEyes) {
					t.Errorf("%+v", approval)
				}
			})
		}
	}
}

func TestFourEyes(t *testing.T) {
	for _, deed := range allDeeds {
		t.Run(string(deed), func(t *testing.T) {
			d, s, approval, err := asked(t, deed, enroll.FourEyes)
			if err != nil {
				t.Fatal(err)
			}
			before := len(d.events(t))
			done, err := d.Approve(elsewhere(t), d.by(approver), approval.ID)
			if err != nil || done.State != enroll.ApprovalDone || done.DecidedBy != approver {
				t.Fatalf("%+v, %v", done, err)
			}
			if !d.did(t, deed, s) {
				t.Error("it was not done")
			}
			events := d.events(t)[before:]
			if len(events) != 2 || events[0].Actor != d.asker(deed).By || events[0].Approver != approver ||
				events[1].Kind != audit.KindApprovalApprove || events[1].Actor != approver {
				t.Fatalf("%+v", events)
			}
			at := enroll.Workstation{}
			if approval.Ticket != "" {
				at = atDesk
			}
			if e := events[0]; e.Session != "" || e.Method != "" || e.UserAgent != "" ||
				e.Address != at.Address || e.Workstation != at.Name || e.Reader != at.Reader {
				t.Errorf("the asker's deed by the approver's request: %+v", e)
			}
			if e := events[1]; e.Session != "S" || e.Workstation != "BUREAU" {
				t.Errorf("%+v", e)
			}
			_, err = d.Approve(t.Context(), d.by(approver), approval.ID)
			wantRefusal(t, err, enroll.ReasonApprovalOver)
			_, err = d.Decline(t.Context(), d.by(approver), approval.ID)
			wantRefusal(t, err, enroll.ReasonApprovalOver)
		})
	}
}

// elsewhere is the request of somebody signed in, the approver if nobody says
// otherwise, at no desk.
func elsewhere(t *testing.T) context.Context {
	return audit.WithCircumstances(t.Context(), audit.Circumstances{
		Actor: approver, Method: identity.MethodCPS, Session: "S", Address: "192.0.2.99", UserAgent: "UA", Workstation: "BUREAU",
	})
}

// What cpsgate does by itself is nobody's act, whoever's request it came of.
func TestWhatCpsgateDoesIsNobodysAct(t *testing.T) {
	for name, do := range map[string]func(t *testing.T, d *desk) error{
		"a certificate is revoked": func(t *testing.T, d *desk) error {
			return d.CertificateRevoked(elsewhere(t), "aa", "01", "found when it was used")
		},
		"a revocation is lifted": func(t *testing.T, d *desk) error {
			if err := d.CertificateRevoked(t.Context(), "aa", "01", "crl 7"); err != nil {
				return err
			}
			return d.CertificateReleased(elsewhere(t), "aa", "01", "crl 8")
		},
		"a passkey was copied": func(t *testing.T, d *desk) error { return d.PasskeyCopied(elsewhere(t), []byte("used")) },
		"a workstation gives up": func(t *testing.T, d *desk) error {
			return d.Abandon(elsewhere(t), d.sit(t, enroll.PhaseClaimed).secret, "card-removed")
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := staffed(t)
			if err := do(t, d); err != nil {
				t.Fatal(err)
			}
			events := d.events(t)
			if e := events[len(events)-1]; e.Actor != "" || e.Session != "" || e.Method != "" || e.UserAgent != "UA" || e.Workstation == "" {
				t.Errorf("%+v", e)
			}
		})
	}
}

func TestDecline(t *testing.T) {
	for _, deed := range allDeeds {
		t.Run(string(deed), func(t *testing.T) {
			d, s, approval, err := asked(t, deed, enroll.FourEyes)
			if err != nil {
				t.Fatal(err)
			}
			done, err := d.Decline(t.Context(), d.by(approver), approval.ID)
			if err != nil || done.State != enroll.ApprovalDeclined || d.did(t, deed, s) {
				t.Errorf("%+v, %v", done, err)
			}
			_, err = d.Approve(t.Context(), d.by(approver), approval.ID)
			wantRefusal(t, err, enroll.ReasonApprovalOver)
		})
	}
}

// A ticket that named nobody when a reset was asked for may name the approver by
// the time it is approved.
func TestNobodyApprovesAResetOfTheirOwn(t *testing.T) {
	d := staffed(t, enroll.Policy{Reset: enroll.FourEyes})
	d.grant(t, alice, identity.RoleApprover)
	ticket, code := d.ticket(t, "")
	_, secret := d.claim(t, code)
	approval, err := d.AllowReset(t.Context(), d.by(operator), ticket.ID)
	if err != nil || approval == nil {
		t.Fatal(approval, err)
	}
	if err := d.prove(t, secret); err != nil {
		t.Fatal(err)
	}
	_, err = d.Approve(t.Context(), d.by(alice), approval.ID)
	wantRefusal(t, err, enroll.ReasonApprovalOwn)
	_, err = d.Approve(t.Context(), d.by(approver), approval.ID)
	wantRefusal(t, err, "")
}

func TestApproveRefuses(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, d *desk)
		act     func(d *desk) enroll.Act
		want    enroll.Reason
	}{
		{"nothing of another's", nil, func(d *desk) enroll.Act { return d.by(approver) }, ""},
		{"who is no approver", nil, func(d *desk) enroll.Act { return d.by(operator) }, enroll.ReasonRoleMissing},
		{"a PIN of long ago", nil, func(d *desk) enroll.Act {
			act := d.by(approver)
			act.AuthenticatedAt = act.AuthenticatedAt.Add(-5*time.Minute - time.Second)
			return act
		}, enroll.ReasonAuthenticationStale},
		{"who asked", func(t *testing.T, d *desk) { d.grant(t, admin, identity.RoleApprover) },
			func(d *desk) enroll.Act { return d.by(admin) }, enroll.ReasonApprovalOwn},
		{"whom it is about", func(t *testing.T, d *desk) { d.grant(t, alice, identity.RoleApprover) },
			func(d *desk) enroll.Act { return d.by(alice) }, enroll.ReasonApprovalOwn},
		{"a request of yesterday", func(_ *testing.T, d *desk) { d.pass(24 * time.Hour) },
			func(d *desk) enroll.Act { return d.by(approver) }, enroll.ReasonApprovalOver},
		{"for who is no longer what they were", func(t *testing.T, d *desk) {
			if err := d.Withdraw(t.Context(), console, admin, identity.RoleAdmin); err != nil {
				t.Fatal(err)
			}
		}, func(d *desk) enroll.Act { return d.by(approver) }, enroll.ReasonApprovalAsker},
		{"a machine", func(t *testing.T, d *desk) {
			if _, _, err := d.AddClient(t.Context(), console, "robot", enroll.Scopes(), 0); err != nil {
				t.Fatal(err)
			}
		}, func(*desk) enroll.Act { return enroll.Act{Client: "robot"} }, enroll.ReasonApproverPerson},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d, s, approval, err := asked(t, enroll.DeedGrant, enroll.FourEyes)
			if err != nil {
				t.Fatal(err)
			}
			if tt.prepare != nil {
				tt.prepare(t, d)
			}
			_, err = d.Approve(t.Context(), tt.act(d), approval.ID)
			wantRefusal(t, err, tt.want)
			if d.did(t, enroll.DeedGrant, s) != (tt.want == "") {
				t.Errorf("done: %t", d.did(t, enroll.DeedGrant, s))
			}
		})
	}
	d := staffed(t)
	_, err := d.Approve(t.Context(), d.by(approver), "none")
	wantRefusal(t, err, enroll.ReasonApprovalUnknown)
	_, err = d.Approval(t.Context(), "none")
	wantRefusal(t, err, enroll.ReasonApprovalUnknown)
}

func (d *desk) grant(t *testing.T, who identity.PSIdNat, role identity.Role) {
	t.Helper()
	if _, err := d.Grant(t.Context(), console, who, role); err != nil {
		t.Fatal(err)
	}
}

func TestARequestIsMadeOnce(t *testing.T) {
	d, _, approval, err := asked(t, enroll.DeedGrant, enroll.FourEyes)
	if err != nil {
		t.Fatal(err)
	}
	before := len(d.events(t))
	again, err := d.Grant(t.Context(), d.by(admin), alice, identity.RoleAuditor)
	if err != nil || again.ID != approval.ID || len(d.events(t)) != before {
		t.Errorf("%+v, %v", again, err)
	}
	other, err := d.Grant(t.Context(), d.by(admin), alice, identity.RoleOperator)
	if err != nil || other.ID == approval.ID {
		t.Errorf("%+v, %v", other, err)
	}
	page, err := d.Approvals(t.Context(), enroll.ApprovalQuery{States: []enroll.ApprovalState{enroll.ApprovalWaiting}, Limit: 1})
	if err != nil || len(page.Approvals) != 1 || page.Next == "" {
		t.Fatalf("%+v, %v", page, err)
	}
	next, err := d.Approvals(t.Context(), enroll.ApprovalQuery{Limit: 1, After: page.Next})
	if err != nil || len(next.Approvals) != 1 || next.Next != "" || next.Approvals[0].ID == page.Approvals[0].ID {
		t.Errorf("%+v, %v", next, err)
	}
	d.pass(25 * time.Hour)
	if err := d.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	old, err := d.Approval(t.Context(), approval.ID)
	if err != nil || old.State != enroll.ApprovalExpired {
		t.Errorf("%+v, %v", old, err)
	}
	fresh, err := d.Grant(t.Context(), d.by(admin), alice, identity.RoleAuditor)
	if err != nil || fresh.ID == approval.ID {
		t.Errorf("%+v, %v", fresh, err)
	}
}
