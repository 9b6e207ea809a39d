package web

import (
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/sessions"
)

// signedOutView is the page after signing out.
type signedOutView struct {
	frame
	Back, App string // the application to go back to; "" = none
}

// signOut ends this browser's session. Without one it does no harm.
func (s *Server) signOut(c echo.Context) error {
	if _, err := readForm(c.Request()); err != nil {
		return err
	}
	if err := s.leave(c, "signed-out"); err != nil {
		return err
	}
	return s.goodbye(c)
}

// goodbye leaves nothing of a session that has ended in the browser.
func (s *Server) goodbye(c echo.Context) error {
	clearCookie(c, cookieSession)
	clearCookie(c, cookieCeremony)
	forgetAll(c)
	return c.Redirect(http.StatusSeeOther, pathSignedOut)
}

// signedOutPage says what signing out does not: the browser keeps its choice
// of certificate, and the card, while it is in, its unlocked state.
func (s *Server) signedOutPage(c echo.Context) error {
	r := requestOf(c)
	if r.token != "" {
		return c.Redirect(http.StatusSeeOther, pathAccount)
	}
	return s.render(c, http.StatusOK, pageSignedOut, signedOutView{frame: s.frame(c, r.tongue.words["signedout.title"])})
}

// endSession ends another of one's own sessions. One that is over already is
// as good as ended; somebody else's cannot be named.
func (s *Server) endSession(c echo.Context) error {
	form, err := readForm(c.Request(), "id")
	if err != nil {
		return err
	}
	if form.Get("id") == "" {
		return reasonBadRequest
	}
	if err := s.end(c, form.Get("id")); err != nil {
		return err
	}
	return c.Redirect(http.StatusSeeOther, afterDeed("session-ended"))
}

// endOtherSessions ends all of one's own sessions but this one.
func (s *Server) endOtherSessions(c echo.Context) error {
	if _, err := readForm(c.Request()); err != nil {
		return err
	}
	r := requestOf(c)
	open, err := s.o.Sessions.OfHolder(c.Request().Context(), r.session.Holder)
	if err != nil {
		return err
	}
	for _, other := range open {
		if other.ID == r.session.ID {
			continue
		}
		if err := s.end(c, other.ID); err != nil {
			return err
		}
	}
	return c.Redirect(http.StatusSeeOther, afterDeed("sessions-ended"))
}

// end ends one of one's own sessions by its handle and records that.
func (s *Server) end(c echo.Context, id string) error {
	r, ctx := requestOf(c), c.Request().Context()
	err := s.o.Sessions.EndByID(ctx, r.session.Holder, id)
	if errors.Is(err, sessions.ErrNoSession) {
		return nil
	}
	if err != nil {
		return err
	}
	return s.record(c, &audit.Event{
		Kind: audit.KindSessionEnd, Outcome: audit.Done, Reason: "by-holder",
		Actor: r.session.Holder, Subject: r.session.Holder, Detail: "session " + id,
	})
}
