package web

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"sync"

	"github.com/labstack/echo/v4"

	"cpsgate/rp"
)

// Server holds the pages. It is safe for concurrent use.
type Server struct {
	o       Options
	main    *url.URL
	card    *url.URL
	tongues tongues
	pages   pages
	assets  *assets
	rpID    string
	csrf    *http.CrossOriginProtection

	requests limiter // by address
	clients  limiter // by address, what applications ask by themselves and prove nothing by
	attempts limiter // by address
	signIns  limiter // by person
	told     limiter // what is recorded of who has proved nothing, by reason and address

	codes    *codes // of tickets just opened
	imports  imports
	stopping chan struct{}
	stop     sync.Once

	mainHandler, cardHandler, adminHandler http.Handler
}

// New parses every page and text, and refuses options under which a page would
// be unreadable or a way in closed.
func New(o Options) (*Server, error) {
	if err := o.complete(); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s := &Server{
		o:        o,
		csrf:     http.NewCrossOriginProtection(),
		requests: newLimiter(o.Limits.RequestsPerMinute),
		clients:  newLimiter(o.Limits.RequestsPerMinute),
		attempts: newLimiter(o.Limits.AttemptsPerMinute),
		signIns:  newLimiter(o.Limits.SignInsPerMinute),
		told:     newLimiter(1),
		codes:    newCodes(),
		stopping: make(chan struct{}),
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s.mainHandler = s.fronted(s.newEcho(listenerMain))
	s.cardHandler = s.newEcho(listenerCard)
	s.adminHandler = s.adminMux()
	return s, nil
}

// load reads what is embedded and what the options name.
func (s *Server) load() (err error) {
	if s.main, err = parseOrigin("main", s.o.MainOrigin); err != nil {
		return err
	}
	if s.card, err = parseOrigin("card", s.o.CardOrigin); err != nil {
		return err
	}
	if s.main.Host == s.card.Host {
		return fmt.Errorf("main and card origins are both %s", s.main)
	}
	if s.rpID, err = rpID(s.o.RelyingParty); err != nil {
		return err
	}
	accent, err := theme(s.o.Accent)
	if err != nil {
		return err
	}
	if s.assets, err = newAssets(accent, s.o.Logo); err != nil {
		return err
	}
	if s.tongues, err = newTongues(s.o.Zone); err != nil {
		return err
	}
	if err = checkAnswers(s.tongues[french].words); err != nil {
		return err
	}
	s.pages, err = newPages(s.tongues)
	return err
}

// Main serves the pages and the JSON of the passkey door.
func (s *Server) Main() http.Handler { return s.mainHandler }

// Card serves the card host. Its server must use mtls.ListenerConfig and
// mtls.ConnContext.
func (s *Server) Card() http.Handler { return s.cardHandler }

// Admin serves /livez and /readyz.
func (s *Server) Admin() http.Handler { return s.adminHandler }

// newEcho makes one listener's router with the middleware that every answer
// of it passes through, errors and unknown paths included.
func (s *Server) newEcho(on listener) *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	e.IPExtractor = echo.ExtractIPDirect() // no header of a proxy is believed
	e.HTTPErrorHandler = s.answerError
	e.Use(s.observe(on), s.recovered, s.headers(on), s.hosts(on), s.unhurried, s.forwarded(on), s.sameOrigin, bodyLimit)
	if on == listenerMain {
		s.mainRoutes(e)
	} else {
		s.cardRoutes(e)
	}
	return e
}

// rpID reads the RP ID where browsers read it: in the options of a login.
func rpID(party *rp.RelyingParty) (string, error) {
	options, _, err := party.BeginLogin()
	if err != nil {
		return "", err
	}
	var of struct {
		RPID string `json:"rpId"`
	}
	if err := json.Unmarshal(options, &of); err != nil || of.RPID == "" {
		return "", fmt.Errorf("reading the RP ID from login options: %w", err)
	}
	return of.RPID, nil
}
