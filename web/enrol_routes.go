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
		"/enroll/options":  {name: enroll.StepOptions, kind: audit.KindTicketProve, act: (*Server).askAgain},
		"/enroll/register": {name: enroll.StepRegistered, kind: audit.KindPasskeyAdd, act: (*Server).registerPasskey},
		"/enroll/prove":    {name: stepProve, kind: audit.KindTicketProve, act: (*Server).proveUse},
		"/enroll/step":     {name: "step", kind: audit.KindTicketProve, act: (*Server).noteStep, late: (*Server).noteLate},
		"/enroll/abandon":  {name: enroll.StepAbandoned, kind: audit.KindTicketAbandon, act: (*Server).abandonSitting},
	} {
		e.POST(path, s.inSitting(of), s.machine, s.counted)
	}
}
