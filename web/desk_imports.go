package web

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// importsPage offers the forms, and lists what was imported lately.
func (s *Server) importsPage(c echo.Context) error {
	view := importsView{frame: s.deskFrame(c, requestOf(c).tongue.words["imports.title"])}
	view.Latest = s.importRows("", requestOf(c).tongue)
	return s.render(c, http.StatusOK, pageImports, view)
}

func (s *Server) importRows(here string, t *tongue) (rows []importRow) {
	for _, j := range s.imports.latest(s.o.Now()) {
		row := s.importRow(j, t)
		row.Here = j.id == here
		rows = append(rows, row)
	}
	return rows
}

// beginImport takes a file and has it checked, in the background.
func (s *Server) beginImport(c echo.Context) error {
	c.Set(returnKey, pathImports)
	kind := s.importKind(c.Param("kind"))
	if kind.name != c.Param("kind") {
		return reasonNotFound
	}
	j, err := s.upload(c)
	if err != nil {
		return s.refuse(c, audit.Event{Kind: kind.event}, err)
	}
	j.kind, j.at = kind, s.o.Now()
	if j.by, err = s.named(c.Request().Context(), staffOf(c).IdNat); err != nil {
		return err
	}
	ctx, _ := j.begin(c.Request().Context(), importChecking, importChecking)
	if !s.imports.add(j, s.o.Now()) {
		j.drop()
		return s.refuse(c, audit.Event{Kind: kind.event, Detail: j.name}, reasonBusy)
	}
	s.workOn(ctx, s.act(c, ""), j, true)
	return c.Redirect(http.StatusSeeOther, pathImports+"/"+j.id)
}

// applyImport applies a file that was checked.
func (s *Server) applyImport(c echo.Context) error {
	j, err := s.importAsked(c)
	if err != nil {
		return err
	}
	if ctx, ready := j.begin(c.Request().Context(), importGood, importApplying); ready {
		s.workOn(ctx, s.act(c, ""), j, false)
	}
	return c.Redirect(http.StatusSeeOther, pathImports+"/"+j.id)
}

// cancelImport stops an import; what it has done so far is undone.
func (s *Server) cancelImport(c echo.Context) error {
	j, err := s.importAsked(c)
	if err != nil {
		return err
	}
	j.stop(s.o.Now())
	select {
	case <-j.whenIdle():
	case <-c.Request().Context().Done():
	}
	return c.Redirect(http.StatusSeeOther, pathImports+"/"+j.id)
}

func (s *Server) importAsked(c echo.Context) (*importing, error) {
	c.Set(returnKey, pathImports)
	if c.Request().Method == http.MethodPost {
		if _, err := readForm(c.Request()); err != nil {
			return nil, err
		}
	}
	j := s.imports.find(c.Param("id"))
	if j == nil {
		return nil, reasonImportGone
	}
	return j, nil
}

// workOn works on the import in the background, and records an end that is
// none of the record's own events: one that cannot be recorded is a failure. The
// server's stop ends it.
func (s *Server) workOn(ctx context.Context, act enroll.Act, j *importing, dry bool) {
	ending := make(chan struct{})
	s.imports.wg.Go(func() {
		defer close(ending)
		end := j.work(ctx, act, dry)
		if err := s.recordImport(context.WithoutCancel(ctx), j, end); err != nil {
			s.o.Logger.ErrorContext(ctx, "an import that ended is not in the audit", "file", j.id, "error", err)
			end = importEnd{state: importFailed, err: err}
		}
		j.conclude(end, s.o.Now())
	})
	go func() {
		select {
		case <-s.stopping:
			j.stop(s.o.Now())
		case <-ending:
		}
	}()
}

// recordImport tells the audit of a file that was not taken, or not to its end.
func (s *Server) recordImport(ctx context.Context, j *importing, end importEnd) error {
	event := audit.Event{Kind: j.kind.event, Detail: j.name}
	var refused *enroll.Refusal
	switch {
	case errors.As(end.err, &refused):
		event.Outcome, event.Reason, event.Detail = audit.Refused, string(refused.Reason), j.name+": "+refused.Detail
	case end.state == importWrong:
		event = wrongRows(j.kind.event, j.name, len(end.report.told)+end.report.more, end.report.rows)
	case end.state == importCancelled:
		event.Outcome, event.Reason = audit.Failed, "cancelled"
	case end.state == importFailed:
		event.Outcome, event.Reason = audit.Failed, string(reasonInternal)
		s.o.Logger.ErrorContext(ctx, "import", "file", j.id, "error", end.err)
	default:
		return nil
	}
	return s.o.Audit.Record(ctx, &event)
}

// wrongRows is the audit's account of a file that is not taken for its rows.
func wrongRows(kind, name string, wrong, rows int) audit.Event {
	return audit.Event{
		Kind: kind, Outcome: audit.Refused, Reason: "rows",
		Detail: name + ": " + strconv.Itoa(wrong) + " of " + strconv.Itoa(rows) + " rows are wrong",
	}
}

// importPage shows one import, and what may be done with it.
func (s *Server) importPage(c echo.Context) error {
	j, err := s.importAsked(c)
	if err != nil {
		return err
	}
	view := s.importView(j, requestOf(c).tongue)
	view.Latest = s.importRows(j.id, requestOf(c).tongue)
	view.faultPage(j.now().report, c.QueryParam("page"), requestOf(c).tongue)
	view.frame = s.deskFrame(c, requestOf(c).tongue.words["imports.title"])
	if view.Running {
		view.Live, view.Refresh = pathImports+"/"+j.id+"/events", 2
	}
	return s.render(c, http.StatusOK, pageImport, view)
}

// importBeat is how often a page that watches an import is told of it.
const importBeat = 250 * time.Millisecond

// importNews tells a page enough to know that it must be drawn anew.
type importNews struct {
	State string `json:"state"`
	Done  int    `json:"done"`
}

// watchImport tells how an import goes on.
func (s *Server) watchImport(c echo.Context) error {
	j, err := s.importAsked(c)
	if err != nil {
		return err
	}
	return s.watching(c, func(ctx context.Context, to *stream) error {
		tick := time.NewTicker(importBeat)
		defer tick.Stop()
		for told := (importNews{}); ; {
			is := j.now()
			if news := (importNews{string(is.state), is.done}); news != told {
				if to.send("import", news) != nil {
					return nil // the page is gone
				}
				told = news
			}
			if !is.state.running() {
				return nil
			}
			select {
			case <-ctx.Done():
				return nil
			case <-j.whenIdle():
			case <-tick.C:
			}
		}
	})
}

// importFaults gives the wrong rows as a table, for whoever mends the file.
func (s *Server) importFaults(c echo.Context) error {
	j, err := s.importAsked(c)
	if err != nil {
		return err
	}
	tableHeaders(c, "lignes-"+j.kind.name+".csv")
	words := requestOf(c).tongue.words
	table := enroll.NewTable(c.Response())
	_ = table.Row(words["import.line"], words["import.reason"]) // Flush keeps the error
	for _, e := range j.now().report.told {
		_ = table.Row(strconv.Itoa(e.Line), words.fault(e))
	}
	return table.Flush()
}

func tableHeaders(c echo.Context, name string) {
	h := c.Response().Header()
	h.Set("Content-Type", "text/csv; charset=utf-8; header=present")
	h.Set("Content-Disposition", `attachment; filename="`+name+`"`)
}

// exportPeople gives everybody as a CSV file; that it was taken is recorded first.
func (s *Server) exportPeople(c echo.Context) error {
	if err := patient(c); err != nil {
		return err
	}
	tableHeaders(c, "people.csv")
	_, err := s.o.Registry.ExportPeople(c.Request().Context(), s.act(c, ""), c.Response())
	return err
}
