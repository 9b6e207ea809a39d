package web

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/sessions"
)

// openSessions tells how many sessions a person has, and whether there may be any
// to end. While nobody can tell they can be ended all the same.
func (s *Server) openSessions(c echo.Context, id identity.PSIdNat) (says string, some bool, err error) {
	t := requestOf(c).tongue
	open, err := s.o.Sessions.OfHolder(c.Request().Context(), id)
	if errors.Is(err, sessions.ErrAway) {
		says, err = t.words.say("person.sessions.away")
		return says, true, err
	}
	if err != nil {
		return "", false, err
	}
	says, err = t.sessionCount(len(open))
	return says, len(open) > 0, err
}

// sessionCount tells how many sessions are open.
func (t *tongue) sessionCount(n int) (string, error) {
	switch n {
	case 0:
		return t.words.say("person.sessions.none")
	case 1:
		return t.words.say("person.sessions.one")
	}
	return t.words.say("person.sessions.many", "count", strconv.Itoa(n))
}

// endSessionsOf ends all sessions of a person, on all nodes.
func (s *Server) endSessionsOf(c echo.Context) error {
	id, err := personAsked(c)
	if err != nil {
		return err
	}
	form, err := readForm(c.Request(), "reason")
	if err != nil {
		return err
	}
	back := personPath(id)
	reason, err := because(form.Get("reason"))
	if err != nil {
		return s.refuseAct(c, audit.Event{}, back, err)
	}
	if err := s.o.Registry.EndSessions(c.Request().Context(), s.act(c, reason), enroll.Ending{Holder: id}); err != nil {
		return s.refuseAct(c, audit.Event{Kind: audit.KindSessionsEnd, Subject: id}, back, err)
	}
	return c.Redirect(http.StatusSeeOther, back+"?done=ended")
}
