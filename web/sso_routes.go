package web

import (
	"net/http"

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
	endpoints := echo.WrapHandler(s.o.SSO.Endpoints())
	for _, path := range sso.EndpointPaths() {
		e.Any(path, endpoints) // each knows its methods, and answers clients in their own terms
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
