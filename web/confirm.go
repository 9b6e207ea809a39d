package web

import (
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/labstack/echo/v4"
)

// confirmView is the question "signed in as … with …: is it you?", before an
// application is entered.
type confirmView struct {
	frame
	App    string
	Person string
	With   string   // what they signed in with
	Action string   // where the answer goes
	Kept   []hidden // what goes with it
}

type hidden struct{ Name, Value string }

// confirmation is what the question is asked about.
type confirmation struct {
	app     string     // as people know it
	origins []string   // where the answer may lead
	action  string     // the page that takes the answer
	kept    url.Values // what goes with it
	back    string     // the address that asks again, in the other language
}

// confirm asks. The answer names the session that it is about: it holds for no
// other that this browser may be in by then.
func (s *Server) confirm(c echo.Context, about confirmation) error {
	r := requestOf(c)
	professional, err := s.o.Registry.Professional(c.Request().Context(), r.session.Holder)
	if err != nil {
		return err
	}
	view := confirmView{
		frame: s.frame(c, r.tongue.words["confirm.title"]), App: about.app, Person: named(professional),
		With: r.tongue.with(r.session), Action: about.action, Kept: []hidden{{"session", r.session.ID}},
	}
	for _, name := range slices.Sorted(maps.Keys(about.kept)) {
		view.Kept = append(view.Kept, hidden{name, about.kept.Get(name)})
	}
	view.Switch = "/language/" + r.tongue.other + "?" + url.Values{"return": {about.back}}.Encode()
	allowForms(c, about.origins)
	return s.render(c, http.StatusOK, pageConfirm, view)
}

// The answers.
const (
	answerMe    = "it-is-me"
	answerOther = "someone-else"
)

// saysItIsThem tells whether an answer is about the session that this browser is
// in. Where another has taken its place meanwhile, its holder is asked, however
// lately they proved who they are: somebody else has just answered.
func saysItIsThem(r *request, form url.Values) bool {
	return r.token != "" && form.Get("session") == r.session.ID
}
