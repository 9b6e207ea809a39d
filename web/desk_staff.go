package web

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// kindPage is the audit's kind of a page refused to who lacks its role.
const kindPage = "page.open"

// staffRoute is one route of the desk: who may use it, and what it does.
type staffRoute struct {
	method, path string
	roles        []identity.Role
	handler      echo.HandlerFunc
}

// staffRoutes adds routes that need an open session and a role. The acts
// themselves ask the record again: a role withdrawn a moment ago does not serve.
func (s *Server) staffRoutes(e *echo.Echo, routes []staffRoute) {
	for _, r := range routes {
		e.Add(r.method, r.path, r.handler, s.identify, s.signedIn, s.withRole(r.roles))
		if r.method == http.MethodGet {
			e.Add(http.MethodHead, r.path, r.handler, s.identify, s.signedIn, s.withRole(r.roles))
		}
	}
}

const staffKey = "cpsgate.staff"

// staffOf is the person of this session, on pages that know them.
func staffOf(c echo.Context) identity.Professional {
	p, _ := c.Get(staffKey).(identity.Professional)
	return p
}

// knowing reads who is signed in, so that the page shows what they may open.
func (s *Server) knowing(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		p, err := s.o.Registry.Professional(c.Request().Context(), requestOf(c).session.Holder)
		if err != nil {
			return err
		}
		c.Set(staffKey, p)
		return next(c)
	}
}

// withRole lets those through who hold one of the roles.
func (s *Server) withRole(roles []identity.Role) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return s.knowing(func(c echo.Context) error {
			who := staffOf(c)
			if slices.ContainsFunc(roles, who.HasRole) {
				return next(c)
			}
			refusal := &enroll.Refusal{Reason: enroll.ReasonRoleMissing, Holder: who.IdNat, Detail: c.Request().Method + " " + c.Path()}
			return s.refuse(c, audit.Event{Kind: kindPage, Subject: who.IdNat}, refusal)
		})
	}
}

// act is what the person of this session does, and why.
func (s *Server) act(c echo.Context, reason string) enroll.Act {
	session := requestOf(c).session
	return enroll.Act{By: session.Holder, AuthenticatedAt: session.AuthenticatedAt, Reason: reason}
}

// because reads the reason of an act that needs one.
func because(reason string) (string, error) {
	reason = strings.TrimSpace(reason)
	if reason == "" {
		return "", reasonUnsaid
	}
	return reason, nil
}

// refuseAct records an act of the desk that the record refuses, and leads back
// to the page it was tried on.
func (s *Server) refuseAct(c echo.Context, event audit.Event, back string, err error) error {
	c.Set(returnKey, back)
	var refused *enroll.Refusal
	if !errors.As(err, &refused) {
		return err
	}
	if event.Subject == "" {
		event.Subject = refused.Holder
	}
	return s.refuse(c, event, err)
}

// navItem is one section of the desk.
type navItem struct {
	Href, Label string
	Here        bool
}

// sections lists what this person may open.
func (s *Server) sections(c echo.Context) []navItem {
	who, words, path := staffOf(c), requestOf(c).tongue.words, c.Request().URL.Path
	var items []navItem
	for _, section := range []struct {
		path, label string
		roles       []identity.Role
	}{
		{pathDesk, words["nav.desk"], deskRoles},
		{pathPeople, words["nav.people"], peopleRoles},
		{pathApprovals, words["nav.approvals"], approvalRoles},
		{pathAudit, words["nav.audit"], auditRoles},
		{pathFigures, words["nav.figures"], figureRoles},
		{pathEvidence, words["nav.evidence"], evidenceRoles},
		{pathImports, words["nav.imports"], adminRoles},
		{pathClients, words["nav.clients"], adminRoles},
		{s.applications(), words["nav.applications"], adminRoles},
	} {
		if section.path == "" || section.path == pathEvidence && s.o.Revocation == nil {
			continue
		}
		if slices.ContainsFunc(section.roles, who.HasRole) {
			here := path == section.path || section.path != pathDesk && strings.HasPrefix(path, section.path+"/") ||
				section.path == pathDesk && strings.HasPrefix(path, pathTickets)
			items = append(items, navItem{section.path, section.label, here})
		}
	}
	if len(items) > 0 {
		items = append(items, navItem{pathAccount, words["account.title"], path == pathAccount})
	}
	return items
}
