package web

import (
	"net/http"

	"github.com/labstack/echo/v4"

	"cpsgate/identity"
)

// The sections of the desk.
const (
	pathDesk      = "/desk"
	pathTickets   = "/desk/tickets"
	pathPeople    = "/desk/people"
	pathApprovals = "/desk/approvals"
	pathAudit     = "/audit"
	pathFigures   = "/figures"
	pathClients   = "/clients"
	pathEvidence  = "/revocation"
	pathImports   = "/imports"
)

// Who may open them.
var (
	deskRoles     = []identity.Role{identity.RoleOperator}
	peopleRoles   = []identity.Role{identity.RoleOperator, identity.RoleAdmin}
	approvalRoles = []identity.Role{identity.RoleApprover, identity.RoleOperator, identity.RoleAdmin}
	approverRoles = []identity.Role{identity.RoleApprover}
	auditRoles    = []identity.Role{identity.RoleAuditor}
	figureRoles   = []identity.Role{identity.RoleAuditor, identity.RoleAdmin, identity.RoleApprover}
	adminRoles    = []identity.Role{identity.RoleAdmin}
	evidenceRoles = []identity.Role{identity.RoleAdmin, identity.RoleAuditor}
)

func (s *Server) deskRoutes(e *echo.Echo) {
	const get, post = http.MethodGet, http.MethodPost
	s.staffRoutes(e, []staffRoute{
		{get, pathDesk, deskRoles, s.queuePage},
		{get, pathDesk + "/events", deskRoles, s.watchQueue},
		{post, pathTickets, deskRoles, s.openTicket},
		{get, pathTickets + "/:id", deskRoles, s.ticketPage},
		{get, pathTickets + "/:id/events", deskRoles, s.watchTicket},
		{post, pathTickets + "/:id/cancel", deskRoles, s.cancelTicket},
		{post, pathTickets + "/:id/vouch", deskRoles, s.vouch},
		{post, pathTickets + "/:id/reset", deskRoles, s.allowReset},

		{get, pathPeople, peopleRoles, s.peoplePage},
		{get, pathPeople + "/:id", peopleRoles, s.personPage},
		{post, pathPeople + "/:id/cards/:card/:act", peopleRoles, s.changeCard},
		{post, pathPeople + "/:id/passkeys/suspend", peopleRoles, s.stopPasskey},
		{post, pathPeople + "/:id/sessions/end", peopleRoles, s.endSessionsOf},
		{post, pathPeople + "/:id/roles/:act", adminRoles, s.demanding(recent, personForm)(s.changeRole)},

		{get, pathApprovals, approvalRoles, s.approvalsPage},
		{post, pathApprovals + "/:id/approve", approverRoles, s.approve},
		{post, pathApprovals + "/:id/decline", approvalRoles, s.decline},

		{get, pathFigures, figureRoles, s.figuresPage},
		{get, pathFigures + "/:file", figureRoles, s.figureFile},

		{get, pathImports, adminRoles, s.importsPage},
		{get, pathImports + "/people.csv", adminRoles, s.exportPeople},
		{post, pathImports + "/new/:kind", adminRoles, s.beginImport},
		{get, pathImports + "/:id", adminRoles, s.importPage},
		{get, pathImports + "/:id/events", adminRoles, s.watchImport},
		{get, pathImports + "/:id/rows.csv", adminRoles, s.importFaults},
		{post, pathImports + "/:id/apply", adminRoles, s.applyImport},
		{post, pathImports + "/:id/cancel", adminRoles, s.cancelImport},

		{get, pathClients, adminRoles, s.clientsPage},
		{post, pathClients, adminRoles, s.addClient},
		{post, pathClients + "/revoke", adminRoles, s.revokeClient},
	})
	if s.o.Trail != nil {
		s.staffRoutes(e, []staffRoute{
			{get, pathAudit, auditRoles, s.auditPage},
			{get, pathAudit + "/export", auditRoles, s.exportAudit},
		})
	}
	if s.o.Revocation != nil {
		s.staffRoutes(e, []staffRoute{{get, pathEvidence, evidenceRoles, s.evidencePage}})
	}
}
