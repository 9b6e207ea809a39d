package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// listener names which host a request came to.
type listener string

const (
	listenerMain listener = "main"
	listenerCard listener = "card"
)

// Paths that are named in more than one place.
const (
	pathSignIn     = "/"
	pathAccount    = "/account"
	pathSignedOut  = "/signed-out"
	pathCardStart  = "/login/card"
	pathCardReturn = "/login/cps"
	pathCardHost   = "/cps"
	pathEnrolCard  = "/enroll/card"

	pathPasskeyFirst = pathSignIn + "?door=" + string(doorPasskey)
)

// mainRoutes: what anyone may ask for, then what takes an open session. (Not
// as Echo's groups, which answer 404 where 405 is due.)
func (s *Server) mainRoutes(e *echo.Echo) {
	s.staticRoutes(e)
	e.GET("/language/:tag", s.switchLanguage)

	e.GET(pathSignIn, s.signInPage, s.identify)
	e.HEAD(pathSignIn, s.signInPage, s.identify)
	e.GET(pathSignedOut, s.signedOutPage, s.identify)
	e.GET(pathCardStart, s.beginCard, s.counted)
	e.GET(pathCardReturn, s.finishCard, s.counted, s.identify)
	e.POST("/login/passkey/options", s.beginPasskey, s.counted)
	e.POST("/login/passkey/finish", s.finishPasskey, s.counted, s.identify)
	e.POST("/logout", s.signOut, s.identify)
	e.GET(pathLocked, s.lockedPage, s.identify)
	e.HEAD(pathLocked, s.lockedPage, s.identify)
	e.POST(pathLock, s.lockSession, s.identify, s.signedIn)

	e.GET(pathAccount, s.accountPage, s.identify, s.signedIn, s.knowing)
	e.HEAD(pathAccount, s.accountPage, s.identify, s.signedIn, s.knowing)
	for path, handler := range map[string]echo.HandlerFunc{
		"/passkeys/options":    s.beginAdd,
		"/passkeys/finish":     s.finishAdd,
		"/passkeys/rename":     s.renamePasskey,
		"/passkeys/remove":     s.removePasskey,
		"/sessions/end":        s.endSession,
		"/sessions/end-others": s.endOtherSessions,
	} {
		e.POST(pathAccount+path, handler, s.identify, s.signedIn)
	}
	s.enrolRoutes(e)
	s.deskRoutes(e)
	s.apiRoutes(e)
	s.forwardRoutes(e)
	s.ssoRoutes(e)
}

func (s *Server) staticRoutes(e *echo.Echo) {
	e.GET("/static/*", s.assets.serve)
	e.HEAD("/static/*", s.assets.serve)
}

// cardRoutes: where a certificate is taken, and what its refusal page loads.
func (s *Server) cardRoutes(e *echo.Echo) {
	s.staticRoutes(e)
	e.GET(pathCardHost, s.showCard, s.counted)
	e.POST(pathEnrolCard, s.inSitting(step{name: enroll.StepCard, kind: audit.KindTicketCard, act: (*Server).proveCard}), s.machine, s.counted)
}

// adminMux answers whether the process lives, and whether it can serve.
func (s *Server) adminMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) {
		writeText(w, http.StatusOK, "ok\n")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.o.Ready(r.Context()); err != nil {
			s.o.Logger.WarnContext(r.Context(), "not ready", "error", err)
			writeText(w, http.StatusServiceUnavailable, "not ready\n")
			return
		}
		writeText(w, http.StatusOK, "ready\n")
	})
	return mux
}

func writeText(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text)) // whoever asked may be gone
}
