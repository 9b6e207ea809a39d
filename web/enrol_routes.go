package web

import (
	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// The steps as they are called on the ticket beside those of enroll.
const (
	stepProve = "prove"
	stepPIN   = "pin-policy"
)

// enrolRoutes are what a workstation of the desk calls (docs/enrolment-protocol.md).
// They read no cookie: no browser's session can be made to act here.
func (s *Server) enrolRoutes(e *echo.Echo) {
	e.POST("/enroll/claim", s.claimTicket, s.machine, s.counted)
	for path, of := range map[string]step{
		"/enroll/options":  {enroll.StepOptions, audit.KindTicketProve, (*Server).askAgain},
		"/enroll/register": {enroll.StepRegistered, audit.KindPasskeyAdd, (*Server).registerPasskey},
		"/enroll/prove":    {stepProve, audit.KindTicketProve, (*Server).proveUse},
		"/enroll/step":     {"step", audit.KindTicketProve, (*Server).noteStep},
		"/enroll/abandon":  {enroll.StepAbandoned, audit.KindTicketAbandon, (*Server).abandonSitting},
	} {
		e.POST(path, s.inSitting(of), s.machine, s.counted)
	}
}
