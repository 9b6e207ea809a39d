package web

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// The endpoints of single sign-on.
const pathJWKS = "/oauth/jwks"

func (s *Server) ssoRoutes(e *echo.Echo) {
	if s.o.Keys == nil {
		return
	}
	e.GET(pathJWKS, s.signingKeys)
}

// keysAge is how long an application may keep the keys: well below the notice
// of a key that is to sign.
const keysAge = "max-age=300"

// signingKeys publishes what our tokens are verified with. Any page may read it.
func (s *Server) signingKeys(c echo.Context) error {
	h := c.Response().Header()
	h.Set("Cache-Control", "public, "+keysAge)
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	return c.Blob(http.StatusOK, "application/jwk-set+json", s.o.Keys.JWKS(c.Request().Context())) // RFC 7517 §8.5.2
}
