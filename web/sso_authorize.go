package web

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"cpsgate/sessions"
	"cpsgate/sso"
)

// authorize takes an application's request to sign someone in, and goes as far
// as it can without a question.
func (s *Server) authorize(c echo.Context) error {
	form, err := s.oauthForm(c, sso.EventSignIn)
	if err != nil {
		return err
	}
	request, err := s.o.SSO.Begin(c.Request().Context(), form)
	if err != nil {
		return s.refuseApplication(c, err)
	}
	if c.Request().Method == http.MethodPost {
		return s.arrive(c, request)
	}
	return s.advance(c, request)
}

// oauthForm is the query of a GET or the form of a POST, not both. One that
// readers read in two ways, or not at all, is refused, and recorded as an event of
// that kind.
func (s *Server) oauthForm(c echo.Context, kind string) (form url.Values, err error) {
	r := c.Request()
	switch {
	case r.Method == http.MethodGet:
		form, err = url.ParseQuery(r.URL.RawQuery)
	case r.URL.RawQuery != "" || mediaType(r) != echo.MIMEApplicationForm:
		err = reasonBadRequest
	default:
		err = r.ParseForm()
		form = r.PostForm
	}
	if err != nil {
		return nil, s.o.SSO.Unreadable(r.Context(), kind)
	}
	return form, nil
}

// refuseApplication sends a refusal back to the application, or tells it here
// where no address of it can be trusted.
func (s *Server) refuseApplication(c echo.Context, err error) error {
	var refused *sso.Refusal
	if errors.As(err, &refused) && refused.Back != "" {
		return c.Redirect(http.StatusSeeOther, refused.Back)
	}
	return err
}

// advance shows the next question, or takes the code to the application.
func (s *Server) advance(c echo.Context, request sso.Request) error {
	r, ctx := requestOf(c), c.Request().Context()
	s.heedLocales(c, request.Locales)
	var session *sessions.Session
	if r.token != "" {
		session = &r.session
	}
	step, err := s.o.SSO.Next(ctx, request, session)
	if err != nil {
		return s.refuseApplication(c, err)
	}
	if step == sso.StepDone {
		there, err := s.o.SSO.Issue(ctx, request, session)
		if err != nil {
			return s.refuseApplication(c, err)
		}
		return c.Redirect(http.StatusSeeOther, there)
	}
	key, err := s.wait(c, request)
	if err != nil {
		return s.refuseApplication(c, err)
	}
	if step == sso.StepSignIn {
		return c.Redirect(http.StatusSeeOther, signInFor(key, session != nil))
	}
	return s.ask(c, step, request, key)
}

// arrive keeps a request that came by a form until the next request. A form of
// another site's brings no cookie along (RFC 6265bis §5.2), so that neither the
// session is known yet nor the cookie that requests already wait for: a new one
// would take its place, and who is signing in elsewhere in this browser could not
// go on. The request waits for any browser, for a moment; nobody has said
// anything to it, so that whoever takes it could as well have made it.
func (s *Server) arrive(c echo.Context, request sso.Request) error {
	key, err := s.o.SSO.Wait(c.Request().Context(), request, nil)
	if err != nil {
		return s.refuseApplication(c, err)
	}
	return c.Redirect(http.StatusSeeOther, continueAt(key))
}

func continueAt(key string) string {
	return pathContinue + "?" + url.Values{"request": {key}}.Encode()
}

// signInFor leads to the doors and from there back to the request; who is
// signed in already signs in anew.
func signInFor(key string, anew bool) string {
	query := url.Values{"return": {continueAt(key)}}
	if anew {
		query.Set("again", "yes")
	}
	return pathSignIn + "?" + query.Encode()
}

// wait keeps the request for this browser.
func (s *Server) wait(c echo.Context, request sso.Request) (string, error) {
	secret := cookieValue(c, cookieRequest)
	if secret == "" {
		secret = newSecret()
		setCookie(c, cookieRequest, secret, 0)
	}
	return s.o.SSO.Wait(c.Request().Context(), request, fingerprint(secret))
}

// resume takes the request back, in the browser that it waits for; arriving
// allows one that waits for none yet.
func (s *Server) resume(c echo.Context, key string, arriving bool) (sso.Request, error) {
	request, browser, err := s.o.SSO.Resume(c.Request().Context(), key)
	switch {
	case errors.Is(err, sso.ErrOver):
		return sso.Request{}, reasonRequestOver
	case err != nil || arriving && len(browser) == 0:
		return request, err
	case !sameBrowser(cookieValue(c, cookieRequest), browser):
		return sso.Request{}, reasonRequestBrowser
	}
	return request, nil
}

// continueSSO goes on with a request that has just come, or after a sign-in.
func (s *Server) continueSSO(c echo.Context) error {
	request, err := s.resume(c, c.QueryParam("request"), true)
	if err != nil {
		return err
	}
	return s.advance(c, request)
}

// answerSSO takes the person's answer to a question, and goes on.
func (s *Server) answerSSO(c echo.Context) error {
	form, err := readForm(c.Request(), "request", "answer", "card", "session")
	if err != nil {
		return err
	}
	request, err := s.resume(c, form.Get("request"), false)
	if err != nil {
		return err
	}
	r, ctx := requestOf(c), c.Request().Context()
	if r.token == "" { // the session ended meanwhile
		return s.advance(c, request)
	}
	if !saysItIsThem(r, form) { // whatever it says, it says it of another
		key, err := s.wait(c, request)
		if err != nil {
			return s.refuseApplication(c, err)
		}
		return s.ask(c, sso.StepConfirm, request, key)
	}
	switch form.Get("answer") {
	case answerMe:
		request.Confirm(&r.session)
	case answerOther:
		if err := s.leaveToAnother(c); err != nil {
			return err
		}
	case "agree":
		err = s.o.SSO.Agree(ctx, &request, &r.session)
	case "choose":
		err = s.o.SSO.Choose(ctx, &request, &r.session, form.Get("card"))
	case "decline":
		back, err := s.o.SSO.Decline(ctx, request, &r.session)
		if err != nil {
			return err
		}
		return c.Redirect(http.StatusSeeOther, back)
	default:
		err = reasonBadRequest
	}
	if err != nil {
		return err
	}
	return s.advance(c, request)
}

// leaveToAnother ends the session of who was signed in, before another person
// shows their card.
func (s *Server) leaveToAnother(c echo.Context) error {
	if err := s.leave(c, "someone-else"); err != nil {
		return err
	}
	clearCookie(c, cookieSession)
	c.Response().Header().Set("Clear-Site-Data", `"cache", "storage"`)
	requestOf(c).session = sessions.Session{}
	return nil
}

// heedLocales speaks the language that the application asks for, unless this
// browser has chosen one (ui_locales, OpenID Connect Core §3.1.2.1).
func (s *Server) heedLocales(c echo.Context, locales []string) {
	if cookieValue(c, cookieLanguage) != "" {
		return
	}
	for _, tag := range locales {
		language, _, _ := strings.Cut(strings.ToLower(tag), "-") // RFC 5646 §2.1.1, §2.2.1
		if t := s.tongues[language]; t != nil {
			requestOf(c).tongue = t
			setCookie(c, cookieLanguage, language, 0)
			return
		}
	}
}
