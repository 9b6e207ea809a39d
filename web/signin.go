package web

import (
	"net/http"

	"github.com/labstack/echo/v4"
)

// signInView is the page of the two doors.
type signInView struct {
	frame
	Last         string // the door last used on this workstation
	PasskeyFirst bool
	CardDoor     string // where the card's button leads
	Return       string // where signing in leads
	Returning    bool   // to a page that was asked for
	Wait         string // how long the browser waits for a card
}

// signInPage shows the two doors, the likelier first: the one asked for, else
// the one last used on this workstation. Who is signed in is sent on.
func (s *Server) signInPage(c echo.Context) error {
	r, wanted := requestOf(c), c.QueryParam("return")
	if r.token != "" && c.QueryParam("again") == "" { // again: to prove it afresh, or in another way
		return c.Redirect(http.StatusSeeOther, safeReturn(wanted))
	}
	last := door(cookieValue(c, cookieDoor))
	if last != doorCard && last != doorPasskey {
		last = ""
	}
	first := last
	if asked := door(c.QueryParam("door")); asked == doorCard || asked == doorPasskey {
		first = asked
	}
	view := signInView{
		frame:        s.frame(c, r.tongue.words["signin.title"]),
		Last:         string(last),
		PasskeyFirst: first == doorPasskey,
		CardDoor:     withReturn(pathCardStart, wanted),
		Return:       safeReturn(wanted),
		Returning:    safeReturn(wanted) != pathAccount,
		Wait:         r.tongue.duration(ceremonyTime),
	}
	view.Script = s.assets.script
	return s.render(c, http.StatusOK, pageSignIn, view)
}

// switchLanguage keeps the choice and goes back to the page it was made on.
func (s *Server) switchLanguage(c echo.Context) error {
	tag := c.Param("tag")
	if _, ours := s.tongues[tag]; !ours {
		return reasonNotFound
	}
	setCookie(c, cookieLanguage, tag, cookieYear)
	back, ok := ownPage(c.QueryParam("return"))
	if !ok {
		back = pathSignIn
	}
	return c.Redirect(http.StatusSeeOther, back)
}
