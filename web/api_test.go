package web_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
)

// program is a machine client.
type program struct {
	*browser
	token string
	doc   *document
}

func (h *house) program(name string, scopes ...enroll.Scope) *program {
	h.t.Helper()
	_, token, err := h.registry.AddClient(h.t.Context(), console, name, scopes, 0)
	must(h.t, err)
	p := &program{browser: h.browser(), token: token, doc: &document{given: map[string]map[string]bool{}}}
	p.client.Jar = nil
	h.browser().get("/api/v1/openapi.json").decode(h.t, p.doc)
	return p
}

// ask calls an operation, and holds it against its description.
func (p *program) ask(method, path, contentType, body string) answer {
	p.t.Helper()
	return p.sends(p.request(method, path, contentType, body), contentType, body)
}

func (p *program) request(method, path, contentType, body string) *http.Request {
	p.t.Helper()
	r, err := http.NewRequest(method, mainOrigin+"/api/v1"+path, strings.NewReader(body))
	must(p.t, err)
	r.Header.Set("Authorization", "Bearer "+p.token)
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	return r
}

func (p *program) sends(r *http.Request, contentType, body string) answer {
	p.t.Helper()
	a := p.send(r)
	p.judge(r, contentType, body, a)
	return a
}

func (p *program) judge(r *http.Request, contentType, body string, a answer) {
	p.t.Helper()
	op, found := p.doc.at(r.Method, strings.TrimPrefix(r.URL.EscapedPath(), "/api/v1"))
	if !found {
		p.t.Errorf("%s %s is not described", r.Method, r.URL)
	} else if fault := p.doc.hold(op, contentType, body, a); fault != "" {
		p.t.Errorf("%s %s: %s\n%s", r.Method, r.URL, fault, a.body)
	}
	if a.status >= http.StatusBadRequest && a.status != http.StatusUnprocessableEntity {
		p.numbered(r, a)
	}
}

// numbered holds a refusal to its event: the audit has the number that is told,
// and only what the document names is told without one.
func (p *program) numbered(r *http.Request, a answer) {
	p.t.Helper()
	var told struct{ Reason, Event string }
	a.decode(p.t, &told)
	if told.Event != "" {
		if e, err := p.h.store.Event(p.t.Context(), told.Event); err != nil || e.Reason != told.Reason || a.header.Get("X-Event-Id") != told.Event {
			p.t.Errorf("%s %s: %s is in the audit as %+v, %v", r.Method, r.URL, a.body, e, err)
		}
		return
	}
	switch a.status {
	case http.StatusUnauthorized, http.StatusRequestEntityTooLarge, http.StatusMisdirectedRequest, http.StatusTooManyRequests, http.StatusInternalServerError:
	default:
		if r.Method != http.MethodGet || a.status != http.StatusBadRequest && a.status != http.StatusNotFound {
			p.t.Errorf("%s %s: %s is not in the audit", r.Method, r.URL, a.body)
		}
	}
}

func (p *program) get(path string) answer { return p.ask(http.MethodGet, path, "", "") }

func (p *program) post(path, body string) answer {
	return p.ask(http.MethodPost, path, "application/json", body)
}

// TestOpenAPIIsTheRoutes: nothing is served that is not described, and nothing
// is described that is not served.
func TestOpenAPIIsTheRoutes(t *testing.T) {
	h := newHouse(t)
	a := h.browser().get("/api/v1/openapi.json")
	var doc document
	a.decode(t, &doc)
	if a.status != http.StatusOK || doc.OpenAPI != "3.1.0" {
		t.Fatalf("%d %s", a.status, doc.OpenAPI)
	}
	var described, served, ids []string
	for path, operations := range doc.Paths {
		for method, op := range operations {
			described = append(described, strings.ToUpper(method)+" /api/v1"+path)
			ids = append(ids, op.OperationID)
			if path != "/openapi.json" && !slices.Contains(enroll.Scopes(), enroll.Scope(op.Scope)) {
				t.Errorf("%s needs the scope %q", path, op.Scope)
			}
		}
	}
	for _, route := range h.web.MainRoutes() {
		if strings.Contains(route, " /api/") {
			served = append(served, regexp.MustCompile(`:([a-z]+)`).ReplaceAllString(route, "{$1}"))
		}
	}
	slices.Sort(described)
	slices.Sort(served)
	slices.Sort(ids)
	if !slices.Equal(described, served) {
		t.Errorf("described\n%s\nserved\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
	if len(slices.Compact(ids)) != len(described) {
		t.Error("an operation's name is there twice, or missing")
	}
}

// TestAPIScopes: every operation asks for its scope, a secret that is known, and
// no cookie.
func TestAPIScopes(t *testing.T) {
	h := newHouse(t)
	admin, _ := h.staff(identity.RoleAdmin, identity.RoleOperator, identity.RoleAuditor)
	p := h.program("tout", enroll.Scopes()...)
	for path, operations := range p.doc.Paths {
		for method, op := range operations {
			if path == "/openapi.json" {
				continue
			}
			t.Run(op.OperationID, func(t *testing.T) {
				h.t = t
				others := slices.DeleteFunc(enroll.Scopes(), func(s enroll.Scope) bool { return string(s) == op.Scope })
				without := h.program("sans-"+strings.ToLower(op.OperationID), others...)
				at := inPath.ReplaceAllString(path, "x")
				without.ask(strings.ToUpper(method), at, "application/json", "{}").refuses(t, http.StatusForbidden, "scope-missing")
				if e := h.refusedFor("api.call", "scope-missing"); e.Actor != identity.PSIdNat("client:sans-"+strings.ToLower(op.OperationID)) {
					t.Errorf("%+v", e)
				}
				without.token = "cpsgate_" + strings.Repeat("A", 43)
				without.ask(strings.ToUpper(method), at, "application/json", "{}").refuses(t, http.StatusUnauthorized, "bearer")
				r, err := http.NewRequest(strings.ToUpper(method), mainOrigin+"/api/v1"+at, nil)
				must(t, err)
				r.Header.Set("Sec-Fetch-Site", "same-origin")
				admin.t = t
				admin.send(r).refuses(t, http.StatusUnauthorized, "bearer")
			})
		}
	}
}

// TestAPI: the acts of the desk by a program, each answer as described.
func TestAPI(t *testing.T) {
	h := newHouse(t)
	p := h.program("portail-rh", enroll.Scopes()...)
	card := h.card(testpki.CardSpec{FamilyName: "EXEMPLE-API", GivenName: "Lou"})
	h.browser().with(card).signIn()
	_, number, _ := strings.Cut(card.TokenID, "/")

	t.Run("people", func(t *testing.T) {
		p.t = t
		if a := p.get("/people?q=exemple-api&limit=5"); a.status != http.StatusOK || !strings.Contains(a.body, card.IdNat) {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a := p.get("/people/" + card.IdNat); a.status != http.StatusOK || !strings.Contains(a.body, number) {
			t.Errorf("%d %s", a.status, a.body)
		}
		p.get("/people/8nobody").refuses(t, http.StatusNotFound, "person-unknown")
		p.get("/people?limit=0").refuses(t, http.StatusBadRequest, "bad-request")
		p.get("/people?after=zz!").refuses(t, http.StatusBadRequest, "cursor")
	})
	t.Run("people by file", func(t *testing.T) {
		p.t = t
		a := p.get("/people/export")
		if a.status != http.StatusOK || !strings.Contains(a.body, card.IdNat) {
			t.Fatalf("%d %s", a.status, a.body)
		}
		if again := p.ask(http.MethodPost, "/people/import?dryRun=true", "text/csv", a.body); again.status != http.StatusOK || !strings.Contains(again.body, `"applied":false`) {
			t.Errorf("%d %s", again.status, again.body)
		}
		p.ask(http.MethodPost, "/people/import", "text/csv", "no;such;columns\n").refuses(t, http.StatusBadRequest, "layout")
		p.ask(http.MethodPost, "/people/import", "application/json", "{}").refuses(t, http.StatusUnsupportedMediaType, "unsupported-media-type")
		p.ask(http.MethodPost, "/people/import?dryRun=perhaps", "text/csv", a.body).refuses(t, http.StatusBadRequest, "bad-request")
		large := a.body + strings.Repeat("\n", 100_000) // more than a form may hold
		if again := p.ask(http.MethodPost, "/people/import?dryRun=true", "text/csv", large); again.status != http.StatusOK {
			t.Errorf("%d %s", again.status, again.body)
		}
	})
	t.Run("a ticket's life", func(t *testing.T) {
		p.t, h.t = t, t
		var opened struct {
			Ticket struct{ ID string }
			Code   string
		}
		a := p.post("/tickets", `{"holder":"`+card.IdNat+`"}`)
		a.decode(t, &opened)
		w := h.workstation(card)
		if a := w.enrols(opened.Code); a.status != http.StatusOK {
			t.Fatal(a.body)
		}
		if a := p.get("/tickets/" + opened.Ticket.ID); !strings.Contains(a.body, `"state":"done"`) || !strings.Contains(a.body, `"operator":"client:portail-rh"`) {
			t.Errorf("%s", a.body)
		}
		if a := p.get("/tickets?state=done&holder=" + card.IdNat); !strings.Contains(a.body, opened.Ticket.ID) {
			t.Errorf("%s", a.body)
		}
		p.get("/tickets?state=melting").refuses(t, http.StatusBadRequest, "bad-request")
		p.post("/tickets/"+opened.Ticket.ID+"/cancel", `{"reason":"x"}`).refuses(t, http.StatusConflict, "ticket-ended")
		p.post("/tickets", `{"holder":"8nobody"}`).refuses(t, http.StatusNotFound, "person-unknown")
		p.post("/tickets", `{}`).decode(t, &opened)
		if a := p.post("/tickets/"+opened.Ticket.ID+"/cancel", `{"reason":"erreur de saisie"}`); a.status != http.StatusNoContent {
			t.Errorf("%d %s", a.status, a.body)
		}
		p.get("/tickets/none").refuses(t, http.StatusNotFound, "ticket-unknown")
		if e := h.last(audit.KindTicketCancel); e.Actor != "client:portail-rh" || e.Reason != "erreur de saisie" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("cards", func(t *testing.T) {
		p.t, h.t = t, t
		p.post("/cards/"+number+"/suspend", `{"reason":" "}`).refuses(t, http.StatusBadRequest, "reason-missing")
		p.post("/cards/none/suspend", `{"reason":"x"}`).refuses(t, http.StatusBadRequest, "text")
		p.post("/cards/0000000000/suspend", `{"reason":"x"}`).refuses(t, http.StatusForbidden, "card-unknown")
		if a := p.post("/cards/"+number+"/suspend", `{"reason":"déclarée perdue au standard"}`); a.status != http.StatusNoContent {
			t.Errorf("%d %s", a.status, a.body)
		}
		p.post("/cards/"+number+"/replace", `{"reason":"x","next":"`+number+`"}`).refuses(t, http.StatusConflict, "card-state")
		if a := p.post("/cards/"+number+"/revoke", `{"reason":"cassée"}`); a.status != http.StatusNoContent {
			t.Errorf("%d %s", a.status, a.body)
		}
		if e := h.last(audit.KindCardState); e.Actor != "client:portail-rh" || e.Reason != "cassée" {
			t.Errorf("%+v", e)
		}
		if a := p.ask(http.MethodPost, "/oppositions/import", "text/csv", "a;b\n1;2\n"); a.status != http.StatusBadRequest {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("the log", func(t *testing.T) {
		p.t, h.t = t, t
		a := p.get("/audit?card=" + number + "&outcome=done&limit=2")
		var page struct {
			Items []json.RawMessage
			Next  string
		}
		a.decode(t, &page)
		if len(page.Items) != 2 || page.Next == "" {
			t.Errorf("%s", a.body)
		}
		p.get("/audit?after=" + page.Next)
		p.get("/audit?after=zz").refuses(t, http.StatusBadRequest, "bad-request")
		p.get("/audit?from=yesterday").refuses(t, http.StatusBadRequest, "bad-request")
		if a := p.get("/audit/export?kind=card.state,ticket.open"); a.status != http.StatusOK || !strings.Contains(a.body, `"previous"`) {
			t.Errorf("%d %s", a.status, a.body)
		}
		if e := h.last(audit.KindAuditExport); e.Actor != "client:portail-rh" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("figures", func(t *testing.T) {
		p.t = t
		for _, name := range []string{"cards", "progress", "logins", "expiring", "refusals"} {
			if a := p.get("/figures/" + name); a.status != http.StatusOK {
				t.Errorf("%s: %d %s", name, a.status, a.body)
			}
		}
		p.get("/figures/none").refuses(t, http.StatusNotFound, "not-found")
	})
}
