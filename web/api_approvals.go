package web

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// approvalJSON is a request for what takes two people.
type approvalJSON struct {
	ID          string     `json:"id"`
	Deed        string     `json:"deed"`
	State       string     `json:"state"`
	By          string     `json:"by"` // "" of a proposal
	Subject     string     `json:"subject"`
	Card        string     `json:"card"` // token id
	Ticket      string     `json:"ticket"`
	Role        string     `json:"role"`
	Reason      string     `json:"reason"`
	RequestedAt time.Time  `json:"requestedAt"`
	ExpiresAt   *time.Time `json:"expiresAt"`
	DecidedBy   string     `json:"decidedBy"`
	DecidedAt   *time.Time `json:"decidedAt"`
}

func approvalOf(a enroll.Approval) approvalJSON {
	return approvalJSON{
		ID: a.ID, Deed: string(a.Deed), State: string(a.State), By: string(a.By), Subject: string(a.Subject), Card: a.Card, Ticket: a.Ticket,
		Role: string(a.Role), Reason: a.Reason, RequestedAt: a.RequestedAt.UTC(), ExpiresAt: moment(a.ExpiresAt),
		DecidedBy: string(a.DecidedBy), DecidedAt: moment(a.DecidedAt),
	}
}

var approvalStateNames = []enroll.ApprovalState{
	enroll.ApprovalProposed, enroll.ApprovalWaiting, enroll.ApprovalDone, enroll.ApprovalDeclined, enroll.ApprovalExpired,
}

// apiApprovals lists requests, the latest first.
func (s *Server) apiApprovals(c echo.Context) error {
	limit, err := apiLimit(c)
	if err != nil {
		return err
	}
	q := enroll.ApprovalQuery{After: c.QueryParam("after"), Limit: limit}
	if state := enroll.ApprovalState(c.QueryParam("state")); state != "" {
		if !slices.Contains(approvalStateNames, state) {
			return fmt.Errorf("%w: no such state", reasonBadRequest)
		}
		q.States = []enroll.ApprovalState{state}
	}
	found, err := s.o.Registry.Approvals(c.Request().Context(), q)
	if err != nil {
		return err
	}
	page := pageJSON[approvalJSON]{Items: []approvalJSON{}, Next: found.Next}
	for _, a := range found.Approvals {
		page.Items = append(page.Items, approvalOf(a))
	}
	return c.JSON(http.StatusOK, page)
}

// apiApproval gives one request as it is.
func (s *Server) apiApproval(c echo.Context) error {
	a, err := s.o.Registry.Approval(c.Request().Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return c.JSON(http.StatusOK, approvalOf(a))
}

// apiDecide is what approving and declining have in common. Whether a client may
// approve at all is the policy's word.
func (s *Server) apiDecide(kind string, how func(context.Context, enroll.Act, string) (enroll.Approval, error)) echo.HandlerFunc {
	return func(c echo.Context) error {
		event := audit.Event{Kind: kind, Detail: "request " + c.Param("id")}
		act, err := s.readActAnyway(c, map[string]any{})
		if err != nil {
			return s.refuseCall(c, event, err)
		}
		a, err := how(c.Request().Context(), act, c.Param("id"))
		if err != nil {
			return s.refuseCall(c, event, err)
		}
		return c.JSON(http.StatusOK, approvalOf(a))
	}
}
