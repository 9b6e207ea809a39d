package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
)

// exportAudit gives all that a search finds as JSON Lines. That it was taken is
// recorded first: an export nobody knows of does not happen.
func (s *Server) exportAudit(c echo.Context) error {
	var asked auditView
	q, err := s.auditQuery(c, &asked)
	if err != nil {
		return err
	}
	if err := s.record(c, &audit.Event{Kind: audit.KindAuditExport, Outcome: audit.Done, Detail: c.Request().URL.Query().Encode()}); err != nil {
		return err
	}
	return s.writeExport(c, q)
}

func (s *Server) writeExport(c echo.Context, q audit.Query) error {
	h := c.Response().Header()
	h.Set("Content-Type", "application/jsonl; charset=utf-8")
	h.Set("Content-Disposition", `attachment; filename="audit.jsonl"`)
	c.Response().WriteHeader(http.StatusOK)
	_, err := audit.Export(c.Response(), audit.Found(c.Request().Context(), s.o.Trail, q))
	return err // the answer has begun: it breaks off, and the log says why
}
