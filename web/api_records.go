package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// oppositionsJSON is what became of a list of oppositions.
type oppositionsJSON struct {
	Rows          int            `json:"rows"`
	NotUnderstood int            `json:"notUnderstood"`
	Opposed       int            `json:"opposed"`
	Known         int            `json:"known"`
	Suspended     int            `json:"suspended"`
	Proposed      int            `json:"proposed"`
	Applied       bool           `json:"applied"`
	Errors        []rowFaultJSON `json:"errors"`
	More          int            `json:"more"`
}

// apiImportOppositions takes the daily extraction of card holders.
func (s *Server) apiImportOppositions(c echo.Context) error {
	options, err := importOptions(c)
	if err != nil {
		return s.refuseCall(c, audit.Event{Kind: audit.KindOppositionImport}, err)
	}
	if err := patient(c); err != nil {
		return err
	}
	r, err := s.o.Registry.ImportOppositions(c.Request().Context(), s.apiAct(c, ""), c.Request().Body, options)
	if err != nil {
		return s.refuseCall(c, audit.Event{Kind: audit.KindOppositionImport}, sized(err))
	}
	status, err := s.importStatus(c, audit.KindOppositionImport, r.Wrong(), r.Rows, r.Understood())
	if err != nil {
		return err
	}
	return c.JSON(status, oppositionsJSON{r.Rows, r.Wrong(), r.Opposed, r.Known, r.Suspended, r.Proposed, r.Applied, rowFaults(r.Errors), r.More})
}

// apiAudit searches the log. Events are given as the export has them.
func (s *Server) apiAudit(c echo.Context) error {
	q, err := apiAuditQuery(c)
	if err != nil {
		return err
	}
	if q.Limit, err = apiLimit(c); err != nil {
		return err
	}
	found, err := s.o.Trail.Search(c.Request().Context(), q)
	if errors.Is(err, audit.ErrCursor) {
		return fmt.Errorf("%w: %w", reasonBadRequest, err)
	}
	if err != nil {
		return err
	}
	page := pageJSON[audit.Event]{Items: found.Events, Next: found.Next}
	if page.Items == nil {
		page.Items = []audit.Event{}
	}
	return c.JSON(http.StatusOK, page)
}

// apiExportAudit gives all that a search finds as JSON Lines.
func (s *Server) apiExportAudit(c echo.Context) error {
	q, err := apiAuditQuery(c)
	if err != nil {
		return err
	}
	event := audit.Event{Kind: audit.KindAuditExport, Outcome: audit.Done, Actor: s.apiAct(c, "").Actor(), Detail: c.Request().URL.Query().Encode()}
	if err := s.record(c, &event); err != nil {
		return err
	}
	return s.writeExport(c, q)
}

var auditOutcomes = []audit.Outcome{audit.Accepted, audit.Refused, audit.Done, audit.Failed}

func apiAuditQuery(c echo.Context) (q audit.Query, err error) {
	q = audit.Query{Person: identity.PSIdNat(c.QueryParam("person")), Outcome: audit.Outcome(c.QueryParam("outcome")), After: c.QueryParam("after")}
	if q.Outcome != "" && !slices.Contains(auditOutcomes, q.Outcome) {
		return q, fmt.Errorf("%w: no such outcome", reasonBadRequest)
	}
	if kinds := c.QueryParam("kind"); kinds != "" {
		q.Kinds = strings.Split(kinds, ",")
	}
	if card := c.QueryParam("card"); card != "" {
		if q.Card, err = enroll.TokenID(card); err != nil {
			return q, err
		}
	}
	for name, into := range map[string]*time.Time{"from": &q.From, "to": &q.To} {
		if text := c.QueryParam(name); text != "" {
			if *into, err = time.Parse(time.RFC3339, text); err != nil {
				return q, fmt.Errorf("%w: %s is no RFC 3339 time", reasonBadRequest, name)
			}
		}
	}
	return q, nil
}

// figureJSON is one table of the security officer's.
type figureJSON struct {
	Name    string       `json:"name"`
	Title   string       `json:"title"`
	Columns []string     `json:"columns"`
	Rows    []figureLine `json:"rows"`
}

type figureLine struct {
	Label  string `json:"label"`
	Values []int  `json:"values"`
	Note   string `json:"note"`
}

// apiFigure gives one table.
func (s *Server) apiFigure(c echo.Context) error {
	all, err := s.figures(c.Request().Context(), requestOf(c).tongue)
	if err != nil {
		return err
	}
	for _, f := range all {
		if f.Name != c.Param("name") {
			continue
		}
		answer := figureJSON{Name: f.Name, Title: f.Title, Columns: f.Head, Rows: []figureLine{}}
		for _, row := range f.Rows {
			answer.Rows = append(answer.Rows, figureLine(row))
		}
		return c.JSON(http.StatusOK, answer)
	}
	return reasonNotFound
}
