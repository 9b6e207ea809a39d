package web

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"cpsgate/enroll"
)

// peopleView is the directory: a search, and a page of who it finds.
type peopleView struct {
	frame
	Query string
	Found []foundView
	Next  string // where the rest is
	Staff []staffView
}

// staffView is somebody who holds a role here.
type staffView struct{ ID, Person, Roles string }

// peoplePage searches the directory; with nothing to search for it lists who
// works here with a role.
func (s *Server) peoplePage(c echo.Context) error {
	r, ctx := requestOf(c), c.Request().Context()
	view := peopleView{Query: strings.TrimSpace(c.QueryParam("q"))}
	page, err := s.o.Registry.SearchPeople(ctx, enroll.PeopleQuery{Text: view.Query, After: c.QueryParam("after")})
	if err != nil {
		return err
	}
	for _, p := range page.People {
		view.Found = append(view.Found, foundView{url.PathEscape(string(p.IdNat)), person(p)})
	}
	if page.Next != "" {
		view.Next = pathPeople + "?" + url.Values{"q": {view.Query}, "after": {page.Next}}.Encode()
	}
	if view.Staff, err = s.staffViews(c); err != nil {
		return err
	}
	view.frame = s.deskFrame(c, r.tongue.words["people.title"])
	return s.render(c, http.StatusOK, pagePeople, view)
}

func (s *Server) staffViews(c echo.Context) ([]staffView, error) {
	staff, err := s.o.Registry.Staff(c.Request().Context())
	var views []staffView
	for _, p := range staff {
		var roles []string
		for _, role := range p.Roles {
			roles = append(roles, requestOf(c).tongue.words[roleWords[role]])
		}
		views = append(views, staffView{url.PathEscape(string(p.IdNat)), person(p), strings.Join(roles, ", ")})
	}
	return views, err
}
