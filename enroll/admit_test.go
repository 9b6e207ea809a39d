package enroll_test

import (
	"errors"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

func TestAFirstSignInMakesTheRecord(t *testing.T) {
	d := newDesk(t)
	p, c := d.admit(t, holder(alice, cardA, "01"))
	if p.IdNat != alice || p.FamilyName != "EXEMPLE" || len(p.UserHandle) != 32 {
		t.Errorf("%+v", p)
	}
	want := identity.Card{
		TokenID: cardA, Holder: alice, Type: identity.CardCPS, Test: true, State: identity.CardActive, FirstSeen: noon, LastSeen: noon,
	}
	if c != want {
		t.Errorf("%+v", c)
	}
	account, err := d.Account(t.Context(), alice)
	if err != nil || !reflect.DeepEqual(account.Professional, p) || !slices.Equal(account.Cards, []identity.Card{c}) ||
		len(account.Certificates) != 1 || account.Certificates[0].TokenID != cardA || account.Certificates[0].Holder != alice ||
		!account.Certificates[0].SeenAt.Equal(noon) || len(account.Passkeys) != 0 {
		t.Errorf("%+v, %v", account, err)
	}
	byHandle, err := d.ByUserHandle(t.Context(), p.UserHandle)
	if err != nil || byHandle.IdNat != alice {
		t.Errorf("%+v, %v", byHandle, err)
	}
	d.wantKinds(t, audit.KindCardSeen)
	e := d.events(t)[0]
	if e.Subject != alice || e.Card != cardA || e.CertificateSerial != "01" || e.Outcome != audit.Done {
		t.Errorf("%+v", e)
	}
}

func TestALaterSignInRefreshesTheRecord(t *testing.T) {
	d := newDesk(t)
	first, _ := d.admit(t, holder(alice, cardA, "01"))
	d.now = noon.Add(time.Hour)
	h := holder(alice, cardA, "01")
	h.Professional.FamilyName, h.Professional.Profession = "EXEMPLE-MARIÉE", 10
	h.Professional.UserHandle, h.Professional.Roles = []byte("forged"), []identity.Role{identity.RoleAdmin}
	h.Card.State, h.Card.Holder = identity.CardRevoked, bob // what a certificate cannot say
	p, c := d.admit(t, h)
	if p.FamilyName != "EXEMPLE-MARIÉE" || p.Profession != 10 || string(p.UserHandle) != string(first.UserHandle) || len(p.Roles) != 0 {
		t.Errorf("%+v", p)
	}
	if !c.FirstSeen.Equal(noon) || !c.LastSeen.Equal(d.now) || c.State != identity.CardActive || c.Holder != alice {
		t.Errorf("%+v", c)
	}
	d.wantKinds(t, audit.KindCardSeen) // nothing new but names
}

func TestARenewedCertificateIsTheSameCard(t *testing.T) {
	d := newDesk(t)
	d.admit(t, holder(alice, cardA, "01"))
	renewed := holder(alice, cardA, "02")
	renewed.Certificate.NotBefore = noon
	d.admit(t, renewed)
	account, err := d.Account(t.Context(), alice)
	if err != nil || len(account.Cards) != 1 || len(account.Certificates) != 2 || account.Certificates[0].Serial != "02" {
		t.Errorf("%+v, %v", account, err)
	}
	d.wantKinds(t, audit.KindCardSeen, audit.KindCertificate)
}

func TestAdmitRefuses(t *testing.T) {
	tests := []struct {
		name    string
		prepare func(t *testing.T, d *desk)
		holder  identity.Cardholder
		want    enroll.Reason
	}{
		{"nobody for a second card", func(*testing.T, *desk) {}, holder(alice, cardB, "02"), ""},
		{"a suspended card", func(t *testing.T, d *desk) { d.set(t, cardA, identity.CardSuspended) }, holder(alice, cardA, "01"), enroll.ReasonCardSuspended},
		{"a revoked card", func(t *testing.T, d *desk) { d.set(t, cardA, identity.CardRevoked) }, holder(alice, cardA, "01"), enroll.ReasonCardRevoked},
		{"a revoked card with a new certificate", func(t *testing.T, d *desk) { d.set(t, cardA, identity.CardRevoked) },
			holder(alice, cardA, "02"), enroll.ReasonCardRevoked},
		{"a card known as another's", func(*testing.T, *desk) {}, holder(bob, cardA, "02"), enroll.ReasonCardOfAnother},
		{"two certificates of one serial", func(*testing.T, *desk) {}, func() identity.Cardholder {
			h := holder(alice, cardA, "01")
			h.Certificate.Fingerprint = "another"
			return h
		}(), enroll.ReasonCertificateConflict},
		{"a certificate known from another card", func(*testing.T, *desk) {}, holder(alice, cardB, "01"), enroll.ReasonCertificateConflict},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			d.admit(t, holder(alice, cardA, "01"))
			tt.prepare(t, d)
			before := d.events(t)
			accountBefore, _ := d.Account(t.Context(), alice)
			d.now = noon.Add(time.Hour)
			_, _, err := d.Admit(t.Context(), tt.holder, d.now)
			wantRefusal(t, err, tt.want)
			if tt.want == "" {
				return
			}
			if after := d.events(t); len(after) != len(before) {
				t.Errorf("recorded %v", after[len(before):])
			}
			if accountAfter, _ := d.Account(t.Context(), alice); !reflect.DeepEqual(accountAfter, accountBefore) {
				t.Errorf("changed the account to %+v", accountAfter)
			}
			if _, err := d.Professional(t.Context(), bob); !errors.Is(err, enroll.ErrNotFound) {
				t.Errorf("made a person: %v", err)
			}
		})
	}
}

func TestAdmitNeedsWhoAndWhich(t *testing.T) {
	d := newDesk(t)
	for _, h := range []identity.Cardholder{holder("", cardA, "01"), holder(alice, "", "01")} {
		if _, _, err := d.Admit(t.Context(), h, noon); err == nil {
			t.Errorf("admitted %+v", h)
		}
	}
}

// A person signs in for the first time at several places at once.
func TestOneUserHandleIsMade(t *testing.T) {
	d := newDesk(t)
	var wg sync.WaitGroup
	handles := make([]string, 20)
	for i := range handles {
		wg.Go(func() {
			tokenID, serial := cardA, "01"
			if i%2 == 1 {
				tokenID, serial = cardB, "02"
			}
			p, _, err := d.Admit(t.Context(), holder(alice, tokenID, serial), noon)
			if err != nil {
				t.Error(err)
			}
			handles[i] = string(p.UserHandle)
		})
	}
	wg.Wait()
	slices.Sort(handles)
	if handles = slices.Compact(handles); len(handles) != 1 || len(handles[0]) != 32 {
		t.Errorf("%d user handles", len(handles))
	}
	d.wantKinds(t, audit.KindCardSeen, audit.KindCardSeen)
}

func TestNobodyKnownIsNotFound(t *testing.T) {
	d := newDesk(t)
	_, account := d.Account(t.Context(), alice)
	_, person := d.Professional(t.Context(), alice)
	_, handle := d.ByUserHandle(t.Context(), []byte("x"))
	_, card := d.Card(t.Context(), cardA)
	for what, err := range map[string]error{"account": account, "person": person, "handle": handle, "card": card} {
		if !errors.Is(err, enroll.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestNewNeedsRecordsAndAnAudit(t *testing.T) {
	d := newDesk(t)
	log := audit.New(d.store, audit.Options{})
	if _, err := enroll.New(d.store, enroll.Options{Audit: log}); err != nil {
		t.Error(err)
	}
	if _, err := enroll.New(nil, enroll.Options{Audit: log}); err == nil {
		t.Error("no records")
	}
	if _, err := enroll.New(d.store, enroll.Options{}); err == nil {
		t.Error("no audit")
	}
}
