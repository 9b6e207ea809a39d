package enroll_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

func TestThePasskeysLife(t *testing.T) {
	d := newDesk(t)
	d.admit(t, holder(alice, cardA, "01"))
	p := d.key(t, "key", alice, cardA, cardA)
	p.State, p.Name = identity.PasskeyActive, "  Ma carte " // rp does not decide that
	d.add(t, p)
	if got := d.state(t, "key"); got != "pending" {
		t.Errorf("added as %s", got)
	}

	d.now = noon.Add(time.Hour)
	if err := d.Used(t.Context(), identity.Passkey{ID: []byte("key"), SignCount: 5, BackupState: true}); err != nil {
		t.Fatal(err)
	}
	if err := d.Used(t.Context(), identity.Passkey{ID: []byte("key"), SignCount: 4}); err != nil {
		t.Fatal(err)
	}
	got, err := d.Passkey(t.Context(), []byte("key"))
	if err != nil || got.State != identity.PasskeyActive || got.SignCount != 5 || got.BackupState || !got.LastUsedAt.Equal(d.now) {
		t.Errorf("used: %+v, %v", got, err)
	}
	if got.Name != "Ma carte" || !got.CreatedAt.Equal(noon) {
		t.Errorf("added: %+v", got)
	}

	if err := d.RenamePasskey(t.Context(), alice, []byte("key"), "Carte de service"); err != nil {
		t.Fatal(err)
	}
	list, err := d.Passkeys(t.Context(), alice)
	if err != nil || len(list) != 1 || list[0].Name != "Carte de service" {
		t.Errorf("renamed: %+v, %v", list, err)
	}

	if err := d.RemovePasskey(t.Context(), alice, []byte("key")); err != nil {
		t.Fatal(err)
	}
	if list, err := d.Passkeys(t.Context(), alice); err != nil || len(list) != 0 {
		t.Errorf("removed, and listed: %+v, %v", list, err)
	}
	if got := d.state(t, "key"); got != "revoked" {
		t.Errorf("removed, and %s", got) // kept for evidence
	}
	if len(d.told) != 1 || d.told[0] != "passkey key revoked" {
		t.Errorf("told %q", d.told)
	}
	d.wantKinds(t, audit.KindCardSeen, audit.KindPasskeyAdd, audit.KindPasskeyActive, audit.KindPasskeyRename, audit.KindPasskeyRemove)
	e := d.events(t)[1]
	if e.Subject != alice || e.Actor != alice || e.Card != cardA || e.CredentialHash != audit.HashCredential([]byte("key")) ||
		e.AAGUID != strings.Repeat("0", 32) || e.Attestation != "recorded" || e.Proof != "certificate" {
		t.Errorf("%+v", e)
	}
}

func TestAddPasskeyRefuses(t *testing.T) {
	tests := []struct {
		name  string
		alter func(t *testing.T, d *desk, p *identity.Passkey)
		want  enroll.Reason // "": an error of the caller's
	}{
		{"one that is there", func(t *testing.T, d *desk, p *identity.Passkey) { d.add(t, *p) }, enroll.ReasonPasskeyExists},
		{"one that was removed", func(t *testing.T, d *desk, p *identity.Passkey) {
			d.add(t, *p)
			if err := d.RemovePasskey(t.Context(), alice, p.ID); err != nil {
				t.Fatal(err)
			}
		}, enroll.ReasonPasskeyExists},
		{"another person's", func(t *testing.T, d *desk, p *identity.Passkey) {
			d.add(t, d.key(t, string(p.ID), bob, cardB, cardB))
		}, enroll.ReasonPasskeyExists},
		{"a twenty-first", func(t *testing.T, d *desk, _ *identity.Passkey) {
			for i := range 20 {
				d.add(t, d.key(t, fmt.Sprint("n°", i), alice, cardA, cardA))
			}
		}, enroll.ReasonTooManyPasskeys},
		{"in another's card", func(_ *testing.T, _ *desk, p *identity.Passkey) { p.CardTokenID = cardB }, enroll.ReasonCardOfAnother},
		{"vouched for by another's card", func(_ *testing.T, _ *desk, p *identity.Passkey) { p.Proof.CardTokenID = cardB }, enroll.ReasonCardOfAnother},
		{"in an unknown card", func(_ *testing.T, _ *desk, p *identity.Passkey) { p.CardTokenID = cardC }, enroll.ReasonCardUnknown},
		{"in a suspended card", func(t *testing.T, d *desk, _ *identity.Passkey) { d.set(t, cardA, identity.CardSuspended) }, enroll.ReasonCardSuspended},
		{"vouched for by a revoked card", func(t *testing.T, d *desk, p *identity.Passkey) {
			p.CardTokenID = ""
			d.set(t, cardA, identity.CardRevoked)
		}, enroll.ReasonCardRevoked},
		{"without a name", func(_ *testing.T, _ *desk, p *identity.Passkey) { p.Name = " " }, enroll.ReasonPasskeyName},
		{"without an id", func(_ *testing.T, _ *desk, p *identity.Passkey) { p.ID = nil }, ""},
		{"with too long an id", func(_ *testing.T, _ *desk, p *identity.Passkey) { p.ID = make([]byte, 1024) }, ""},
		{"without a public key", func(_ *testing.T, _ *desk, p *identity.Passkey) { p.PublicKey = nil }, ""},
		{"of nobody", func(_ *testing.T, _ *desk, p *identity.Passkey) { p.Holder = carol }, ""},
		{"with another's user handle", func(_ *testing.T, _ *desk, p *identity.Passkey) { p.UserHandle = []byte("x") }, ""},
		{"with no user handle", func(_ *testing.T, _ *desk, p *identity.Passkey) { p.UserHandle = nil }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			d.admit(t, holder(alice, cardA, "01"))
			d.admit(t, holder(bob, cardB, "02"))
			p := d.key(t, "key", alice, cardA, cardA)
			tt.alter(t, d, &p)
			events := len(d.events(t))
			err := d.AddPasskey(t.Context(), p)
			if tt.want != "" {
				wantRefusal(t, err, tt.want)
			} else if err == nil {
				t.Error("added")
			}
			if n := len(d.events(t)) - events; n != 0 {
				t.Errorf("%d events of what did not happen", n)
			}
		})
	}
}

func TestPasskeyNames(t *testing.T) {
	d := populated(t)
	tests := []struct {
		name, given string
		want        enroll.Reason
	}{
		{"words", "Clé USB n° 2 — bureau", ""},
		{"one letter", "x", ""},
		{"64 runes", strings.Repeat("é", 64), ""},
		{"other scripts", "鍵 مفتاح", ""},
		{"65 runes", strings.Repeat("é", 65), enroll.ReasonPasskeyName},
		{"empty", "", enroll.ReasonPasskeyName},
		{"spaces", " \t ", enroll.ReasonPasskeyName},
		{"a line end", "a\nb", enroll.ReasonPasskeyName},
		{"a direction override", "a\u202eb", enroll.ReasonPasskeyName},
		{"nothing visible", "\u200b", enroll.ReasonPasskeyName},
		{"no UTF-8", "a\xff", enroll.ReasonPasskeyName},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before, _ := d.Passkey(t.Context(), []byte("used"))
			wantRefusal(t, d.RenamePasskey(t.Context(), alice, []byte("used"), tt.given), tt.want)
			after, _ := d.Passkey(t.Context(), []byte("used"))
			if want := map[bool]string{true: tt.given, false: before.Name}[tt.want == ""]; after.Name != want {
				t.Errorf("named %q, want %q", after.Name, want)
			}
		})
	}
}

func TestAnothersPasskeyIsAsUnknownAsNone(t *testing.T) {
	d := populated(t)
	if err := d.RemovePasskey(t.Context(), alice, []byte("usb")); err != nil {
		t.Fatal(err)
	}
	for name, id := range map[string]string{"another's": "bob", "none": "?", "removed": "usb", "empty": ""} {
		t.Run(name, func(t *testing.T) {
			wantRefusal(t, d.RenamePasskey(t.Context(), alice, []byte(id), "x"), enroll.ReasonPasskeyUnknown)
			wantRefusal(t, d.RemovePasskey(t.Context(), alice, []byte(id)), enroll.ReasonPasskeyUnknown)
		})
	}
	if got := d.state(t, "bob"); got != "pending" {
		t.Errorf("another's passkey is %s", got)
	}
	_, err := d.Passkey(t.Context(), []byte("?"))
	if wantRefusal(t, err, enroll.ReasonPasskeyUnknown); !errors.Is(err, enroll.ErrNotFound) {
		t.Error(err)
	}
}

// TestWhoMayStopAPasskey: whoever may stop a card, and nobody else.
func TestWhoMayStopAPasskey(t *testing.T) {
	d := staffed(t)
	if _, _, err := d.AddClient(t.Context(), console, "desk", []enroll.Scope{enroll.ScopePasskeys}, 0); err != nil {
		t.Fatal(err)
	}
	if _, _, err := d.AddClient(t.Context(), console, "hr", []enroll.Scope{enroll.ScopePeople, enroll.ScopeCards}, 0); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		act  enroll.Act
		want enroll.Reason
	}{
		"an operator":           {d.by(operator), ""},
		"an administrator":      {d.by(admin), ""},
		"a client for passkeys": {enroll.Act{Client: "desk", Reason: "test"}, ""},
		"the console":           {console, ""},
		"its holder":            {d.by(alice), enroll.ReasonRoleMissing},
		"an auditor":            {d.by(auditor), enroll.ReasonRoleMissing},
		"a client for cards":    {enroll.Act{Client: "hr"}, enroll.ReasonScopeMissing},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(d.events(t))
			wantRefusal(t, d.SuspendPasskey(t.Context(), tt.act, []byte("used")), tt.want)
			events := d.events(t)[before:]
			if tt.want != "" {
				if len(events) != 0 {
					t.Errorf("recorded %+v", events)
				}
				return
			}
			if len(events) != 1 || events[0].Kind != audit.KindPasskeySuspend || events[0].Actor != tt.act.Actor() || events[0].Reason != tt.act.Reason || events[0].Subject != alice {
				t.Errorf("recorded %+v", events)
			}
		})
	}
	if err := d.SuspendPasskey(t.Context(), enroll.Act{}, []byte("used")); err == nil {
		t.Error("nobody stopped it")
	}
}

func TestWhatMayNotBeUsedIsNotUsed(t *testing.T) {
	d := populated(t)
	if err := d.PasskeyCopied(t.Context(), []byte("used")); err != nil {
		t.Fatal(err)
	}
	if err := d.RemovePasskey(t.Context(), alice, []byte("usb")); err != nil {
		t.Fatal(err)
	}
	events := len(d.events(t))
	d.now = noon.Add(time.Hour)
	wantRefusal(t, d.Used(t.Context(), identity.Passkey{ID: []byte("used"), SignCount: 9}), enroll.ReasonPasskeySuspended)
	wantRefusal(t, d.Used(t.Context(), identity.Passkey{ID: []byte("usb"), SignCount: 9}), enroll.ReasonPasskeyRevoked)
	wantRefusal(t, d.Used(t.Context(), identity.Passkey{ID: []byte("?")}), enroll.ReasonPasskeyUnknown)
	wantRefusal(t, d.SuspendPasskey(t.Context(), console, []byte("usb")), enroll.ReasonPasskeyRevoked)
	wantRefusal(t, d.SuspendPasskey(t.Context(), console, []byte("?")), enroll.ReasonPasskeyUnknown)
	if p, _ := d.Passkey(t.Context(), []byte("used")); p.SignCount == 9 || len(d.events(t)) != events {
		t.Errorf("changed: %+v", p)
	}
}

// A card is revoked while a passkey is being added to it: afterwards none is
// usable, whichever came first.
func TestNoPasskeyEscapesARevocation(t *testing.T) {
	for round := range 10 {
		d := newDesk(t)
		d.admit(t, holder(alice, cardA, "01"))
		p := d.key(t, "key", alice, cardA, cardA)
		var wg sync.WaitGroup
		var added error
		wg.Go(func() { added = d.AddPasskey(t.Context(), p) })
		wg.Go(func() { d.set(t, cardA, identity.CardRevoked) })
		wg.Wait()
		if added == nil {
			if got := d.state(t, "key"); got != "revoked" {
				t.Fatalf("round %d: %s", round, got)
			}
		} else {
			wantRefusal(t, added, enroll.ReasonCardRevoked)
		}
	}
}

// An act that cannot be recorded fails, and nothing of it is kept.
func TestWhatCannotBeRecordedDoesNotHappen(t *testing.T) {
	d := populated(t)
	mute, err := enroll.New(unrecorded{d.store}, enroll.Options{
		Audit: audit.New(d.store, audit.Options{}), Policy: enroll.Policy{SelfEnrolment: enroll.SelfKeys},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, _, admitted := mute.Admit(ctx, holder(carol, cardC, "09"), noon)
	added := d.key(t, "new", alice, cardA, cardA)
	for name, err := range map[string]error{
		"a first sign-in": admitted,
		"adding":          mute.AddPasskey(ctx, added),
		"renaming":        mute.RenamePasskey(ctx, alice, []byte("used"), "x"),
		"removing":        mute.RemovePasskey(ctx, alice, []byte("used")),
		"suspending":      mute.SuspendPasskey(ctx, console, []byte("used")),
		"stopping a copy": mute.PasskeyCopied(ctx, []byte("used")),
		"a proof of use":  mute.Used(ctx, identity.Passkey{ID: []byte("fresh")}),
		"a card's state":  mute.SetCardState(ctx, cardA, identity.CardRevoked, "x", carol),
	} {
		if !errors.Is(err, errDisk) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := d.Professional(ctx, carol); !errors.Is(err, enroll.ErrNotFound) {
		t.Errorf("a person was kept: %v", err)
	}
	wantRefusal(t, func() error { _, err := d.Passkey(ctx, []byte("new")); return err }(), enroll.ReasonPasskeyUnknown)
	if p, _ := d.Passkey(ctx, []byte("used")); p.State != identity.PasskeyActive || p.Name != "Ma clé" {
		t.Errorf("%+v", p)
	}
	if got := d.state(t, "fresh"); got != "pending" {
		t.Errorf("the proof of use was kept: %s", got)
	}
	if c, _ := d.Card(ctx, cardA); c.State != identity.CardActive {
		t.Errorf("%+v", c)
	}
}
