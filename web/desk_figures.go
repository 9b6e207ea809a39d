package web

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/mtls"
)

// figure is one picture of the security officer's page, with its table.
type figure struct {
	Name, Title, Note string
	Head              []string // of the first column, then of each series
	Rows              []figureRow
	Stacked           bool
	Chart             chart
}

type figureRow struct {
	Label  string
	Values []int
	Note   string // where there is no number to draw
}

// figuresView is the page of pictures.
type figuresView struct {
	frame
	Figures []figure
}

// How far the pictures look.
const (
	monthsBack  = 11
	monthsAhead = 11
	daysBack    = 13
)

// figuresPage draws every picture.
func (s *Server) figuresPage(c echo.Context) error {
	t := requestOf(c).tongue
	all, err := s.figures(c.Request().Context(), t)
	if err != nil {
		return err
	}
	for i := range all {
		all[i].Chart = draw(all[i])
	}
	return s.render(c, http.StatusOK, pageFigures, figuresView{s.deskFrame(c, t.words["figures.title"]), all})
}

// figureFile gives the table of one picture as a file.
func (s *Server) figureFile(c echo.Context) error {
	name, is := strings.CutSuffix(c.Param("file"), ".csv")
	all, err := s.figures(c.Request().Context(), requestOf(c).tongue)
	if err != nil {
		return err
	}
	for _, f := range all {
		if is && f.Name == name {
			return writeTable(c, f)
		}
	}
	return reasonNotFound
}

func writeTable(c echo.Context, f figure) error {
	tableHeaders(c, f.Name+".csv")
	c.Response().WriteHeader(http.StatusOK)
	table := enroll.NewTable(c.Response())
	err := table.Row(f.Head...)
	for _, row := range f.Rows {
		line := []string{row.Label}
		for _, v := range row.Values {
			line = append(line, strconv.Itoa(v))
		}
		if row.Note != "" {
			line = append(line, row.Note)
		}
		err = errors.Join(err, table.Row(line...))
	}
	return errors.Join(err, table.Flush())
}

// figures gathers all tables.
func (s *Server) figures(ctx context.Context, t *tongue) ([]figure, error) {
	var all []figure
	for _, make := range []func(context.Context, *tongue, time.Time) (figure, error){
		s.cardFigure, s.progressFigure, s.loginFigure, s.expiryFigure, s.refusalFigure,
	} {
		f, err := make(ctx, t, s.o.Now())
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	if s.o.Revocation != nil {
		all = append(all, s.freshnessFigure(t))
	}
	return all, nil
}

func (t *tongue) figure(name string, stacked bool, head ...string) figure {
	f := figure{Name: name, Title: t.words[figureTitles[name]], Stacked: stacked}
	for _, key := range head {
		f.Head = append(f.Head, t.words[key])
	}
	return f
}

var figureTitles = map[string]string{
	"cards": "figure.cards", "progress": "figure.progress", "logins": "figure.logins",
	"expiring": "figure.expiring", "refusals": "figure.refusals", "revocation": "figure.revocation",
}

func (s *Server) cardFigure(ctx context.Context, t *tongue, _ time.Time) (figure, error) {
	counts, err := s.o.Registry.CardsByGenerationAndState(ctx)
	f := t.figure("cards", true, "figure.generation", "account.state.active", "account.state.suspended", "account.state.revoked")
	f.Note = t.words["figure.generation.note"]
	for _, of := range []struct {
		generation identity.Generation
		label      string
	}{{identity.GenerationCPS3, "CPS3"}, {identity.GenerationCPS4, "CPS4"}, {identity.GenerationUnknown, t.words["figure.unknown"]}} {
		if of.generation == identity.GenerationCPS3 && !slices.ContainsFunc(counts, func(n enroll.CardCount) bool { return n.Generation == of.generation }) {
			continue // no workstation tells of one
		}
		row := figureRow{Label: of.label, Values: make([]int, 3)}
		for _, n := range counts {
			for i, state := range []identity.CardState{identity.CardActive, identity.CardSuspended, identity.CardRevoked} {
				if n.Generation == of.generation && n.State == state {
					row.Values[i] += n.Cards
				}
			}
		}
		f.Rows = append(f.Rows, row)
	}
	return f, err
}

func (s *Server) progressFigure(ctx context.Context, t *tongue, now time.Time) (figure, error) {
	months, err := s.o.Registry.EnrolledOverTime(ctx, now.AddDate(0, -monthsBack, 0), now, t.zone)
	f := t.figure("progress", false, "figure.month", "figure.unknown", "figure.cps4", "figure.enrolled", "figure.cps3")
	f.Note = t.words["figure.generation.note"]
	told := slices.ContainsFunc(months, func(m enroll.MonthlyCards) bool { return m.CPS3 > 0 })
	if !told {
		f.Head = f.Head[:len(f.Head)-1]
	}
	for _, m := range months {
		row := figureRow{Label: t.month(m.Month), Values: []int{m.Unknown, m.CPS4, m.Enrolled}}
		if told {
			row.Values = append(row.Values, m.CPS3)
		}
		f.Rows = append(f.Rows, row)
	}
	return f, err
}

func (s *Server) loginFigure(ctx context.Context, t *tongue, now time.Time) (figure, error) {
	days, err := s.o.Registry.LoginsPerDay(ctx, now.AddDate(0, 0, -daysBack), now, t.zone)
	f := t.figure("logins", true, "figure.day", "figure.by-cps", "figure.by-enrolled", "figure.refused")
	for _, d := range days {
		f.Rows = append(f.Rows, figureRow{Label: t.date(d.Day), Values: []int{d.CPS, d.FIDO2, d.RefusedCPS + d.RefusedFIDO2}})
	}
	return f, err
}

func (s *Server) expiryFigure(ctx context.Context, t *tongue, now time.Time) (figure, error) {
	months, err := s.o.Registry.ExpiringPerMonth(ctx, now, now.AddDate(0, monthsAhead, 0), t.zone)
	f := t.figure("expiring", true, "figure.month", "figure.certificates")
	for _, m := range months {
		f.Rows = append(f.Rows, figureRow{Label: t.month(m.Month), Values: []int{m.Cards}})
	}
	return f, err
}

func (s *Server) refusalFigure(ctx context.Context, t *tongue, now time.Time) (figure, error) {
	counts, err := s.o.Registry.RefusalsByReason(ctx, now.AddDate(0, 0, -30), now)
	f := t.figure("refusals", true, "figure.reason", "figure.times")
	f.Note = t.words["figure.refusals.note"]
	at := map[string]int{}
	for _, n := range counts {
		label := s.reasonTitle(n.Reason, t)
		if i, seen := at[label]; seen {
			f.Rows[i].Values[0] += n.Count
			continue
		}
		at[label] = len(f.Rows)
		f.Rows = append(f.Rows, figureRow{Label: label, Values: []int{n.Count}})
	}
	return f, err
}

// freshnessFigure tells until when each authority's list may be relied on.
func (s *Server) freshnessFigure(t *tongue) figure {
	f := t.figure("revocation", true, "figure.authority", "figure.entries", "figure.next-update")
	for _, r := range s.o.Revocation().Lists {
		if r.Delta || r.Verdict == mtls.CRLIsMissing {
			continue
		}
		f.Rows = append(f.Rows, figureRow{Label: r.Authority, Values: []int{r.Entries}, Note: t.moment(r.ThisUpdate) + " → " + t.moment(r.NextUpdate)})
	}
	return f
}

// month is a month as the language writes it in numbers.
func (t *tongue) month(first time.Time) string {
	if t.tag == french {
		return first.Format("01/2006")
	}
	return first.Format("2006-01")
}
