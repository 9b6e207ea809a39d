package enroll_test

import (
	"testing"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// findings are what cpsgate learns against cards, and how it is taken back.
var findings = map[string]struct{ found, lifted func(t *testing.T, d *desk) }{
	enroll.ReasonOpposed: {
		func(t *testing.T, d *desk) { d.oppose(t, opposing("8|99700000017|0000000001||2026-03-01|")) },
		func(t *testing.T, d *desk) {
			if report := d.oppose(t, opposing("8|99700000017|0000000001|||")); report.Proposed != 0 {
				t.Errorf("%+v", report)
			}
		},
	},
	enroll.ReasonCertificateRevoked: {
		func(t *testing.T, d *desk) { d.recheck(t, enroll.Revoked) },
		func(t *testing.T, d *desk) { d.recheck(t, enroll.Good) },
	},
}

// recheck judges the certificate of card A, and no other.
func (d *desk) recheck(t *testing.T, v enroll.Verdict) {
	t.Helper()
	err := d.Recheck(t.Context(), "crl 7", func(c identity.Certificate) enroll.Verdict {
		if c.TokenID == cardA {
			return v
		}
		return enroll.Doubtful
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (d *desk) wantAgainst(t *testing.T, reason, against string) {
	t.Helper()
	c, err := d.Card(t.Context(), cardA)
	if err != nil || c.State != identity.CardSuspended || c.StateReason != reason || c.Against != against {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestFoundAgainstASuspendedCard: it is kept, recorded once, and what was asked for
// before is not done. What somebody said of the card stays its reason.
func TestFoundAgainstASuspendedCard(t *testing.T) {
	for finding, does := range findings {
		t.Run(finding, func(t *testing.T) {
			d := staffed(t)
			if err := d.Suspend(t.Context(), d.by(operator), cardA); err != nil {
				t.Fatal(err)
			}
			ask := func() string {
				t.Helper()
				asked, err := d.Reactivate(t.Context(), d.by(operator), cardA)
				if err != nil {
					t.Fatal(err)
				}
				return asked.ID
			}
			refused := func(id string) {
				t.Helper()
				_, err := d.Approve(t.Context(), d.by(approver), id)
				wantRefusal(t, err, enroll.ReasonApprovalOver)
			}
			asked := ask()
			does.found(t, d)
			d.wantAgainst(t, "test", finding)
			refused(asked)
			if e := last(t, d, audit.KindCardState); e.Reason != finding || e.Subject != alice || e.Card != cardA {
				t.Errorf("%+v", e)
			}
			if e := last(t, d, audit.KindApprovalExpire); e.Reason != "card-stopped" {
				t.Errorf("%+v", e)
			}
			before := d.count(t, audit.KindCardState)
			does.found(t, d)
			if now := d.count(t, audit.KindCardState); now != before {
				t.Errorf("found %d times", 1+now-before)
			}
			asked = ask() // which is said again to be stopped
			does.found(t, d)
			refused(asked)

			does.lifted(t, d)
			d.wantAgainst(t, "test", "")
			if e := last(t, d, audit.KindCardState); e.Reason != finding || e.Actor != "" {
				t.Errorf("%+v", e)
			}
			if n := d.count(t, audit.KindApprovalPropose); n != 0 {
				t.Errorf("%d proposals", n)
			}
			if _, err := d.Approve(t.Context(), d.by(approver), ask()); err != nil {
				t.Error(err)
			}
			does.found(t, d)
			d.wantAgainst(t, finding, "")
		})
	}
}

func (d *desk) count(t *testing.T, kind string) (n int) {
	t.Helper()
	for _, e := range d.events(t) {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// TestOneOfTwoFindingsIsLifted: the other one keeps the card, and only when that
// too is lifted is it proposed to bring it back.
func TestOneOfTwoFindingsIsLifted(t *testing.T) {
	for first, second := range map[string]string{
		enroll.ReasonOpposed: enroll.ReasonCertificateRevoked, enroll.ReasonCertificateRevoked: enroll.ReasonOpposed,
	} {
		t.Run(first, func(t *testing.T) {
			d := staffed(t)
			findings[first].found(t, d)
			findings[second].found(t, d)
			d.wantAgainst(t, first, second)
			findings[first].lifted(t, d)
			d.wantAgainst(t, second, "")
			if n := d.count(t, audit.KindApprovalPropose); n != 0 {
				t.Errorf("%d proposals", n)
			}
			if second == enroll.ReasonOpposed {
				d.oppose(t, opposing("8|99700000017|0000000001|||"))
			} else {
				d.recheck(t, enroll.Good)
			}
			if n := d.count(t, audit.KindApprovalPropose); n != 1 {
				t.Errorf("%d proposals", n)
			}
			findings[second].found(t, d) // again: nothing of it stays proposed
			page, err := d.Approvals(t.Context(), enroll.ApprovalQuery{States: []enroll.ApprovalState{enroll.ApprovalProposed}})
			if err != nil || len(page.Approvals) != 0 {
				t.Errorf("%+v, %v", page, err)
			}
		})
	}
}

// TestWhatWasLiftedIsNotKeptAgainst: somebody who reports a card that is suspended
// for a finding adds to that; once it is lifted, and proposed to bring the card back,
// only what was reported is left. Found again, it is kept again.
func TestWhatWasLiftedIsNotKeptAgainst(t *testing.T) {
	lifts := map[string]func(t *testing.T, d *desk){
		enroll.ReasonOpposed:            func(t *testing.T, d *desk) { d.oppose(t, opposing("8|99700000017|0000000001|||")) },
		enroll.ReasonCertificateRevoked: func(t *testing.T, d *desk) { d.recheck(t, enroll.Good) },
	}
	for finding, does := range findings {
		t.Run(finding, func(t *testing.T) {
			reports := func(d *desk) {
				t.Helper()
				if err := d.Suspend(t.Context(), d.by(operator), cardA); err != nil {
					t.Fatal(err)
				}
			}
			d := staffed(t)
			does.found(t, d)
			reports(d)
			d.wantAgainst(t, "test", finding)

			d = staffed(t)
			does.found(t, d)
			lifts[finding](t, d)
			if n := d.count(t, audit.KindApprovalPropose); n != 1 {
				t.Fatalf("%d proposals", n)
			}
			reports(d)
			d.wantAgainst(t, "test", "")
			if e := last(t, d, audit.KindApprovalExpire); e.Reason != "card-stopped" {
				t.Errorf("%+v", e)
			}
			does.found(t, d)
			d.wantAgainst(t, "test", finding)
		})
	}
}
