package web

import (
	"net/http"

	"github.com/labstack/echo/v4"
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

	pathPasskeyFirst = pathSignIn + "?door=" + string(doorPasskey)
)

// mainRoutes: the open routes, then those of a session.
func (s *Server) mainRoutes(e *echo.Echo) {
	e.GET("/static/*", s.assets.serve)
	e.HEAD("/static/*", s.assets.serve)
	e.GET("/language/:tag", s.switchLanguage)

	open := e.Group("", s.identify)
	open.GET(pathSignIn, s.signInPage)
	open.HEAD(pathSignIn, s.signInPage)
	open.GET(pathSignedOut, s.signedOutPage)
	open.GET(pathCardStart, s.beginCard, s.counted)
	open.GET(pathCardReturn, s.finishCard, s.counted)
	open.POST("/login/passkey/options", s.beginPasskey, s.counted)
	open.POST("/login/passkey/finish", s.finishPasskey, s.counted)
	open.POST("/logout", s.signOut)

	inside := e.Group(pathAccount, s.identify, s.signedIn)
	inside.GET("", s.accountPage)
	inside.HEAD("", s.accountPage)
	inside.POST("/passkeys/options", s.beginAdd)
	inside.POST("/passkeys/finish", s.finishAdd)
	inside.POST("/passkeys/rename", s.renamePasskey)
	inside.POST("/passkeys/remove", s.removePasskey)
	inside.POST("/sessions/end", s.endSession)
	inside.POST("/sessions/end-others", s.endOtherSessions)
}

// cardRoutes: where a certificate is taken, and what its refusal page loads.
func (s *Server) cardRoutes(e *echo.Echo) {
	e.GET("/static/*", s.assets.serve)
	e.GET(pathCardHost, s.showCard, s.counted)
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
