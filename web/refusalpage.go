package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/labstack/echo/v4"

	"cpsgate/sso"
)

// refusalView is the page of every refusal and error.
type refusalView struct {
	frame
	Why     string
	Do      []string
	Restart bool // the browser must be restarted before it asks again
	Actions []action
	Event   string
}

// action is a way on from a refusal.
type action struct {
	Href    string
	Label   string
	Door    door
	Primary bool
}

// refusalJSON is the same for a script.
type refusalJSON struct {
	Reason string   `json:"reason"`
	Title  string   `json:"title"`
	Detail string   `json:"detail,omitempty"` // what programs of ours read as Why
	Why    string   `json:"why"`
	Do     []string `json:"do"`
	Event  string   `json:"event"` // by the API, "": the audit has none
}

// answerError is where every error of a handler ends: one status, one reason,
// the words for it. What lies behind goes to the log alone.
func (s *Server) answerError(err error, c echo.Context) {
	r := requestOf(c)
	reason, a := reasonOf(err)
	r.reason, r.err = reason, err
	if c.Response().Committed {
		return
	}
	var application *sso.Refusal
	if errors.As(err, &application) && application.Number != "" { // recorded by the provider
		r.event, r.recorded = application.Number, true
		c.Response().Header().Set("X-Event-Id", r.event)
	}
	if after := retryAfter(err, a, s.o.Now()); after != "" {
		c.Response().Header().Set("Retry-After", after)
	}
	if a.status == http.StatusUnauthorized {
		c.Response().Header().Set("WWW-Authenticate", challenge(c)) // RFC 9110 §15.5.2 wants one
	}
	if failed := s.writeRefusal(c, err, reason, a); failed != nil {
		r.err = fmt.Errorf("%w; telling it: %w", err, failed)
		_ = c.String(http.StatusInternalServerError, "Erreur interne. Internal error. "+r.event+"\n")
	}
}

// challenge says how one would be let in.
func challenge(c echo.Context) string {
	if isMachine(c) {
		return "Bearer"
	}
	return "Cookie"
}

func (s *Server) writeRefusal(c echo.Context, cause error, reason string, a answer) error {
	r := requestOf(c)
	if a == ownAnswers[reasonAway] && !reloads(c) {
		a.words = wordsAwayAct
	}
	told, err := s.tellRefusal(cause, a, r.tongue)
	if err != nil {
		return err
	}
	if wantsJSON(c.Request()) || isMachine(c) {
		refusal := refusalJSON{Reason: reason, Title: told.Title, Why: told.Why, Do: told.Do, Event: r.event}
		if isMachine(c) {
			refusal.Detail = told.Why
		}
		if isAPI(c) && !r.recorded {
			refusal.Event = ""
		}
		return c.JSON(a.status, refusal)
	}
	title := told.Title
	told.frame = s.frame(c, title)
	told.HelpAbove = true
	told.Event = r.event
	told.Restart = a.retry == doorCard && !s.o.CardWildcard && r.on == listenerCard
	told.Actions = s.actions(c, a)
	if reason == string(reasonAway) && reloads(c) {
		told.Reload = awayRetry
	}
	return s.render(c, a.status, pageRefusal, told)
}

// wordsAwayAct are for what does not try again by itself: a form that was sent, a
// script, a program.
const wordsAwayAct = "sessions-away-act"

// reloads tells a page that can be asked for again, and does so by itself while
// sessions cannot be looked up.
func reloads(c echo.Context) bool { return asksForPage(c.Request()) && !isMachine(c) }

// tellRefusal finds the words: the title, why, and what to do now.
func (s *Server) tellRefusal(cause error, a answer, t *tongue) (view refusalView, err error) {
	values, prefix := s.values(cause, t), "refusal."+a.words
	if view.Title, err = t.words.fill(prefix+".title", values); err != nil {
		return view, err
	}
	if view.Why, err = t.words.fill(prefix+".why", values); err != nil {
		return view, err
	}
	for n := 1; ; n++ {
		key := fmt.Sprintf("%s.do.%d", prefix, n)
		if _, found := t.words[key]; !found {
			return view, nil
		}
		step, err := t.words.fill(key, values)
		if err != nil {
			return view, err
		}
		view.Do = append(view.Do, step)
	}
}

// actions are the ways on: try again, the other door, and always a way back.
func (s *Server) actions(c echo.Context, a answer) []action {
	r := requestOf(c)
	words := r.tongue.words
	base := s.base(r.on)
	var list []action
	if application, ok := c.Get(applicationKey).(string); ok {
		list = append(list, action{Href: application, Label: words["refusal.application"]})
	}
	if a.retry == doorCard {
		list = append(list, action{Href: base + withReturn(pathCardStart, s.wanted(c)), Label: words["refusal.retry"], Door: doorCard})
	}
	if a.retry == doorPasskey {
		list = append(list, action{Href: base + pathPasskeyFirst, Label: words["refusal.retry"]})
	}
	switch a.other {
	case doorCard:
		list = append(list, action{Href: base + withReturn(pathCardStart, s.wanted(c)), Label: words["refusal.other.card"], Door: doorCard})
	case doorPasskey:
		list = append(list, action{Href: base + pathPasskeyFirst, Label: words["refusal.other.passkey"]})
	}
	switch {
	case r.locked != "":
		list = append(list, action{Href: base + withReturn(pathLocked, s.wanted(c)), Label: words["refusal.locked"]})
	case a.words == ownAnswers[reasonAgain].words:
		list = append(list, action{Href: base + againFor(nil, s.wanted(c)), Label: words["refusal.sign-in-again"]})
	}
	if r.token != "" {
		list = append(list, action{Href: base + pathAccount, Label: words["refusal.account"]})
	} else {
		list = append(list, action{Href: base + withReturn(pathSignIn, s.wanted(c)), Label: words["refusal.back"]})
	}
	list[0].Primary = true
	return list
}

// wanted is where the person was going, when the request tells: the page whose
// session was over, or the attempt's own return address.
func (s *Server) wanted(c echo.Context) string {
	if address, ok := c.Get(returnKey).(string); ok {
		return address
	}
	if c.Request().Method == http.MethodGet && requestOf(c).sessionE != nil {
		return c.Request().URL.RequestURI()
	}
	return ""
}

// returnKey holds the return address of an attempt that has been taken.
const returnKey = "cpsgate.return"

// base begins links to main's pages.
func (s *Server) base(on listener) string {
	if on == listenerCard {
		return s.main.String()
	}
	return ""
}

// frame fills what every page shares.
func (s *Server) frame(c echo.Context, title string) frame {
	r := requestOf(c)
	f := frame{
		Lang: r.tongue.tag, OtherLang: r.tongue.other,
		Title: title, Hospital: s.o.Hospital, Base: s.base(r.on),
		Style: s.assets.style,
		Help:  newHelpline(s.o.SupportLabel, s.o.SupportPhone, r.tongue),
	}
	if r.on == listenerCard {
		// Each file of the card host costs a handshake, and the card a
		// signature: its pages load the style sheet and nothing else.
		return f
	}
	f.Icon, f.Logo = s.assets.icon, s.assets.logo
	f.Switch = s.switchAt(c)
	f.Nav = s.sections(c)
	return f
}

// switchAt is where the language switch of this page leads and comes back to.
func (s *Server) switchAt(c echo.Context) string {
	return "/language/" + requestOf(c).tongue.other + "?" + url.Values{"return": {here(c)}}.Encode()
}
