package web

import (
	"net/http"
	"net/url"
	"strings"

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
	e.POST(PathForwardEnter, s.answerApplication, s.counted, s.identify)
	e.GET(pathForwardAgain, s.applicationAgain, s.identify)
}

// applicationKey holds the address of the application that a refusal is about.
const applicationKey = "cpsgate.application"

// visit is somebody on the way to an application.
type visit struct {
	address, state string // to return to, and which attempt it is of
	asked          forwardauth.Asked
}

// visited reads where somebody wants to go: one of the applications, or a
// refusal.
func (s *Server) visited(c echo.Context, values url.Values) (v visit, err error) {
	event := audit.Event{Kind: audit.KindApplication}
	if len(values["return"]) != 1 || len(values["state"]) != 1 {
		return v, s.refuse(c, event, &forwardauth.Refusal{Reason: forwardauth.ReasonReturn})
	}
	v.address, v.state = values.Get("return"), values.Get("state")
	if v.asked, err = s.o.ForwardAuth.Gate.Ask(v.address); err != nil {
		return v, s.refuse(c, event, err)
	}
	c.Set(applicationKey, v.asked.Origin+"/")
	return v, nil
}

// path is the page that the visit comes by.
func (v visit) path() string { return PathForwardEnter + "?" + v.values().Encode() }

func (v visit) values() url.Values { return url.Values{"return": {v.address}, "state": {v.state}} }

// enterApplication hands an open session's browser over to an application, if
// it is good enough for the address asked for, and if its holder sits there;
// otherwise signing in, or the question, comes first.
func (s *Server) enterApplication(c echo.Context) error {
	v, err := s.visited(c, c.QueryParams())
	if err != nil {
		return err
	}
	return s.handOver(c, v, notAsked)
}

// answerApplication takes the answer to the question.
func (s *Server) answerApplication(c echo.Context) error {
	form, err := readForm(c.Request(), "return", "state", "session", "answer")
	if err != nil {
		return err
	}
	v, err := s.visited(c, form)
	if err != nil {
		return err
	}
	switch form.Get("answer") {
	case answerMe:
		if !saysItIsThem(requestOf(c), form) {
			return s.handOver(c, v, unclear)
		}
		return s.handOver(c, v, confirmed)
	case answerOther:
		if err := s.leaveToAnother(c); err != nil {
			return err
		}
		return s.handOver(c, v, notAsked)
	}
	return reasonBadRequest
}

// who is what is known of who sits there.
type who int

const (
	notAsked  who = iota
	confirmed     // they said that it is they
	unclear       // somebody answered of another session
)

// handOver goes on with a visit as far as it can.
func (s *Server) handOver(c echo.Context, v visit, there who) error {
	r, ctx, event := requestOf(c), c.Request().Context(), audit.Event{Kind: audit.KindApplication}
	if r.token == "" {
		return c.Redirect(http.StatusSeeOther, withReturn(pathSignIn, v.path()))
	}
	event.Actor, event.Subject, event.Session, event.Detail = r.session.Holder, r.session.Holder, r.session.ID, v.asked.Origin
	person, err := s.o.Registry.Professional(ctx, r.session.Holder)
	if err != nil {
		return err
	}
	err = v.asked.Judge(r.session, person, s.o.Now())
	if isRefusal(err, forwardauth.ReasonDemand) {
		return c.Redirect(http.StatusSeeOther, againFor(v.asked.Demands(), v.path()))
	}
	if err != nil {
		return s.refuse(c, event, err)
	}
	if there == unclear || there == notAsked && s.o.ForwardAuth.Confirm.Asks(r.session, s.o.Now()) {
		return s.confirm(c, confirmation{
			app: strings.TrimPrefix(v.asked.Origin, "https://"), origins: []string{v.asked.Origin}, action: PathForwardEnter, kept: v.values(), back: v.path(),
		})
	}
	to, err := s.o.ForwardAuth.Gate.Admit(ctx, v.address, v.state, r.token)
	if err != nil {
		return s.refuse(c, event, err)
	}
	event.Outcome, event.Method, event.Card = audit.Accepted, string(r.session.Method), r.session.CardTokenID
	if there == confirmed {
		event.Reason = "confirmed"
	}
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
