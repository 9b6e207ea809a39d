package web

import (
	"context"
	"io/fs"
	"net/http"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/sessions"
)

// For tests of what has no way of its own to the outside.

var (
	SafeReturn = safeReturn
	OwnPage    = ownPage
	Theme      = theme
	CardNumber = cardNumber
	Person     = person
	AddressKey = addressKey
	ReadJSON   = readJSON
	Templates  = fs.FS(templateFiles)
	WordFiles  = fs.FS(wordFiles)
	ReadWords  = readWords
	SameShape  = sameShape

	FrenchTypography  = frenchTypography
	EnglishTypography = englishTypography
)

// ErrContrast is theme's refusal.
var ErrContrast = errContrast

// Tongue opens a language's formats and words.
type Tongue struct{ t *tongue }

// NewTongue gives the language with that tag.
func NewTongue(tag string, zone *time.Location) (Tongue, error) {
	all, err := newTongues(zone)
	return Tongue{all[tag]}, err
}

// Choose tells which language a request gets.
func Choose(cookie string, r *http.Request) (string, error) {
	all, err := newTongues(time.UTC)
	if err != nil {
		return "", err
	}
	return all.choose(cookie, r).tag, nil
}

func (t Tongue) Date(at time.Time) string                           { return t.t.date(at) }
func (t Tongue) Moment(at time.Time) string                         { return t.t.moment(at) }
func (t Tongue) Duration(d time.Duration) string                    { return t.t.duration(d) }
func (t Tongue) With(s sessions.Session) string                     { return t.t.with(s) }
func (t Tongue) Words() map[string]string                           { return t.t.words }
func (t Tongue) Say(key string, args ...any) (string, error)        { return t.t.words.say(key, args...) }
func (t Tongue) Fill(k string, v map[string]string) (string, error) { return t.t.words.fill(k, v) }

// Limiter opens a rate limiter that remembers at most max keys.
type Limiter struct{ l limiter }

// NewLimiter makes one.
func NewLimiter(perMinute, max int) Limiter {
	l := newLimiter(perMinute)
	l.max = max
	return Limiter{l}
}

func (l Limiter) Wait(key string, now time.Time) time.Duration { return l.l.wait(key, now) }
func (l Limiter) Len() int                                     { return len(l.l.keys) }

// AnswerKeys lists the words of every reason, by package and reason.
func AnswerKeys() map[string]string {
	all := map[string]string{"web " + string(reasonAway) + ", of an act": wordsAwayAct}
	for reason, a := range certificateAnswers {
		all["mtls "+string(reason)] = a.words
	}
	for reason, a := range passkeyAnswers {
		all["rp "+string(reason)] = a.words
	}
	for reason, a := range recordAnswers {
		all["enroll "+string(reason)] = a.words
	}
	for reason, a := range deskAnswers {
		all["enroll "+string(reason)] = a.words
	}
	for reason, a := range forwardAnswers {
		all["forwardauth "+string(reason)] = a.words
	}
	for reason, a := range ownAnswers {
		all["web "+string(reason)] = a.words
	}
	return all
}

// Tell gives what a page says of an error.
func (s *Server) Tell(err error, tag string) (title, why string, do []string, failed error) {
	_, a := reasonOf(err)
	view, failed := s.tellRefusal(err, a, s.tongues[tag])
	return view.Title, view.Why, view.Do, failed
}

// OwnErrors are the errors of this package itself, as handlers return them.
func OwnErrors() []error {
	errs := []error{&tooMany{wait: time.Minute}, &sessionOver{lasted: time.Hour}}
	for reason := range ownAnswers {
		if reason != reasonTooMany && reason != reasonSessionExpired { // the two above
			errs = append(errs, reason)
		}
	}
	return errs
}

// MainRoutes lists "METHOD path" of the main host.
func (s *Server) MainRoutes() []string {
	var list []string
	for _, r := range s.mainHandler.(*echo.Echo).Routes() {
		list = append(list, r.Method+" "+r.Path)
	}
	return list
}

// ShareRates is one round of Run.
func ShareRates(ctx context.Context, s *Server) { s.shareRates(ctx) }
