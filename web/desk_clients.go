package web

import (
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"cpsgate/audit"
	"cpsgate/enroll"
)

// clientsView lists the machine clients, and shows a new one's secret, once.
type clientsView struct {
	frame
	Clients []clientView
	Scopes  []scopeView
	Token   string
	Name    string
}

type clientView struct {
	Name, Scopes, Since, Until, Used string
	Good                             bool
}

type scopeView struct{ Name, Label string }

var scopeWords = map[enroll.Scope]string{
	enroll.ScopePeople: "scope.people", enroll.ScopePeopleImport: "scope.people-import",
	enroll.ScopeTickets: "scope.tickets", enroll.ScopeVouch: "scope.vouch", enroll.ScopeReset: "scope.reset",
	enroll.ScopeCards: "scope.cards", enroll.ScopeReactivate: "scope.reactivate", enroll.ScopePasskeys: "scope.passkeys",
	enroll.ScopeRoles: "scope.roles", enroll.ScopeApprovals: "scope.approvals",
	enroll.ScopeAudit: "scope.audit", enroll.ScopeStatistics: "scope.statistics",
}

// clientsPage shows who acts by the API.
func (s *Server) clientsPage(c echo.Context) error { return s.showClients(c, "", "") }

func (s *Server) showClients(c echo.Context, name, token string) error {
	t := requestOf(c).tongue
	clients, err := s.o.Registry.Clients(c.Request().Context())
	if err != nil {
		return err
	}
	view := clientsView{Token: token, Name: name}
	for _, client := range clients {
		view.Clients = append(view.Clients, t.client(client, s.o.Now()))
	}
	for _, scope := range enroll.Scopes() {
		view.Scopes = append(view.Scopes, scopeView{string(scope), t.words[scopeWords[scope]]})
	}
	view.frame = s.deskFrame(c, t.words["clients.title"])
	return s.render(c, http.StatusOK, pageClients, view)
}

func (t *tongue) client(client enroll.Client, now time.Time) clientView {
	view := clientView{Name: client.Name, Since: t.moment(client.CreatedAt), Good: client.Good(now)}
	var scopes []string
	for _, scope := range client.Scopes {
		scopes = append(scopes, t.words[scopeWords[scope]])
	}
	view.Scopes = strings.Join(scopes, ", ")
	if !client.ExpiresAt.IsZero() {
		view.Until = t.moment(client.ExpiresAt)
	}
	if !client.LastUsedAt.IsZero() {
		view.Used = t.moment(client.LastUsedAt)
	}
	return view
}

// clientLife is how long a client's secret lasts.
const clientLife = 365 * 24 * time.Hour

// addClient makes a client. Its secret is on the answer and nowhere else, so
// that this page is not come back to.
func (s *Server) addClient(c echo.Context) error {
	names := []string{"name"}
	for _, scope := range enroll.Scopes() {
		names = append(names, "scope-"+string(scope))
	}
	form, err := readForm(c.Request(), names...)
	if err != nil {
		return err
	}
	var scopes []enroll.Scope
	for _, scope := range enroll.Scopes() {
		if form.Get("scope-"+string(scope)) != "" {
			scopes = append(scopes, scope)
		}
	}
	client, token, err := s.o.Registry.AddClient(c.Request().Context(), s.act(c, ""), strings.TrimSpace(form.Get("name")), scopes, clientLife)
	if err != nil {
		return s.refuseAct(c, audit.Event{Kind: audit.KindClientAdd}, pathClients, err)
	}
	return s.showClients(c, client.Name, token)
}

// revokeClient ends a client for good.
func (s *Server) revokeClient(c echo.Context) error {
	form, err := readForm(c.Request(), "name", "reason")
	if err != nil {
		return err
	}
	if err := s.o.Registry.RevokeClient(c.Request().Context(), s.act(c, form.Get("reason")), form.Get("name")); err != nil {
		return s.refuseAct(c, audit.Event{Kind: audit.KindClientRevoke, Detail: form.Get("name")}, pathClients, err)
	}
	return c.Redirect(http.StatusSeeOther, pathClients)
}
