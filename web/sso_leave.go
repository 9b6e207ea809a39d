package web

import (
	"cmp"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"cpsgate/identity"
	"cpsgate/sso"
)

// leaveView asks whether signing out everywhere is meant.
type leaveView struct {
	frame
	Request string
	App     string
	Person  string
}

// endSSO takes an application's request to sign someone out (OpenID Connect
// RP-Initiated Logout 1.0). One that shows an ID token of this very session is
// followed; any other might come from anywhere, and the person is asked. A locked
// session is left as an open one is: applications still count on it.
func (s *Server) endSSO(c echo.Context) error {
	r, ctx := requestOf(c), c.Request().Context()
	nobody := r.token == "" && r.locked == ""
	form, err := s.oauthForm(c, sso.EventLogout)
	if err != nil {
		return err
	}
	request, err := s.o.SSO.BeginLogout(ctx, form)
	if err != nil {
		return err
	}
	switch {
	case nobody && c.Request().Method == http.MethodPost:
		return s.askToLeave(c, request) // a form of another site's brings no cookie along
	case nobody && cookieValue(c, cookieSession) == "":
		// Nothing is theirs to forget; another site's link must not disturb a
		// sign-in that has begun here.
		return c.Redirect(http.StatusSeeOther, cmp.Or(request.Back, pathSignedOut))
	case nobody:
		return s.signedOutTo(c, request, "")
	case s.o.SSO.Proves(ctx, request, &r.session):
		method := r.session.Method
		if err := s.leave(c, "application"); err != nil {
			return err
		}
		return s.signedOutTo(c, request, method)
	}
	return s.askToLeave(c, request)
}

func (s *Server) askToLeave(c echo.Context, request sso.Logout) error {
	r, ctx := requestOf(c), c.Request().Context()
	key, err := s.o.SSO.WaitLogout(ctx, request)
	if err != nil {
		return err
	}
	view := leaveView{Request: key, frame: s.frame(c, r.tongue.words["leave.title"])}
	if r.token != "" || r.locked != "" {
		person, err := s.o.SSO.Person(ctx, r.session.Holder)
		if err != nil {
			return err
		}
		view.Person = named(person.Professional)
	}
	if client, err := s.o.SSO.Client(ctx, request.Client); err == nil {
		view.App = client.Name
		allowForms(c, leadsTo(client, request.Back))
	}
	return s.render(c, http.StatusOK, pageLeave, view)
}

// leaveSSO signs out after the person has said so.
func (s *Server) leaveSSO(c echo.Context) error {
	form, err := readForm(c.Request(), "request")
	if err != nil {
		return err
	}
	request, err := s.o.SSO.ResumeLogout(c.Request().Context(), form.Get("request"))
	if errors.Is(err, sso.ErrOver) {
		return reasonRequestOver
	}
	if err != nil {
		return err
	}
	method := requestOf(c).session.Method
	if err := s.leave(c, "application"); err != nil {
		return err
	}
	return s.signedOutTo(c, request, method)
}

// signedOutTo goes back to the application. After a session by certificate it
// first says what signing out does not do: the browser and the card remember.
func (s *Server) signedOutTo(c echo.Context, request sso.Logout, method identity.Method) error {
	clearCookie(c, cookieSession)
	clearCookie(c, cookieCeremony)
	forgetAll(c)
	switch {
	case request.Back == "":
		return c.Redirect(http.StatusSeeOther, pathSignedOut)
	case method != identity.MethodCPS:
		return c.Redirect(http.StatusSeeOther, request.Back)
	}
	r := requestOf(c)
	r.session.Holder = ""
	view := signedOutView{frame: s.frame(c, r.tongue.words["signedout.title"]), Back: request.Back}
	if client, err := s.o.SSO.Client(c.Request().Context(), request.Client); err == nil {
		view.App = client.Name
	}
	view.Switch = ""
	return s.render(c, http.StatusOK, pageSignedOut, view)
}
