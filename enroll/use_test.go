package enroll_test

import (
	"errors"
	"testing"

	"cpsgate/enroll"
	"cpsgate/identity"
)

func TestMayUse(t *testing.T) {
	errRevoked := errors.New("certificate revoked")
	good := func(identity.Certificate) error { return nil }
	tests := []struct {
		name    string
		prepare func(t *testing.T, d *desk)
		id      string
		still   func(identity.Certificate) error
		want    enroll.Reason
		wantErr error
	}{
		{"an active passkey", nil, "used", good, "", nil},
		{"a pending passkey: the proof of use", nil, "fresh", good, "", nil},
		{"a key that the card vouched for", nil, "usb", good, "", nil},
		{"an unknown passkey", nil, "?", good, enroll.ReasonPasskeyUnknown, nil},
		{"a removed passkey", func(t *testing.T, d *desk) { _ = d.RemovePasskey(t.Context(), alice, []byte("used")) },
			"used", good, enroll.ReasonPasskeyRevoked, nil},
		{"a suspended passkey", func(t *testing.T, d *desk) { _ = d.SuspendPasskey(t.Context(), console, []byte("used")) },
			"used", good, enroll.ReasonPasskeySuspended, nil},
		{"a suspended card", func(t *testing.T, d *desk) { d.set(t, cardA, identity.CardSuspended) }, "used", good, enroll.ReasonCardSuspended, nil},
		{"a revoked card", func(t *testing.T, d *desk) { d.set(t, cardA, identity.CardRevoked) }, "usb", good, enroll.ReasonCardRevoked, nil},
		{"a revoked certificate", nil, "used", func(identity.Certificate) error { return errRevoked }, "", errRevoked},
		{"an old certificate revoked, the renewed one good", func(t *testing.T, d *desk) {
			h := holder(alice, cardA, "03")
			h.Certificate.NotBefore = noon
			d.admit(t, h)
		}, "used", func(c identity.Certificate) error {
			if c.Serial != "03" {
				return errRevoked
			}
			return nil
		}, "", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := populated(t)
			if tt.prepare != nil {
				tt.prepare(t, d)
			}
			forged := identity.Passkey{ID: []byte(tt.id), State: identity.PasskeyActive} // only the id counts
			err := d.MayUse(t.Context(), forged, tt.still)
			if tt.wantErr != nil {
				if !errors.Is(err, tt.wantErr) {
					t.Errorf("error %v", err)
				}
				return
			}
			wantRefusal(t, err, tt.want)
		})
	}
}

// What another hand wrote into the records is not believed.
func TestMayUseTrustsNoOddRecord(t *testing.T) {
	d := newDesk(t)
	d.admit(t, holder(alice, cardA, "01"))
	never := func(identity.Certificate) error { t.Error("asked about a certificate"); return nil }
	save := func(act func(u enroll.Unit) error) {
		t.Helper()
		if err := d.store.Change(t.Context(), act); err != nil {
			t.Fatal(err)
		}
	}
	bare := identity.Card{TokenID: cardB, Holder: alice, State: identity.CardActive}
	save(func(u enroll.Unit) error { return u.SaveCard(t.Context(), bare) })
	d.add(t, d.key(t, "bare", alice, cardB, ""))
	wantRefusal(t, d.MayUse(t.Context(), identity.Passkey{ID: []byte("bare")}, never), enroll.ReasonCertificateUnknown)

	d.admit(t, holder(bob, cardC, "03"))
	strange := d.key(t, "strange", alice, cardC, "")
	strange.State = identity.PasskeyActive
	save(func(u enroll.Unit) error { return u.SavePasskey(t.Context(), strange) })
	wantRefusal(t, d.MayUse(t.Context(), identity.Passkey{ID: []byte("strange")}, never), enroll.ReasonCardOfAnother)

	onDesksWord := d.key(t, "desk", alice, "", "")
	d.add(t, onDesksWord)
	if err := d.MayUse(t.Context(), onDesksWord, never); err != nil { // stands on no card: nothing to ask
		t.Error(err)
	}
}
