package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// apiActRoutes are the acts that weigh: a client asks, and a person approves.
// What only protects is done at once.
func (s *Server) apiActRoutes() []apiRoute {
	const get, post = http.MethodGet, http.MethodPost
	return []apiRoute{
		{post, "/tickets/:id/vouch", enroll.ScopeVouch, s.apiVouch},
		{post, "/tickets/:id/reset", enroll.ScopeReset, s.apiReset},
		{post, "/cards/:card/reactivate", enroll.ScopeReactivate, s.apiReactivate},
		{post, "/people/:id/passkeys/suspend", enroll.ScopePasskeys, s.apiSuspendPasskey},
		{post, "/people/:id/roles/grant", enroll.ScopeRoles, s.apiGrant},
		{post, "/people/:id/roles/withdraw", enroll.ScopeRoles, s.apiWithdraw},

		{get, "/approvals", enroll.ScopeApprovals, s.apiApprovals},
		{get, "/approvals/:id", enroll.ScopeApprovals, s.apiApproval},
		{post, "/approvals/:id/approve", enroll.ScopeApprovals, s.apiDecide(audit.KindApprovalApprove, s.o.Registry.Approve)},
		{post, "/approvals/:id/decline", enroll.ScopeApprovals, s.apiDecide(audit.KindApprovalDecline, s.o.Registry.Decline)},
	}
}

// readAct reads the body of an act: its members and the reason, which it needs.
func (s *Server) readAct(c echo.Context, members map[string]any) (enroll.Act, error) {
	act, err := s.readActAnyway(c, members)
	if err == nil {
		act.Reason, err = because(act.Reason)
	}
	return act, err
}

// readActAnyway is readAct where the reason may be left out.
func (s *Server) readActAnyway(c echo.Context, members map[string]any) (enroll.Act, error) {
	var reason string
	members["reason"] = &reason
	err := readJSON(c.Request(), members)
	return s.apiAct(c, reason), err
}

// askedFor answers what takes another person: with the request that waits.
func (s *Server) askedFor(c echo.Context, event audit.Event, asked *enroll.Approval, err error) error {
	if err != nil {
		return s.refuseCall(c, event, err)
	}
	return c.JSON(http.StatusAccepted, approvalOf(*asked))
}

// apiVouch asks that a ticket go on without the card's certificate.
func (s *Server) apiVouch(c echo.Context) error {
	event, card := audit.Event{Kind: audit.KindDeskProof}, ""
	act, err := s.readAct(c, map[string]any{"card": &card})
	if err == nil && card != "" {
		card, err = enroll.TokenID(card)
	}
	if err != nil {
		return s.refuseCall(c, event, err)
	}
	event.Card = card
	asked, err := s.o.Registry.AllowDeskProof(c.Request().Context(), act, c.Param("id"), card)
	return s.askedFor(c, event, asked, err)
}

// apiReset asks that the workstation of a ticket empty an applet that holds
// something.
func (s *Server) apiReset(c echo.Context) error {
	event := audit.Event{Kind: audit.KindReset}
	act, err := s.readAct(c, map[string]any{})
	if err != nil {
		return s.refuseCall(c, event, err)
	}
	asked, err := s.o.Registry.AllowReset(c.Request().Context(), act, c.Param("id"))
	return s.askedFor(c, event, asked, err)
}

// apiReactivate asks that a suspended card come back.
func (s *Server) apiReactivate(c echo.Context) error {
	event := audit.Event{Kind: audit.KindCardState}
	act, err := s.readAct(c, map[string]any{})
	if err == nil {
		event.Card, err = enroll.TokenID(c.Param("card"))
	}
	if err != nil {
		return s.refuseCall(c, event, err)
	}
	asked, err := s.o.Registry.Reactivate(c.Request().Context(), act, event.Card)
	return s.askedFor(c, event, asked, err)
}

// apiSuspendPasskey stops one passkey of a person's.
func (s *Server) apiSuspendPasskey(c echo.Context) error {
	event, text := audit.Event{Kind: audit.KindPasskeySuspend}, ""
	act, err := s.readAct(c, map[string]any{"id": &text})
	if err == nil {
		event.Subject, err = personAsked(c)
	}
	var credential []byte
	if err == nil {
		credential, err = readID(text)
	}
	if err == nil {
		event.CredentialHash = audit.HashCredential(credential)
		err = s.suspendPasskeyOf(c.Request().Context(), act, event.Subject, credential)
	}
	if err != nil {
		return s.refuseCall(c, event, err)
	}
	return c.NoContent(http.StatusNoContent)
}

// apiGrant asks that somebody get a role.
func (s *Server) apiGrant(c echo.Context) error {
	act, role, event, err := s.readRole(c, audit.KindRoleGrant)
	if err != nil {
		return s.refuseCall(c, event, err)
	}
	asked, err := s.o.Registry.Grant(c.Request().Context(), act, event.Subject, role)
	return s.askedFor(c, event, asked, err)
}

// apiWithdraw takes a role away, at once.
func (s *Server) apiWithdraw(c echo.Context) error {
	act, role, event, err := s.readRole(c, audit.KindRoleWithdraw)
	if err == nil {
		err = s.o.Registry.Withdraw(c.Request().Context(), act, event.Subject, role)
	}
	if err != nil {
		return s.refuseCall(c, event, err)
	}
	return c.NoContent(http.StatusNoContent)
}

// readRole reads an act on a role, and begins the event of its refusal.
func (s *Server) readRole(c echo.Context, kind string) (act enroll.Act, role identity.Role, event audit.Event, err error) {
	event.Kind = kind
	if act, err = s.readActAnyway(c, map[string]any{"role": &role}); err != nil {
		return act, role, event, err
	}
	event.Detail = string(role)
	event.Subject, err = personAsked(c)
	return act, role, event, err
}
