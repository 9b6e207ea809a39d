package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/sso/forwardauth"
)

// forwardRoutes are the pages of the sign-on host on the way to an application.
func (s *Server) forwardRoutes(e *echo.Echo) {
	if s.o.ForwardAuth == nil {
		return
	}
	e.GET(PathForwardEnter, s.enterApplication, s.counted, s.identify)
	e.GET(pathForwardAgain, s.applicationAgain, s.identify)
}

// applicationKey holds the address of the application that a refusal is about.
const applicationKey = "cpsgate.application"

// enterApplication hands an open session's browser over to an application, if
// it is good enough for the address asked for; otherwise signing in comes first.
func (s *Server) enterApplication(c echo.Context) error {
	r, gate, event := requestOf(c), s.o.ForwardAuth.Gate, audit.Event{Kind: audit.KindApplication}
	query := c.QueryParams()
	if len(query["return"]) != 1 || len(query["state"]) != 1 {
		return s.refuse(c, event, &forwardauth.Refusal{Reason: forwardauth.ReasonReturn})
	}
	address := query.Get("return")
	asked, err := gate.Ask(address)
	if err != nil {
		return s.refuse(c, event, err)
	}
	c.Set(applicationKey, asked.Origin+"/")
	if r.token == "" {
		return c.Redirect(http.StatusSeeOther, withReturn(pathSignIn, c.Request().URL.RequestURI()))
	}
	event.Actor, event.Subject, event.Session, event.Detail = r.session.Holder, r.session.Holder, r.session.ID, asked.Origin
	person, err := s.o.Registry.Professional(c.Request().Context(), r.session.Holder)
	if err != nil {
		return err
	}
	err = asked.Judge(r.session, person, s.o.Now())
	if isRefusal(err, forwardauth.ReasonDemand) {
		return c.Redirect(http.StatusSeeOther, againFor(asked.Demands(), c.Request().URL.RequestURI()))
	}
	if err != nil {
		return s.refuse(c, event, err)
	}
	to, err := gate.Admit(c.Request().Context(), address, query.Get("state"), r.token)
	if err != nil {
		return s.refuse(c, event, err)
	}
	event.Outcome, event.Method, event.Card = audit.Accepted, string(r.session.Method), r.session.CardTokenID
	if err := s.record(c, &event); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, to)
}

// applicationAgain tells that signing in to an application did not end well,
// and leads back to it. What happened was recorded where it happened.
func (s *Server) applicationAgain(c echo.Context) error {
	asked, err := s.o.ForwardAuth.Gate.Ask(c.QueryParam("return"))
	if err != nil {
		return err
	}
	c.Set(applicationKey, asked.Origin+"/")
	return &forwardauth.Refusal{Reason: forwardauth.ReasonState}
}
