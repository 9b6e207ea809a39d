package web

import (
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"cpsgate/sso"
)

// The pages of single sign-on. The provider's own endpoints are in package sso.
const (
	pathContinue     = "/oauth/continue"
	pathLeave        = "/oauth/leave"
	pathApplications = "/applications"
)

func (s *Server) ssoRoutes(e *echo.Echo) {
	if s.o.SSO == nil {
		return
	}
	for _, path := range sso.EndpointPaths() {
		e.Any(path, s.machineSSO) // each knows its methods, and answers clients in their own terms
		s.csrf.AddInsecureBypassPattern(path)
	}
	// Other sites lead people here, some by a form (OpenID Connect Core
	// §3.1.2.1, RP-Initiated Logout §2): neither does more than a link may.
	for path, handler := range map[string]echo.HandlerFunc{sso.PathAuthorize: s.authorize, sso.PathEndSession: s.endSSO} {
		e.GET(path, handler, s.counted, s.identify)
		e.POST(path, handler, s.counted, s.identify)
		s.csrf.AddInsecureBypassPattern(path)
	}
	e.GET(pathContinue, s.continueSSO, s.counted, s.identify)
	e.POST(pathContinue, s.answerSSO, s.counted, s.identify)
	e.POST(pathLeave, s.leaveSSO, s.identify)
	s.staffRoutes(e, []staffRoute{
		{http.MethodGet, pathApplications, adminRoles, s.applicationsPage},
		{http.MethodPost, pathApplications, adminRoles, s.addApplication},
		{http.MethodPost, pathApplications + "/rotate-secret", adminRoles, s.rotateApplication},
		{http.MethodPost, pathApplications + "/remove", adminRoles, s.removeApplication},
	})
}

// ofMachineSSO tells whether a route is an endpoint that clients call by
// themselves.
func (s *Server) ofMachineSSO(route string) bool {
	return s.o.SSO != nil && slices.Contains(sso.EndpointPaths(), route)
}

// machineSSO answers what clients ask by themselves. The address pays for what
// proves nothing, apart from its pages; what proves itself has a rate of its own,
// unless its address has nothing left: then nobody there is asked who they are.
// The account of the request takes the number under which a refusal stands in the
// audit.
func (s *Server) machineSSO(c echo.Context) error {
	settle, wait := s.clients.hold(addressKey(c.RealIP()), s.o.Now())
	if wait > 0 {
		requestOf(c).reason = string(reasonTooMany)
		s.o.SSO.TooMany(c.Response(), c.Request(), wait)
		return nil
	}
	proven := false
	defer func() { settle(!proven, s.o.Now()) }()
	proven = s.o.SSO.Serve(c.Response(), c.Request())
	if number := c.Response().Header().Get("X-Event-Id"); number != "" {
		requestOf(c).event = number
	}
	return nil
}
