package enroll_test

import (
	"reflect"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

func paris(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func same[T any](t *testing.T, got T, err error, want T) {
	t.Helper()
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
}

func TestCardsByGenerationAndState(t *testing.T) {
	d := staffed(t)
	d.sit(t, enroll.PhaseProved) // the workstation saw that card A is a CPS4; B holds a passkey, so that it is one
	d.set(t, cardB, identity.CardSuspended)
	d.admit(t, holder(carol, cardC, "0C"))
	got, err := d.CardsByGenerationAndState(t.Context())
	same(t, got, err, []enroll.CardCount{{"", "active", 1}, {"cps4", "active", 1}, {"cps4", "suspended", 1}})
}

func TestEnrolledOverTime(t *testing.T) {
	d := staffed(t) // cards A and B in March; "used" lives in A and was used
	zone := paris(t)
	d.sit(t, enroll.PhaseProved)
	d.now = time.Date(2026, 4, 30, 22, 30, 0, 0, time.UTC) // already May there
	d.admit(t, holder(carol, cardC, "0C"))
	month := func(m time.Month) time.Time { return time.Date(2026, m, 1, 0, 0, 0, 0, zone) }
	got, err := d.EnrolledOverTime(t.Context(), month(2), month(5).Add(time.Hour), zone)
	same(t, got, err, []enroll.MonthlyCards{
		{Month: month(2)},
		{Month: month(3), CPS4: 2, Enrolled: 1},
		{Month: month(4), CPS4: 2, Enrolled: 1},
		{Month: month(5), CPS4: 2, Unknown: 1, Enrolled: 1},
	})
}

func TestLoginsPerDay(t *testing.T) {
	d := staffed(t)
	zone := paris(t)
	for _, e := range []audit.Event{
		{Kind: audit.KindLoginCPS, Outcome: audit.Accepted, At: time.Date(2026, 3, 28, 22, 59, 0, 0, time.UTC)},
		{Kind: audit.KindLoginCPS, Outcome: audit.Accepted, At: time.Date(2026, 3, 28, 23, 0, 0, 0, time.UTC)},    // the 29th there
		{Kind: audit.KindLoginFIDO2, Outcome: audit.Accepted, At: time.Date(2026, 3, 29, 21, 59, 0, 0, time.UTC)}, // still, in summer time
		{Kind: audit.KindLoginFIDO2, Outcome: audit.Refused, At: time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)},
		{Kind: audit.KindLoginCPS, Outcome: audit.Refused, At: time.Date(2026, 3, 29, 22, 0, 0, 0, time.UTC)}, // the 30th
		{Kind: audit.KindLoginCPS, Outcome: audit.Failed, At: time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)},
		{Kind: audit.KindLogout, Outcome: audit.Done, At: time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)},
		{Kind: audit.KindLoginCPS, Outcome: audit.Accepted, At: time.Date(2026, 3, 30, 22, 0, 0, 0, time.UTC)}, // the 31st
	} {
		if err := d.log.Record(t.Context(), &e); err != nil {
			t.Fatal(err)
		}
	}
	day := func(n int) time.Time { return time.Date(2026, 3, n, 0, 0, 0, 0, zone) }
	got, err := d.LoginsPerDay(t.Context(), day(27), day(30).Add(5*time.Hour), zone)
	same(t, got, err, []enroll.DailyLogins{
		{Day: day(27)}, {Day: day(28), CPS: 1}, {Day: day(29), CPS: 1, FIDO2: 1, RefusedFIDO2: 1}, {Day: day(30), RefusedCPS: 1},
	})
	none, err := d.LoginsPerDay(t.Context(), day(30), day(27), zone)
	same(t, none, err, nil)
}

func TestExpiringPerMonth(t *testing.T) {
	d := staffed(t) // certificates of cards A and B end in March 2028
	zone := paris(t)
	renewed := holder(alice, cardA, "0A")
	renewed.Certificate.NotBefore, renewed.Certificate.NotAfter = noon, noon.AddDate(2, 2, 0)
	d.admit(t, renewed)
	month := func(m time.Month) time.Time { return time.Date(2028, m, 1, 0, 0, 0, 0, zone) }
	got, err := d.ExpiringPerMonth(t.Context(), month(2), month(5), zone)
	same(t, got, err, []enroll.MonthlyExpiry{{month(2), 0}, {month(3), 1}, {month(4), 0}, {month(5), 1}})
	d.set(t, cardA, identity.CardRevoked)
	got, err = d.ExpiringPerMonth(t.Context(), month(5), month(5), zone)
	same(t, got, err, []enroll.MonthlyExpiry{{month(5), 0}})
}

func TestRefusalsByReason(t *testing.T) {
	d := staffed(t)
	for i, reason := range []string{"revoked", "expired", "revoked", "revoked"} {
		e := audit.Event{Kind: audit.KindLoginCPS, Outcome: audit.Refused, Reason: reason, At: noon.Add(time.Duration(i) * time.Hour)}
		if err := d.log.Record(t.Context(), &e); err != nil {
			t.Fatal(err)
		}
	}
	got, err := d.RefusalsByReason(t.Context(), noon, noon.Add(3*time.Hour))
	same(t, got, err, []enroll.RefusalCount{{audit.KindLoginCPS, "revoked", 2}, {audit.KindLoginCPS, "expired", 1}})
}
