package web

import (
	"context"
	"net/http"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// decide is what approving and declining have in common.
func (s *Server) decide(c echo.Context, kind, done string, how func(context.Context, enroll.Act, string) (enroll.Approval, error)) error {
	form, err := readForm(c.Request(), "reason")
	if err != nil {
		return err
	}
	a, err := how(c.Request().Context(), s.act(c, form.Get("reason")), c.Param("id"))
	if err != nil {
		event := audit.Event{Kind: kind, Subject: a.Subject, Card: a.Card, Detail: "request " + c.Param("id")}
		return s.refuseAct(c, event, pathApprovals, err)
	}
	return c.Redirect(http.StatusSeeOther, pathApprovals+"?done="+done)
}
