package web

import (
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/identity"
	"cpsgate/sessions"
)

// recent is asked of acts that outlast a session: a screen left alone must not
// be enough for them.
var recent = sessions.Demand{MaxAge: 15 * time.Minute}

// demanding lets only a session through that meets a demand. A page leads to
// signing in again and back; anything else is refused, with the way to do so
// and back to the page of its form.
func (s *Server) demanding(d sessions.Demand, form func(echo.Context) string) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if d.Met(requestOf(c).session, s.o.Now()) {
				return next(c)
			}
			if asksForPage(c.Request()) {
				return c.Redirect(http.StatusSeeOther, againFor([]sessions.Demand{d}, c.Request().URL.RequestURI()))
			}
			c.Set(returnKey, form(c))
			return reasonAgain
		}
	}
}

// personForm is the page of the professional whom an act is about.
func personForm(c echo.Context) string {
	if id, err := personAsked(c); err == nil {
		return personPath(id)
	}
	return pathPeople
}

// againFor is the sign-in page for somebody whose session is not good enough,
// with the door first that the demands leave open. It comes back to the page
// of ours that is named; whoever judges there must judge again.
func againFor(demands []sessions.Demand, back string) string {
	query := url.Values{"again": {"1"}, "return": {safeReturn(back)}}
	for _, d := range demands {
		if d.Methods != nil && !slices.Contains(d.Methods, identity.MethodFIDO2) {
			query.Set("door", string(doorCard))
		}
		if d.Methods != nil && !slices.Contains(d.Methods, identity.MethodCPS) {
			query.Set("door", string(doorPasskey))
		}
	}
	return pathSignIn + "?" + query.Encode()
}

// again is what a fresh authentication makes of a session: it stands on what
// was used now. The rotation that goes with it ends the token before.
func again(now time.Time, proven sessions.Session) func(*sessions.Session) {
	return func(s *sessions.Session) {
		s.Method, s.Proof = proven.Method, proven.Proof
		s.CardTokenID, s.PasskeyID, s.InCard = proven.CardTokenID, proven.PasskeyID, proven.InCard
		s.AuthenticatedAt, s.Address, s.Workstation = now, proven.Address, proven.Workstation
	}
}
