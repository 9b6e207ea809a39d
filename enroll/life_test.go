package enroll_test

import (
	"slices"
	"testing"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

func (d *desk) wantCard(t *testing.T, tokenID string, state identity.CardState, reason string) {
	t.Helper()
	c, err := d.Card(t.Context(), tokenID)
	if err != nil || c.State != state || c.StateReason != reason {
		t.Errorf("card is %s (%s), want %s (%s); %v", c.State, c.StateReason, state, reason, err)
	}
}

func TestWhoMayStopACard(t *testing.T) {
	d := staffed(t)
	wantRefusal(t, d.Suspend(t.Context(), d.by(auditor), cardA), enroll.ReasonRoleMissing)
	wantRefusal(t, d.Revoke(t.Context(), d.by(alice), cardA), enroll.ReasonRoleMissing)
	wantRefusal(t, d.Suspend(t.Context(), d.by(operator), cardC), enroll.ReasonCardUnknown)
	wantRefusal(t, d.Suspend(t.Context(), d.by(operator), cardA), "")
	d.wantCard(t, cardA, identity.CardSuspended, "test")
	wantRefusal(t, d.Revoke(t.Context(), d.by(admin), cardA), "")
	d.wantCard(t, cardA, identity.CardRevoked, "test")
	wantRefusal(t, d.Suspend(t.Context(), d.by(operator), cardA), enroll.ReasonCardState)
	_, err := d.Reactivate(t.Context(), d.by(operator), cardA)
	wantRefusal(t, err, enroll.ReasonCardState)
}

// TestReservedReasons: what cpsgate itself says brings records back, or proposes
// it; nobody can say it of an act of theirs.
func TestReservedReasons(t *testing.T) {
	d := staffed(t)
	for _, reason := range []string{
		enroll.ReasonCertificateRevoked, enroll.ReasonOpposed, enroll.ReasonReplaced, enroll.ReasonKept, enroll.ReasonFollowsCard,
		enroll.ReasonSignCount, "removed", "enrolment-expired", " Opposed ",
	} {
		for name, act := range map[string]enroll.Act{"operator": d.by(operator), "console": console} {
			t.Run(name+" "+reason, func(t *testing.T) {
				act.Reason = reason
				wantRefusal(t, d.Suspend(t.Context(), act, cardA), enroll.ReasonReserved)
				wantRefusal(t, d.SuspendPasskey(t.Context(), act, []byte("used")), enroll.ReasonReserved)
				d.wantCard(t, cardA, identity.CardActive, "")
				if got := d.state(t, "used"); got != "active" {
					t.Errorf("its passkey is %s", got)
				}
			})
		}
	}
}

func TestReplace(t *testing.T) {
	d := staffed(t)
	d.admit(t, holder(alice, cardC, "0C"))
	for name, tt := range map[string]struct {
		act       enroll.Act
		old, next string
		want      enroll.Reason
	}{
		"by itself":             {d.by(operator), cardA, cardA, enroll.ReasonCardState},
		"by none":               {d.by(operator), cardA, "", enroll.ReasonCardState},
		"by another person's":   {d.by(operator), cardA, cardB, enroll.ReasonCardOfAnother},
		"an unknown card":       {d.by(operator), "x", cardC, enroll.ReasonCardUnknown},
		"by an unknown card":    {d.by(operator), cardA, "x", enroll.ReasonCardUnknown},
		"by who is no operator": {d.by(auditor), cardA, cardC, enroll.ReasonRoleMissing},
	} {
		t.Run(name, func(t *testing.T) { wantRefusal(t, d.Replace(t.Context(), tt.act, tt.old, tt.next), tt.want) })
	}
	d.wantCard(t, cardA, identity.CardActive, "")
	before := len(d.events(t))
	wantRefusal(t, d.Replace(t.Context(), d.by(operator), cardA, cardC), "")
	d.wantCard(t, cardA, identity.CardRevoked, enroll.ReasonReplaced)
	d.wantCard(t, cardC, identity.CardActive, "")
	if got := d.state(t, "used"); got != "revoked" {
		t.Errorf("its passkey is %s", got)
	}
	var kinds []string
	for _, e := range d.events(t)[before:] {
		kinds = append(kinds, e.Kind)
	}
	if !slices.Equal(kinds, []string{audit.KindCardReplace, audit.KindCardState}) {
		t.Errorf("recorded %v", kinds)
	}
	wantRefusal(t, d.Replace(t.Context(), d.by(operator), cardA, cardC), enroll.ReasonCardState)
}

func TestARevokedCertificateStopsItsCard(t *testing.T) {
	tests := []struct {
		name   string
		before func(t *testing.T, d *desk)
		serial string
		want   identity.CardState
		reason string
		events int
	}{
		{"the card's own", nil, "01", identity.CardSuspended, enroll.ReasonCertificateRevoked, 1},
		{"one that is not known here", nil, "FF", identity.CardActive, "", 0},
		{"one that a later one replaced", func(t *testing.T, d *desk) {
			renewed := holder(alice, cardA, "0A")
			renewed.Certificate.NotBefore = noon
			d.admit(t, renewed)
		}, "01", identity.CardActive, "", 0},
		{"the later one", func(t *testing.T, d *desk) {
			renewed := holder(alice, cardA, "0A")
			renewed.Certificate.NotBefore = noon
			d.admit(t, renewed)
		}, "0A", identity.CardSuspended, enroll.ReasonCertificateRevoked, 1},
		{"of a card that is lost", func(t *testing.T, d *desk) { d.set(t, cardA, identity.CardSuspended) }, "01", identity.CardSuspended, "test", 1},
		{"of a card that is revoked", func(t *testing.T, d *desk) { d.set(t, cardA, identity.CardRevoked) }, "01", identity.CardRevoked, "test", 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := staffed(t)
			if tt.before != nil {
				tt.before(t, d)
			}
			before := len(d.events(t))
			d.told = nil
			if err := d.CertificateRevoked(t.Context(), "aa", tt.serial, "crl 7"); err != nil {
				t.Fatal(err)
			}
			d.wantCard(t, cardA, tt.want, tt.reason)
			events := d.events(t)[before:]
			if len(events) != tt.events {
				t.Fatalf("recorded %+v", events)
			}
			if tt.events == 0 {
				return
			}
			if e := events[0]; e.Kind != audit.KindCardState || e.Actor != "" || e.CertificateSerial != tt.serial || e.Reason != enroll.ReasonCertificateRevoked {
				t.Errorf("%+v", e)
			}
			told := map[bool]int{true: 4}[tt.reason == enroll.ReasonCertificateRevoked]
			if len(d.told) != told || d.state(t, "used") != "suspended" {
				t.Errorf("told %q", d.told)
			}
		})
	}
}

func TestALiftedRevocationIsOnlyProposed(t *testing.T) {
	d := staffed(t)
	release := func() {
		t.Helper()
		if err := d.CertificateReleased(t.Context(), "aa", "01", "crl 8"); err != nil {
			t.Fatal(err)
		}
	}
	proposals := func() []enroll.Approval {
		t.Helper()
		page, err := d.Approvals(t.Context(), enroll.ApprovalQuery{States: []enroll.ApprovalState{enroll.ApprovalProposed}})
		if err != nil {
			t.Fatal(err)
		}
		return page.Approvals
	}
	release() // of a card that is active
	d.set(t, cardA, identity.CardSuspended)
	release() // of a card that is lost
	if list := proposals(); len(list) != 0 {
		t.Fatalf("proposed %+v", list)
	}
	d.set(t, cardA, identity.CardActive)
	if err := d.CertificateRevoked(t.Context(), "aa", "01", "crl 7"); err != nil {
		t.Fatal(err)
	}
	release()
	release()
	list := proposals()
	if len(list) != 1 || list[0].Card != cardA || list[0].Subject != alice || list[0].By != "" {
		t.Fatalf("proposed %+v", list)
	}
	d.wantCard(t, cardA, identity.CardSuspended, enroll.ReasonCertificateRevoked)
	_, err := d.Approve(t.Context(), d.by(approver), list[0].ID)
	wantRefusal(t, err, enroll.ReasonApprovalOver) // two pairs of eyes, not one

	request, err := d.Reactivate(t.Context(), d.by(operator), cardA)
	if err != nil || request.ID == list[0].ID || len(proposals()) != 0 {
		t.Fatalf("%+v, %v", request, err)
	}
	if _, err := d.Approve(t.Context(), d.by(approver), request.ID); err != nil {
		t.Fatal(err)
	}
	d.wantCard(t, cardA, identity.CardActive, "")
	if got := d.state(t, "used"); got != "active" {
		t.Errorf("its passkey is %s", got)
	}
}

func TestADeclinedProposalDoesNotComeAgain(t *testing.T) {
	d := staffed(t)
	if err := d.CertificateRevoked(t.Context(), "aa", "01", "crl 7"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.CertificateReleased(t.Context(), "aa", "01", "crl 8"); err != nil {
			t.Fatal(err)
		}
		page, err := d.Approvals(t.Context(), enroll.ApprovalQuery{})
		if err != nil || len(page.Approvals) != 1 {
			t.Fatalf("%+v, %v", page, err)
		}
		if a := page.Approvals[0]; a.State == enroll.ApprovalProposed {
			if _, err := d.Decline(t.Context(), d.by(operator), a.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	d.wantCard(t, cardA, identity.CardSuspended, enroll.ReasonKept)
	if _, err := d.Reactivate(t.Context(), d.by(operator), cardA); err != nil { // a person may change their mind
		t.Error(err)
	}
}

func TestRecheck(t *testing.T) {
	d := staffed(t, enroll.Policy{Reactivate: enroll.Alone})
	renewed := holder(alice, cardA, "0A")
	renewed.Certificate.NotBefore = noon
	d.admit(t, renewed)
	verdicts := map[string]enroll.Verdict{"01": enroll.Revoked, "0A": enroll.Good, "02": enroll.Revoked}
	var asked []string
	recheck := func() {
		t.Helper()
		asked = nil
		err := d.Recheck(t.Context(), "crl 9", func(c identity.Certificate) enroll.Verdict {
			asked = append(asked, c.Serial)
			return verdicts[c.Serial]
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	recheck()
	if !slices.Equal(asked, []string{"0A", "02"}) { // each card's latest
		t.Errorf("asked about %v", asked)
	}
	d.wantCard(t, cardA, identity.CardActive, "")
	d.wantCard(t, cardB, identity.CardSuspended, enroll.ReasonCertificateRevoked)

	verdicts["02"] = enroll.Doubtful // evidence is missing
	before := len(d.events(t))
	recheck()
	if len(d.events(t)) != before {
		t.Error("recorded what changed nothing")
	}
	verdicts["02"] = enroll.Good
	recheck()
	recheck()
	if n := len(d.events(t)) - before; n != 1 {
		t.Errorf("%d events, want one proposal", n)
	}
	d.wantCard(t, cardB, identity.CardSuspended, enroll.ReasonCertificateRevoked)
	if _, err := d.Reactivate(t.Context(), d.by(operator), cardB); err != nil {
		t.Fatal(err)
	}
	d.wantCard(t, cardB, identity.CardActive, "")
	page, err := d.Approvals(t.Context(), enroll.ApprovalQuery{})
	if err != nil || len(page.Approvals) != 1 || page.Approvals[0].State != enroll.ApprovalExpired || page.Approvals[0].DecidedBy != operator {
		t.Errorf("%+v, %v", page, err)
	}
	d.set(t, cardB, identity.CardRevoked)
	recheck()
	if !slices.Equal(asked, []string{"0A"}) {
		t.Errorf("asked about %v", asked)
	}
}
