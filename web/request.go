package web

import (
	"context"
	"errors"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/mtls"
	"cpsgate/sessions"
)

// request is what one request gathers on its way; it ends as one log line.
type request struct {
	event    string // shown to people, logged, and the id of the decision it records
	recorded bool   // an audit event bears that id
	on       listener
	started  time.Time
	tongue   *tongue

	leaf mtls.Leaf // that a named proxy vouches for

	token    string           // of the session cookie, if it names a session
	session  sessions.Session // valid when token is not empty
	sessionE error            // why the cookie names no session
	locked   string           // the cookie's token, if its session is locked: then session is valid too

	reason string // of what was refused
	err    error  // what the answer does not show
}

const requestKey = "cpsgate.request"

func requestOf(c echo.Context) *request {
	r, _ := c.Get(requestKey).(*request)
	return r
}

// observe opens the request's account and closes it with one log line. Cookies,
// tokens, bodies and queries never appear in it, nor do paths we do not know.
func (s *Server) observe(on listener) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := &request{event: audit.NewID(), on: on, started: s.o.Now()}
			chosen := ""
			if on == listenerMain { // the card host reads no cookie
				chosen = cookieValue(c, cookieLanguage)
			}
			r.tongue = s.tongues.choose(chosen, c.Request())
			c.Set(requestKey, r)
			s.circumstances(c)
			broken := false
			if err := next(c); err != nil {
				broken = c.Response().Committed
				c.Error(err)
			}
			s.logRequest(c, r)
			if broken { // or what was sent so far would pass for all there is
				panic(http.ErrAbortHandler) //nolint:forbidigo // the one way to tell net/http to break off
			}
			return nil
		}
	}
}

// circumstances tells the audit who asks from where.
func (s *Server) circumstances(c echo.Context) {
	r, in := requestOf(c), c.Request()
	around := audit.Circumstances{Address: c.RealIP(), UserAgent: in.UserAgent(), Workstation: s.workstation(c)}
	if r.token != "" {
		around.Actor, around.Method, around.Session = r.session.Holder, r.session.Method, r.session.ID
	}
	c.SetRequest(in.WithContext(audit.WithCircumstances(in.Context(), around)))
}

// workstation names the one that a request comes from, if its address tells.
func (s *Server) workstation(c echo.Context) string {
	return s.o.Workstation(peerOf(c.Request().RemoteAddr))
}

func (s *Server) logRequest(c echo.Context, r *request) {
	out := c.Response()
	attributes := []slog.Attr{
		slog.String("event", r.event),
		slog.String("listener", string(r.on)),
		slog.String("method", knownMethod(c.Request().Method)),
		slog.String("route", c.Path()),
		slog.Int("status", out.Status),
		slog.Int64("bytes", out.Size),
		slog.Duration("took", s.o.Now().Sub(r.started)),
		slog.String("address", c.RealIP()),
	}
	if r.reason != "" {
		attributes = append(attributes, slog.String("reason", r.reason))
	}
	level := slog.LevelInfo
	if r.err != nil {
		attributes = append(attributes, slog.Any("error", r.err))
	}
	if out.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	s.o.Logger.LogAttrs(context.WithoutCancel(c.Request().Context()), level, "request", attributes...)
}

func knownMethod(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions:
		return method
	}
	return "other"
}

// wantsJSON tells a script's request from a page's.
func wantsJSON(r *http.Request) bool {
	if mediaType(r) == echo.MIMEApplicationJSON {
		return true
	}
	accept := r.Header.Get("Accept")
	return strings.Contains(accept, echo.MIMEApplicationJSON) && !strings.Contains(accept, echo.MIMETextHTML)
}

func mediaType(r *http.Request) string {
	media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		return ""
	}
	return media
}

// headerRedraw is what a page's script says when it reads its page anew.
const headerRedraw = "X-Cpsgate-Redraw"

// byItself tells a request that a page makes without anybody's doing: it is not a
// sign that somebody is there. It is checked as any other.
func byItself(r *http.Request) bool {
	return r.Method == http.MethodGet && (r.Header.Get(headerRedraw) != "" || r.Header.Get("Accept") == typeStream)
}

// identify looks the session cookie up. Whether there must be a session is for
// the next in line to say.
func (s *Server) identify(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, token := requestOf(c), cookieValue(c, cookieSession)
		if token == "" {
			r.sessionE = sessions.ErrNoSession
			return next(c)
		}
		find := s.o.Sessions.Find
		if byItself(c.Request()) {
			find = s.o.Sessions.Peek
		}
		session, err := find(c.Request().Context(), token)
		r.session = session
		switch {
		case err == nil:
			r.token = token
			s.circumstances(c)
		case errors.Is(err, sessions.ErrLocked):
			r.sessionE, r.locked = err, token
		case errors.Is(err, sessions.ErrNoSession), errors.Is(err, sessions.ErrExpired):
			r.sessionE = err
		default:
			return err
		}
		return next(c)
	}
}

// signedIn lets only an open session through. A page asked for without any
// cookie leads to the sign-in page and back, one of a locked session to where it
// is unlocked; a cookie whose session is over gets told so.
func (s *Server) signedIn(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := requestOf(c)
		if r.token != "" {
			return next(c)
		}
		if cookieValue(c, cookieSession) == "" && asksForPage(c.Request()) {
			return c.Redirect(http.StatusSeeOther, withReturn(pathSignIn, c.Request().URL.RequestURI()))
		}
		if r.locked != "" && asksForPage(c.Request()) {
			return c.Redirect(http.StatusSeeOther, withReturn(pathLocked, c.Request().URL.RequestURI()))
		}
		if r.locked != "" {
			return reasonLocked
		}
		clearCookie(c, cookieSession)
		if errors.Is(r.sessionE, sessions.ErrExpired) {
			return &sessionOver{lasted: lasted(r.session)}
		}
		return reasonSessionEnded
	}
}

func asksForPage(r *http.Request) bool {
	return (r.Method == http.MethodGet || r.Method == http.MethodHead) && !wantsJSON(r)
}

// lasted is how long a session that ran out was open.
func lasted(s sessions.Session) time.Duration {
	end := s.IdleUntil
	if s.ExpiresAt.Before(end) {
		end = s.ExpiresAt
	}
	return end.Sub(s.CreatedAt)
}
