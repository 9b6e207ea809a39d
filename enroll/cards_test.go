package enroll_test

import (
	"slices"
	"testing"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// populated knows Alice with card A, a passkey in it that was used, one in it
// that was not, a USB key that card A vouched for; and Bob with card B and a
// passkey in it.
func populated(t *testing.T) *desk {
	t.Helper()
	files.makePopulated.Do(func() { files.populated = closed(t, populating(t)) })
	return deskOn(t, files.populated)
}

func populating(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	d.admit(t, holder(alice, cardA, "01"))
	d.admit(t, holder(bob, cardB, "02"))
	d.add(t, d.key(t, "used", alice, cardA, cardA))
	d.add(t, d.key(t, "fresh", alice, cardA, cardA))
	d.add(t, d.key(t, "usb", alice, "", cardA))
	d.add(t, d.key(t, "bob", bob, cardB, cardB))
	d.use(t, "used")
	d.use(t, "usb")
	return d
}

func TestPasskeysFollowTheirCard(t *testing.T) {
	tests := []struct {
		name  string
		steps []identity.CardState
		want  map[string]string
	}{
		{"none yet", nil, map[string]string{"used": "active", "fresh": "pending", "usb": "active", "bob": "pending"}},
		{"suspended", []identity.CardState{identity.CardSuspended},
			map[string]string{"used": "suspended", "fresh": "suspended", "usb": "suspended", "bob": "pending"}},
		{"suspended and reactivated", []identity.CardState{identity.CardSuspended, identity.CardActive},
			map[string]string{"used": "active", "fresh": "pending", "usb": "active", "bob": "pending"}},
		{"revoked", []identity.CardState{identity.CardRevoked},
			map[string]string{"used": "revoked", "fresh": "revoked", "usb": "revoked", "bob": "pending"}},
		{"suspended, then revoked", []identity.CardState{identity.CardSuspended, identity.CardRevoked},
			map[string]string{"used": "revoked", "fresh": "revoked", "usb": "revoked", "bob": "pending"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := populated(t)
			before := len(d.events(t))
			for _, state := range tt.steps {
				d.set(t, cardA, state)
			}
			for id, want := range tt.want {
				if got := d.state(t, id); got != want {
					t.Errorf("%s is %s, want %s", id, got, want)
				}
			}
			if n := len(d.events(t)) - before; n != len(tt.steps) {
				t.Errorf("%d events for %d changes", n, len(tt.steps))
			}
		})
	}
}

func TestASuspendedCardTellsAndRecords(t *testing.T) {
	d := populated(t)
	if err := d.SetCardState(t.Context(), cardA, identity.CardSuspended, "lost", carol); err != nil {
		t.Fatal(err)
	}
	want := []string{"card " + cardA + " suspended", "passkey fresh suspended", "passkey usb suspended", "passkey used suspended"}
	slices.Sort(d.told)
	if !slices.Equal(d.told, want) {
		t.Errorf("told %q", d.told)
	}
	events := d.events(t)
	e := events[len(events)-1]
	if e.Kind != audit.KindCardState || e.Outcome != audit.Done || e.Reason != "lost" || e.Actor != carol || e.Subject != alice ||
		e.Card != cardA || e.Detail != "active to suspended, 3 passkeys follow" {
		t.Errorf("%+v", e)
	}
	c, err := d.Card(t.Context(), cardA)
	if err != nil || c.State != identity.CardSuspended || c.StateReason != "lost" {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestAPasskeyWithItsOwnReasonDoesNotComeBackWithTheCard(t *testing.T) {
	d := populated(t)
	if err := d.PasskeyCopied(t.Context(), []byte("used")); err != nil {
		t.Fatal(err)
	}
	if err := d.RemovePasskey(t.Context(), alice, []byte("usb")); err != nil {
		t.Fatal(err)
	}
	d.set(t, cardA, identity.CardSuspended)
	d.set(t, cardA, identity.CardActive)
	for id, want := range map[string]string{"used": "suspended", "usb": "revoked", "fresh": "pending"} {
		if got := d.state(t, id); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
}

func TestTheSameStateIsNoEventButToldAgain(t *testing.T) {
	d := populated(t)
	d.set(t, cardA, identity.CardSuspended)
	events := len(d.events(t))
	d.told = nil
	d.set(t, cardA, identity.CardSuspended)
	if len(d.events(t)) != events {
		t.Error("recorded what changed nothing")
	}
	if len(d.told) != 4 {
		t.Errorf("told %q", d.told)
	}
}

func TestSetCardStateRefuses(t *testing.T) {
	tests := []struct {
		name    string
		before  []identity.CardState
		tokenID string
		state   identity.CardState
		want    enroll.Reason
	}{
		{"no suspension", nil, cardA, identity.CardSuspended, ""},
		{"an unknown card", nil, cardC, identity.CardSuspended, enroll.ReasonCardUnknown},
		{"to bring back a revoked card", []identity.CardState{identity.CardRevoked}, cardA, identity.CardActive, enroll.ReasonCardState},
		{"to suspend a revoked card", []identity.CardState{identity.CardRevoked}, cardA, identity.CardSuspended, enroll.ReasonCardState},
		{"a state that is none", nil, cardA, "lost", enroll.ReasonCardState},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := populated(t)
			for _, state := range tt.before {
				d.set(t, cardA, state)
			}
			d.told = nil
			events := len(d.events(t))
			wantRefusal(t, d.SetCardState(t.Context(), tt.tokenID, tt.state, "test", carol), tt.want)
			if tt.want != "" && (len(d.told) != 0 || len(d.events(t)) != events) {
				t.Errorf("told %q, %d events", d.told, len(d.events(t))-events)
			}
		})
	}
}

// TestAHookThatFailsIsNoFailureOfTheAct: it is kept and in force.
func TestAHookThatFailsIsNoFailureOfTheAct(t *testing.T) {
	d := populated(t)
	d.hook = errDisk
	if err := d.SetCardState(t.Context(), cardA, identity.CardRevoked, "lost", carol); err != nil || !d.Untold() {
		t.Errorf("error %v; untold: %t", err, d.Untold())
	}
	if c, _ := d.Card(t.Context(), cardA); c.State != identity.CardRevoked {
		t.Error("the card was left as it was")
	}
	if len(d.told) != 4 {
		t.Errorf("one failing hook kept the others from being told: %q", d.told)
	}
}

func TestStanding(t *testing.T) {
	tests := []struct {
		name    string
		tokenID string
		passkey string
		state   identity.CardState
		want    enroll.Reason
	}{
		{"an active card", cardA, "", identity.CardActive, ""},
		{"an active card and passkey", cardA, "used", identity.CardActive, ""},
		{"a pending passkey", "", "fresh", identity.CardActive, ""},
		{"nothing to stand on", "", "", identity.CardActive, ""},
		{"an unknown card", cardC, "", identity.CardActive, enroll.ReasonCardUnknown},
		{"an unknown passkey", cardA, "?", identity.CardActive, enroll.ReasonPasskeyUnknown},
		{"a suspended card", cardA, "used", identity.CardSuspended, enroll.ReasonCardSuspended},
		{"a revoked card", cardA, "", identity.CardRevoked, enroll.ReasonCardRevoked},
		{"a suspended card's passkey", "", "usb", identity.CardSuspended, enroll.ReasonPasskeySuspended},
		{"a revoked card's passkey", "", "usb", identity.CardRevoked, enroll.ReasonPasskeyRevoked},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := populated(t)
			d.set(t, cardA, tt.state)
			wantRefusal(t, d.Standing(t.Context(), tt.tokenID, []byte(tt.passkey)), tt.want)
		})
	}
}
