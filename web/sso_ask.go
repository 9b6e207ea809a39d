package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/labstack/echo/v4"

	"cpsgate/identity"
	"cpsgate/sessions"
	"cpsgate/sso"
)

// askView is a question between a sign-in and an application.
type askView struct {
	frame
	Request string // the key of the request that waits
	Session string // whom the answer is about: see confirm
	App     string
	Person  string
	With    string // what they signed in with

	Told       []string       // consent: what the application is told
	Activities []activityView // choice of an activity
}

type activityView struct{ Card, Label, Place string }

// ask shows the question of a step.
func (s *Server) ask(c echo.Context, step sso.Step, request sso.Request, key string) error {
	r, ctx := requestOf(c), c.Request().Context()
	client, err := s.o.SSO.Client(ctx, request.Client)
	if err != nil {
		return err
	}
	if step == sso.StepConfirm {
		return s.confirm(c, confirmation{
			app: client.Name, origins: leadsTo(client, request.Redirect), action: pathContinue, kept: url.Values{"request": {key}}, back: continueAt(key),
		})
	}
	person, err := s.o.SSO.Person(ctx, r.session.Holder)
	if err != nil {
		return err
	}
	view := askView{
		Request: key, Session: r.session.ID, App: client.Name,
		Person: named(person.Professional), With: r.tongue.with(r.session),
	}
	page, title := pageConsent, "consent.title"
	if step == sso.StepChoose {
		page, title = pageActivity, "activity.title"
		for _, a := range person.Activities {
			view.Activities = append(view.Activities, r.tongue.activity(a))
		}
	} else {
		view.Told = r.tongue.told(client, request.Scopes)
	}
	heading, err := r.tongue.words.say(title)
	if err != nil {
		return err
	}
	view.frame = s.frame(c, heading)
	view.Switch = "/language/" + r.tongue.other + "?" + url.Values{"return": {continueAt(key)}}.Encode()
	allowForms(c, leadsTo(client, request.Redirect))
	return s.render(c, http.StatusOK, page, view)
}

// leadsTo are the origins where an answer may lead that ends at one of a client's
// addresses: the client's, and that of the address itself, which for a native client
// is at a port of its own. One at an IPv6 address would stand for its whole scheme,
// see sourceOf: only where it is the very one.
func leadsTo(client *sso.Client, address string) (origins []string) {
	this := sso.OriginOf(address)
	if this != "" {
		origins = append(origins, this)
	}
	for _, origin := range client.Origins() {
		if origin != this && sourceOf(origin) == origin {
			origins = append(origins, origin)
		}
	}
	return origins
}

// allowForms lets a form of this page end at an application: browsers hold
// redirects of a form to form-action too (CSP Level 3 §6.4.2.1).
func allowForms(c echo.Context, origins []string) {
	h := c.Response().Header()
	allowed := "form-action 'self'"
	for _, origin := range origins {
		allowed += " " + sourceOf(origin)
	}
	h.Set("Content-Security-Policy", strings.Replace(h.Get("Content-Security-Policy"), "form-action 'self'", allowed, 1))
}

// sourceOf writes an origin as a source. An address of IPv6 is no host-source
// (CSP Level 3 §2.3.1): there the scheme stands for it.
func sourceOf(origin string) string {
	if scheme, host, _ := strings.Cut(origin, "//"); strings.HasPrefix(host, "[") {
		return scheme
	}
	return origin
}

// named is a person as they know themselves.
func named(p identity.Professional) string {
	return strings.TrimSpace(p.GivenName + " " + strings.ToUpper(p.FamilyName))
}

// with tells what a session was opened with.
func (t *tongue) with(s sessions.Session) string {
	key := "with.key"
	switch {
	case s.Method == identity.MethodCPS:
		key = "with.card"
	case s.ByCard() && s.CardTokenID != "":
		key = "with.passkey"
	case s.ByCard():
		key = "with.applet"
	}
	text, err := t.words.fill(key, map[string]string{"number": cardNumber(s.CardTokenID)})
	if err != nil { // the keys above are held to exist by a test
		return fmt.Sprint(s.Method)
	}
	return text
}

// told lists what an application learns.
func (t *tongue) told(client *sso.Client, scopes []string) []string {
	list := []string{t.words["consent.told.sign-in"]}
	groups := t.words["consent.told.groups"]
	if client.Claims == sso.ShapePSC {
		groups = t.words["consent.told.roles"] // the rest is told below
	}
	for _, s := range scopes {
		switch s {
		case sso.ScopeProfile, sso.ScopePSC:
			list = append(list, t.words["consent.told.name"])
		case sso.ScopeGroups:
			list = append(list, groups)
		}
	}
	if client.Claims == sso.ShapePSC || client.Subject == sso.SubjectPublic {
		list = append(list, t.words["consent.told.identifier"])
	}
	if client.Claims == sso.ShapePSC {
		list = append(list, t.words["consent.told.practice"])
	}
	return list
}

func (t *tongue) activity(a sso.Activity) activityView {
	label := a.Profession.String()
	if a.Training {
		label = strings.ReplaceAll(t.words["activity.training"], "{profession}", label)
	}
	place := a.Employer
	if place == "" {
		place = string(a.Structure)
	}
	return activityView{Card: a.Card, Label: label, Place: place}
}
