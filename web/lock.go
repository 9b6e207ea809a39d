package web

import (
	"bytes"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/identity"
	"cpsgate/sessions"
)

const (
	pathLock   = "/lock"
	pathLocked = "/locked"
)

// lockedView is the page of a locked session: whose it is, and what opens it.
type lockedView struct {
	frame
	Person        string
	Since         string
	ByCertificate bool
	CardDoor      string
	Return        string
	Wait          string
}

// lockSession locks this browser's session: nothing of it can be used until the
// same card or passkey opens it again.
func (s *Server) lockSession(c echo.Context) error {
	if _, err := readForm(c.Request()); err != nil {
		return err
	}
	r, ctx := requestOf(c), c.Request().Context()
	if err := s.o.Sessions.Lock(ctx, r.session.Holder, r.session.ID); err != nil {
		return err
	}
	err := s.record(c, &audit.Event{
		Kind: audit.KindSessionLock, Outcome: audit.Done, Reason: "by-holder",
		Actor: r.session.Holder, Subject: r.session.Holder, Session: r.session.ID, Method: string(r.session.Method), Card: r.session.CardTokenID,
	})
	if err != nil {
		return err
	}
	c.Response().Header().Set("Clear-Site-Data", `"cache"`) // no page of theirs behind the Back button
	return c.Redirect(http.StatusSeeOther, pathLocked)
}

// lockedPage tells whose session waits here, and offers the one way to open it
// and the one to end it.
func (s *Server) lockedPage(c echo.Context) error {
	r, wanted := requestOf(c), c.QueryParam("return")
	if r.locked == "" {
		return c.Redirect(http.StatusSeeOther, withReturn(pathSignIn, wanted))
	}
	professional, err := s.o.Registry.Professional(c.Request().Context(), r.session.Holder)
	if err != nil {
		return err
	}
	view := lockedView{
		frame:         s.frame(c, r.tongue.words["locked.title"]),
		Person:        person(professional),
		Since:         r.tongue.moment(r.session.CreatedAt),
		ByCertificate: r.session.Method == identity.MethodCPS,
		CardDoor:      withReturn(pathCardStart, wanted),
		Return:        safeReturn(wanted),
		Wait:          r.tongue.duration(ceremonyTime),
	}
	view.Script = s.assets.script
	return s.render(c, http.StatusOK, pageLocked, view)
}

// unlocks tells whether someone has proved the very card or passkey that a
// locked session was opened with. Neither another's nor another one of the same
// person will do: it may lie in another's hands, with a PIN that is known.
func unlocks(locked, proven sessions.Session) bool {
	return locked.Holder == proven.Holder && locked.Method == proven.Method &&
		locked.CardTokenID == proven.CardTokenID && bytes.Equal(locked.PasskeyID, proven.PasskeyID)
}

// unlock opens the session that is locked in this browser, under a new token.
func (s *Server) unlock(c echo.Context, proven sessions.Session) (token string, unlocked sessions.Session, err error) {
	r := requestOf(c)
	if !unlocks(r.session, proven) {
		return "", sessions.Session{}, reasonLocked
	}
	token, unlocked, err = s.o.Sessions.Unlock(c.Request().Context(), r.locked, again(s.o.Now(), proven))
	if over(err) {
		return "", sessions.Session{}, errors.Join(reasonSessionEnded, err)
	}
	return token, unlocked, err
}
