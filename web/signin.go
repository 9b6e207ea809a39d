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
	Again        string // who is to prove again that it is them; "": anybody signs in
}

// signInPage shows the two doors, the likelier first: the one asked for, else
// the one last used on this workstation. Who is signed in is
// sent on, unless they are to prove it afresh.
func (s *Server) signInPage(c echo.Context) error {
	r, wanted := requestOf(c), c.QueryParam("return")
	if r.locked != "" {
		return c.Redirect(http.StatusSeeOther, withReturn(pathLocked, wanted))
	}
	again := r.token != "" && c.QueryParam("again") != "" // to prove it afresh, or in another way
	if r.token != "" && !again {
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
	if again {
		professional, err := s.o.Registry.Professional(c.Request().Context(), r.session.Holder)
		if err != nil {
			return err
		}
		view.Title, view.Again = r.tongue.words["signin.again.title"], person(professional)
	}
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
