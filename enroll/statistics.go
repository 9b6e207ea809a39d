package enroll

import (
	"context"
	"slices"
	"time"

	"cpsgate/identity"
)

// CardCount is how many cards there are of a generation in a state.
type CardCount struct {
	Generation identity.Generation
	State      identity.CardState
	Cards      int
}

// FirstCount is what was seen for the first time in one hour: cards by
// generation, and cards whose first passkey became active (Enrolled).
type FirstCount struct {
	Hour       time.Time
	Generation identity.Generation // of cards; "" with Enrolled
	Enrolled   bool
	Count      int
}

// LoginCount is how many sign-ins of a method there were in one hour.
type LoginCount struct {
	Hour     time.Time
	Method   identity.Method
	Accepted bool
	Count    int
}

// ExpiryCount is how many cards' latest certificates end in one hour.
type ExpiryCount struct {
	Hour  time.Time
	Cards int
}

// RefusalCount is how many times a kind of event was refused for a reason.
type RefusalCount struct {
	Kind   string
	Reason string
	Count  int
}

// CardsByGenerationAndState counts all cards.
func (r *Registry) CardsByGenerationAndState(ctx context.Context) ([]CardCount, error) {
	return r.records.CountCards(ctx)
}

// RefusalsByReason counts the refusals of a time, the most frequent first.
func (r *Registry) RefusalsByReason(ctx context.Context, from, to time.Time) ([]RefusalCount, error) {
	return r.records.CountRefusals(ctx, from, to)
}

// MonthlyCards is how far the move from CPS3 to CPS4 to enrolled has come at
// the end of a month: all cards seen until then, and those of them enrolled.
type MonthlyCards struct {
	Month    time.Time // its first instant, in the zone asked for
	CPS3     int
	CPS4     int
	Unknown  int // generation not learnt: no workstation read them, and they hold no passkey
	Enrolled int
}

// EnrolledOverTime gives a row for each month from the one of from to the one
// of to, without gaps; counts are since the beginning.
func (r *Registry) EnrolledOverTime(ctx context.Context, from, to time.Time, zone *time.Location) ([]MonthlyCards, error) {
	counts, err := r.records.CountFirsts(ctx, time.Time{}, nextMonth(to.In(zone)))
	if err != nil {
		return nil, err
	}
	rows := months[MonthlyCards](from, to, zone, func(m time.Time) MonthlyCards { return MonthlyCards{Month: m} })
	for i := range rows {
		for _, c := range counts {
			if c.Hour.Before(nextMonth(rows[i].Month)) {
				rows[i].add(c)
			}
		}
	}
	return rows, nil
}

func (m *MonthlyCards) add(c FirstCount) {
	switch {
	case c.Enrolled:
		m.Enrolled += c.Count
	case c.Generation == identity.GenerationCPS3:
		m.CPS3 += c.Count
	case c.Generation == identity.GenerationCPS4:
		m.CPS4 += c.Count
	default:
		m.Unknown += c.Count
	}
}

// DailyLogins are the sign-ins of one day, by method.
type DailyLogins struct {
	Day          time.Time // its first instant, in the zone asked for
	CPS, FIDO2   int
	RefusedCPS   int
	RefusedFIDO2 int
}

// LoginsPerDay gives a row for each day from the one of from to the one of to,
// without gaps.
func (r *Registry) LoginsPerDay(ctx context.Context, from, to time.Time, zone *time.Location) ([]DailyLogins, error) {
	first, last := dayOf(from.In(zone)), dayOf(to.In(zone))
	counts, err := r.records.CountLogins(ctx, first, last.AddDate(0, 0, 1))
	if err != nil {
		return nil, err
	}
	var rows []DailyLogins
	at := map[time.Time]int{}
	for day := first; !day.After(last) && len(rows) < maxRows; day = day.AddDate(0, 0, 1) {
		at[day.UTC()] = len(rows)
		rows = append(rows, DailyLogins{Day: day})
	}
	for _, c := range counts {
		if i, found := at[dayOf(c.Hour.In(zone)).UTC()]; found {
			rows[i].add(c)
		}
	}
	return rows, nil
}

func (d *DailyLogins) add(c LoginCount) {
	switch {
	case c.Method == identity.MethodFIDO2 && c.Accepted:
		d.FIDO2 += c.Count
	case c.Method == identity.MethodFIDO2:
		d.RefusedFIDO2 += c.Count
	case c.Accepted:
		d.CPS += c.Count
	default:
		d.RefusedCPS += c.Count
	}
}

// MonthlyExpiry is how many active cards' latest certificates end in a month.
type MonthlyExpiry struct {
	Month time.Time // its first instant, in the zone asked for
	Cards int
}

// ExpiringPerMonth gives a row for each month from the one of from to the one
// of to, without gaps.
func (r *Registry) ExpiringPerMonth(ctx context.Context, from, to time.Time, zone *time.Location) ([]MonthlyExpiry, error) {
	counts, err := r.records.CountExpiring(ctx, monthOf(from.In(zone)), nextMonth(to.In(zone)))
	if err != nil {
		return nil, err
	}
	rows := months[MonthlyExpiry](from, to, zone, func(m time.Time) MonthlyExpiry { return MonthlyExpiry{Month: m} })
	for _, c := range counts {
		month := monthOf(c.Hour.In(zone))
		if i := slices.IndexFunc(rows, func(row MonthlyExpiry) bool { return row.Month.Equal(month) }); i >= 0 {
			rows[i].Cards += c.Cards
		}
	}
	return rows, nil
}

// maxRows bounds a table: ten years of days.
const maxRows = 3660

func months[T any](from, to time.Time, zone *time.Location, row func(time.Time) T) []T {
	var rows []T
	last := monthOf(to.In(zone))
	for m := monthOf(from.In(zone)); !m.After(last) && len(rows) < maxRows; m = nextMonth(m) {
		rows = append(rows, row(m))
	}
	return rows
}

func dayOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, t.Location())
}

func monthOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, t.Location())
}

func nextMonth(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month()+1, 1, 0, 0, 0, 0, t.Location())
}
