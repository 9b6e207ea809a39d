package web

import (
	_ "embed"
	"errors"
	"net/http"
	"slices"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// kindAPI is the audit's kind of a call that is refused at the door.
const kindAPI = "api.call"

// openAPI describes the routes below (OpenAPI 3.1). A test holds it true.
//
//go:embed openapi.json
var openAPI []byte

const pathAPI = "/api/v1"

// apiRoute is one operation of the API, and the scope that a client needs.
type apiRoute struct {
	method, path string
	scope        enroll.Scope
	handler      echo.HandlerFunc
}

// apiRoutes are the acts of the desk for machine clients: no cookie is read.
func (s *Server) apiRoutes(e *echo.Echo) {
	const get, post = http.MethodGet, http.MethodPost
	routes := []apiRoute{
		{get, "/people", enroll.ScopePeople, s.apiPeople},
		{get, "/people/:id", enroll.ScopePeople, s.apiPerson},
		{get, "/people/export", enroll.ScopePeople, s.apiExportPeople},
		{post, "/people/import", enroll.ScopePeopleImport, s.apiImportPeople},

		{get, "/tickets", enroll.ScopeTickets, s.apiTickets},
		{post, "/tickets", enroll.ScopeTickets, s.apiOpenTicket},
		{get, "/tickets/:id", enroll.ScopeTickets, s.apiTicket},
		{post, "/tickets/:id/cancel", enroll.ScopeTickets, s.apiCancelTicket},

		{post, "/cards/:card/suspend", enroll.ScopeCards, s.apiCard(s.o.Registry.Suspend)},
		{post, "/cards/:card/revoke", enroll.ScopeCards, s.apiCard(s.o.Registry.Revoke)},
		{post, "/cards/:card/replace", enroll.ScopeCards, s.apiReplace},
		{post, "/oppositions/import", enroll.ScopeCards, s.apiImportOppositions},

		{get, "/figures/:name", enroll.ScopeStatistics, s.apiFigure},
	}
	routes = append(routes, s.apiActRoutes()...)
	if s.o.Trail != nil {
		routes = append(routes,
			apiRoute{get, "/audit", enroll.ScopeAudit, s.apiAudit},
			apiRoute{get, "/audit/export", enroll.ScopeAudit, s.apiExportAudit})
	}
	for _, r := range routes {
		e.Add(r.method, pathAPI+r.path, r.handler, s.machine, s.counted, s.client(r.scope))
	}
	e.GET(pathAPI+"/openapi.json", func(c echo.Context) error { return c.JSONBlob(http.StatusOK, openAPI) }, s.machine)
}

const clientKey = "cpsgate.client"

// client lets a machine client through that has the scope.
func (s *Server) client(scope enroll.Scope) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			token, err := bearer(c.Request())
			if err != nil {
				return s.refuseStranger(c, audit.Event{Kind: kindAPI}, err)
			}
			client, err := s.o.Registry.ClientOf(c.Request().Context(), token)
			var refused *enroll.Refusal
			if errors.As(err, &refused) {
				return s.refuseStranger(c, audit.Event{Kind: kindAPI, Detail: refused.Detail}, reasonBearer)
			}
			if err != nil {
				return err
			}
			c.Set(clientKey, client.Name)
			if !slices.Contains(client.Scopes, scope) {
				refusal := &enroll.Refusal{Reason: enroll.ReasonScopeMissing, Detail: c.Request().Method + " " + c.Path() + " needs " + string(scope)}
				return s.refuse(c, audit.Event{Kind: kindAPI, Actor: s.apiAct(c, "").Actor()}, refusal)
			}
			return next(c)
		}
	}
}

// apiAct is what the client of this call does, and why.
func (s *Server) apiAct(c echo.Context, reason string) enroll.Act {
	name, _ := c.Get(clientKey).(string)
	return enroll.Act{Client: name, Reason: reason}
}

// refuseCall records an act of a client that is refused, for whatever reason.
func (s *Server) refuseCall(c echo.Context, event audit.Event, err error) error {
	event.Actor = s.apiAct(c, "").Actor()
	var refused *enroll.Refusal
	if errors.As(err, &refused) && event.Subject == "" {
		event.Subject = refused.Holder
	}
	return s.refuse(c, event, err)
}
