package web

import (
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"

	"github.com/labstack/echo/v4"

	"cpsgate/mtls"
)

// maxBody is the most that a request may carry.
const maxBody = 64 << 10

// What an imported file may hold at most: of people, 200,000 and room; of
// oppositions, the whole country's holders of cards.
const (
	maxFile = 64 << 20
	maxList = 1 << 30
)

// recovered turns a panic into an error of ours: a page without detail, and
// the stack in the log.
func (s *Server) recovered(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) (err error) {
		defer func() {
			cause := recover()
			if cause == nil {
				return
			}
			err = fmt.Errorf("panic: %v\n%s", cause, debug.Stack())
		}()
		return next(c)
	}
}

// headers sets what every answer carries, before anyone writes.
func (s *Server) headers(on listener) echo.MiddlewareFunc {
	common := [][2]string{
		{"X-Content-Type-Options", "nosniff"},
		{"Referrer-Policy", "no-referrer"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"X-Frame-Options", "DENY"},
		{"Permissions-Policy", permissions(on)},
		{"Content-Security-Policy", contentPolicy(on)},
		{"Cache-Control", "no-store"},
	}
	if on == listenerMain || !s.o.CardWildcard {
		// Not for names that are used once: a browser would remember each for a year.
		common = append(common, [2]string{"Strict-Transport-Security", "max-age=31536000"})
	}
	if on == listenerCard {
		// A connection whose handshake showed a certificate carries one answer.
		common = append(common, [2]string{"Connection", "close"})
	}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			h := c.Response().Header()
			for _, header := range common {
				h.Set(header[0], header[1])
			}
			h.Set("X-Event-Id", requestOf(c).event)
			return next(c)
		}
	}
}

// contentPolicy (CSP Level 3): nothing but our own files, and no script at all
// on the card host, which has none. Forms go to this host only: the way to the
// card host is a link, because browsers hold redirects of a form to it too.
func contentPolicy(on listener) string {
	policy := []string{
		"default-src 'none'", "style-src 'self'", "base-uri 'none'", "frame-ancestors 'none'",
		"require-trusted-types-for 'script'", "trusted-types 'none'",
	}
	if on == listenerMain {
		policy = append(policy, "script-src 'self'", "connect-src 'self'", "img-src 'self'", "form-action 'self'")
	} else {
		policy = append(policy, "img-src data:", "form-action 'none'")
	}
	return strings.Join(policy, "; ")
}

func permissions(on listener) string {
	who := "()"
	if on == listenerMain {
		who = "(self)"
	}
	return "publickey-credentials-create=" + who + ", publickey-credentials-get=" + who +
		", camera=(), microphone=(), geolocation=(), usb=(), hid=(), serial=(), payment=()"
}

// hosts refuses a request for a name that the listener does not serve, and on
// the card host one whose Host is not the name of its handshake: browsers share
// a connection among the names of a wildcard certificate, and then one name's
// certificate, or its absence, would pass for another's (RFC 9110 §7.4).
func (s *Server) hosts(on listener) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			if on == listenerMain && r.Host != s.main.Host {
				return reasonMisdirected
			}
			if on == listenerCard && !s.servesCardHost(r) {
				return reasonMisdirected
			}
			return next(c)
		}
	}
}

func (s *Server) servesCardHost(r *http.Request) bool {
	if r.TLS == nil || !mtls.SameHost(r.Host, r.TLS.ServerName) {
		return false
	}
	if r.Host == s.card.Host {
		return true
	}
	label, below, found := strings.Cut(r.Host, ".")
	return found && s.o.CardWildcard && label != "" && below == s.card.Host
}

// sameOrigin refuses what another site makes a browser send.
func (s *Server) sameOrigin(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if err := s.csrf.Check(c.Request()); err != nil {
			return fmt.Errorf("%w: %w", reasonCrossOrigin, err)
		}
		return next(c)
	}
}

// bodyLimit bounds what a handler can read: of an imported file, more.
func bodyLimit(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r, limit := c.Request(), int64(maxBody)
		switch c.Path() {
		case pathAPI + "/people/import":
			limit = maxFile
		case pathAPI + "/oppositions/import":
			limit = maxList
		case pathImports + "/new/:kind":
			if limit = maxFile; c.Param("kind") == importOfOppositions {
				limit = maxList
			}
		}
		if r.ContentLength > limit {
			return reasonTooLarge
		}
		r.Body = http.MaxBytesReader(c.Response(), r.Body, limit)
		return next(c)
	}
}
