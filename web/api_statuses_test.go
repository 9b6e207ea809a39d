package web_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/softkey"
	"cpsgate/internal/testpki"
	"cpsgate/web"
)

// each runs a test for every operation of the document.
func (p *program) each(t *testing.T, test func(t *testing.T, method, path string, op operation)) {
	t.Helper()
	for _, path := range slices.Sorted(maps.Keys(p.doc.Paths)) {
		for method, op := range p.doc.Paths[path] {
			t.Run(op.OperationID, func(t *testing.T) {
				p.t, p.h.t = t, t
				test(t, strings.ToUpper(method), nobody.Replace(path), op)
			})
		}
	}
}

// nobody fills in what is well formed and names nothing here.
var nobody = strings.NewReplacer("{id}", "899700000013", "{card}", "2600000001", "{name}", "cards")

// sample is a body as the operation describes one.
func (op operation) sample() (contentType, body string) {
	for contentType, of := range op.RequestBody.Content {
		if text, is := of.Example.(string); is {
			return contentType, text
		}
		text, _ := json.Marshal(of.Example)
		return contentType, string(text)
	}
	return "", ""
}

// TestOpenAPIStatuses gives every status of every operation that the document
// names at least once; program.judge sees to it that no other is given.
func TestOpenAPIStatuses(t *testing.T) {
	h := newHouse(t, plan{policy: enroll.Policy{ProgramsApprove: true}})
	p := h.program("tout", enroll.Scopes()...)
	none := h.program("rien", enroll.ScopeStatistics)
	some := h.program("presque", slices.DeleteFunc(enroll.Scopes(), func(s enroll.Scope) bool { return s == enroll.ScopeStatistics })...)
	t.Run("strangers", func(t *testing.T) {
		p.each(t, func(t *testing.T, method, path string, op operation) {
			contentType, body := op.sample()
			if op.Scope != "" {
				r := p.request(method, path, contentType, body)
				r.Header.Set("Authorization", "Bearer cpsgate_"+strings.Repeat("A", 43))
				p.sends(r, contentType, body).refuses(t, http.StatusUnauthorized, "bearer")

				without := none
				if op.Scope == string(enroll.ScopeStatistics) {
					without = some
				}
				r.Header.Set("Authorization", "Bearer "+without.token)
				r.Body, _ = r.GetBody()
				p.sends(r, contentType, body).refuses(t, http.StatusForbidden, "scope-missing")
			}
			r := p.request(method, path, contentType, body)
			r.Host = "other.hopital.test"
			p.sends(r, contentType, body).refuses(t, http.StatusMisdirectedRequest, "misdirected")
			p.tooLarge(method, path, contentType).refuses(t, http.StatusRequestEntityTooLarge, "too-large")
		})
	})
	t.Run("bodies", func(t *testing.T) { p.each(t, p.bodies) })
	t.Run("parameters", func(t *testing.T) { p.each(t, p.parameters) })
	t.Run("acts", func(t *testing.T) { p.acts(t, h) })
	t.Run("haste", func(t *testing.T) {
		hasty := newHouse(t, plan{options: func(o *web.Options) { o.Limits.RequestsPerMinute = 1 }})
		again := &program{browser: hasty.browser(), doc: p.doc}
		again.get("/openapi.json")
		again.each(t, func(t *testing.T, method, path string, op operation) {
			contentType, body := op.sample()
			a := again.ask(method, path, contentType, body)
			a.refuses(t, http.StatusTooManyRequests, "too-many-attempts")
			if a.header.Get("Retry-After") == "" {
				t.Error("without Retry-After")
			}
		})
	})
	t.Run("a store that is away", func(t *testing.T) {
		must(t, h.store.Close())
		p.each(t, func(t *testing.T, method, path string, op operation) {
			if contentType, body := op.sample(); op.Scope != "" {
				p.ask(method, path, contentType, body).refuses(t, http.StatusInternalServerError, "internal")
			}
		})
	})
	p.each(t, func(t *testing.T, _, _ string, op operation) {
		for status := range op.Responses {
			if !p.doc.given[op.OperationID][status] {
				t.Errorf("%s is described, and nothing gives it", status)
			}
		}
	})
}

// audited wants an act's refusal in the audit, under the number that was told.
func (p *program) audited(a answer) {
	p.t.Helper()
	var told struct{ Reason, Event string }
	a.decode(p.t, &told)
	for _, e := range slices.Backward(p.h.events()) {
		if e.ID == told.Event {
			if e.Outcome != audit.Refused || e.Reason != told.Reason || e.Actor != "client:tout" {
				p.t.Errorf("%+v", e)
			}
			return
		}
	}
	p.t.Errorf("%s is in no event", a.body)
}

// tooLarge announces a body of two gigabytes and reads the answer; nothing of it
// is sent.
func (p *program) tooLarge(method, path, contentType string) answer {
	p.t.Helper()
	connection, err := tls.Dial("tcp", p.h.mainAddr, &tls.Config{RootCAs: p.h.roots(), ServerName: "sso.hopital.test"})
	must(p.t, err)
	defer connection.Close()
	fmt.Fprintf(connection, "%s /api/v1%s HTTP/1.1\r\nHost: sso.hopital.test\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\nConnection: close\r\n\r\n",
		method, path, p.token, contentType, 2<<30)
	r := p.request(method, path, contentType, "")
	response, err := http.ReadResponse(bufio.NewReader(connection), r)
	must(p.t, err)
	a := answer{response.StatusCode, response.Header, read(p.t, response.Body), r.URL}
	p.judge(r, contentType, "", a)
	return a
}

// call is one that gives a status.
type call struct {
	status int
	method string
	path   string
	body   string
}

// acts goes through what needs people, cards and tickets.
func (p *program) acts(t *testing.T, h *house) {
	p.t, h.t = t, t
	const get, post = http.MethodGet, http.MethodPost
	card := h.card(testpki.CardSpec{FamilyName: "EXEMPLE-API", GivenName: "Lou", Profession: 60})
	b := h.browser().with(card)
	b.signIn()
	key := softkey.New(softkey.Options{Attestation: softkey.Self, Transports: []string{"smart-card"}})
	b.enrol(key, "Ma carte")
	next := h.card(testpki.CardSpec{IdNat: card.IdNat, FamilyName: "EXEMPLE-API", GivenName: "Lou", Profession: 60})
	h.browser().with(next).signIn()
	_, admin := h.staff(identity.RoleAdmin) // the last one
	_, operator := h.staff(identity.RoleOperator)
	person, number, nextNumber := "/people/"+card.IdNat, printed(card), printed(next)
	act := enroll.Act{By: operator, AuthenticatedAt: h.now(), Reason: "test"}
	must(t, h.registry.Suspend(t.Context(), act, next.TokenID))
	back, err := h.registry.Reactivate(t.Context(), act, next.TokenID)
	must(t, err)
	toApprove := "/approvals/" + back.ID
	asked, err := h.registry.Grant(t.Context(), enroll.Act{By: admin, AuthenticatedAt: h.now(), Reason: "test"}, identity.PSIdNat(card.IdNat), identity.RoleApprover)
	if err != nil || asked == nil {
		t.Fatalf("%+v, %v", asked, err)
	}
	open, _ := h.ticket("")
	waiting, _ := h.ticket("")
	sat, code := h.ticket(card.IdNat)
	h.workstation(card).claims(code)
	because := `{"reason":"essai"}`
	for _, c := range []call{
		{200, get, "/people?q=exemple-api", ""}, {200, get, person, ""}, {404, get, "/people/8nobody", ""}, {200, get, "/people/export", ""},
		{201, post, "/tickets", `{}`}, {404, post, "/tickets", `{"holder":"8nobody"}`},
		{200, get, "/tickets/" + open, ""}, {404, get, "/tickets/none", ""},
		{204, post, "/tickets/" + open + "/cancel", `{}`}, {409, post, "/tickets/" + open + "/cancel", `{}`}, {404, post, "/tickets/none/cancel", `{}`},
		{409, post, "/tickets/" + waiting + "/reset", because}, {404, post, "/tickets/none/reset", because}, {202, post, "/tickets/" + sat + "/reset", because},
		{409, post, "/tickets/" + open + "/vouch", because}, {404, post, "/tickets/none/vouch", because},
		{403, post, "/tickets/" + sat + "/vouch", `{"reason":"essai","card":"0000000000"}`},
		{202, post, "/tickets/" + sat + "/vouch", `{"reason":"essai","card":"` + number + `"}`},

		{204, post, person + "/passkeys/suspend", `{"id":"` + idText(key.Credentials()[0]) + `","reason":"perdue"}`},
		{403, post, person + "/passkeys/suspend", `{"id":"AAAA","reason":"perdue"}`}, {404, post, "/people/8nobody/passkeys/suspend", `{"id":"AAAA","reason":"perdue"}`},
		{202, post, person + "/roles/grant", `{"role":"operator"}`}, {404, post, "/people/8nobody/roles/grant", `{"role":"operator"}`},
		{409, post, person + "/roles/grant", `{"role":"approver"}`},
		{204, post, person + "/roles/withdraw", `{"role":"operator"}`}, {403, post, "/people/" + string(admin) + "/roles/withdraw", `{"role":"admin"}`}, {404, post, "/people/8nobody/roles/withdraw", `{"role":"operator"}`},

		{200, get, toApprove, ""}, {404, get, "/approvals/none", ""},
		{200, post, toApprove + "/approve", `{}`}, {409, post, toApprove + "/approve", because}, {404, post, "/approvals/none/approve", because},
		{409, post, toApprove + "/decline", because}, {404, post, "/approvals/none/decline", because},

		{409, post, "/cards/" + number + "/reactivate", because}, {403, post, "/cards/0000000000/reactivate", because},
		{204, post, "/cards/" + number + "/suspend", because}, {202, post, "/cards/" + number + "/reactivate", because},
		{409, post, "/cards/" + number + "/replace", `{"reason":"x","next":"` + number + `"}`},
		{204, post, "/cards/" + number + "/replace", `{"reason":"x","next":"` + nextNumber + `"}`},
		{409, post, "/cards/" + number + "/suspend", because}, {204, post, "/cards/" + nextNumber + "/revoke", because},

		{200, get, "/audit/export", ""}, {200, get, "/figures/cards", ""}, {404, get, "/figures/none", ""}, {200, get, "/openapi.json", ""},
		{422, post, "/people/import", "ps_idnat,family_name\nno number,EXEMPLE\n"}, {400, post, "/people/import", "no;such;columns\n"},
		{422, post, "/oppositions/import", "Numéro carte|Identifiant PP|Date opposition\nletters||\n"},
		{207, post, "/oppositions/import", "Numéro carte|Identifiant PP|Date opposition\nletters||\n1234567890||\n"}, {400, post, "/oppositions/import", "a;b\n1;2\n"},
	} {
		contentType := map[string]string{get: "", post: "application/json"}[c.method]
		if strings.HasSuffix(c.path, "/import") {
			contentType = "text/csv"
		}
		if a := p.ask(c.method, c.path, contentType, c.body); a.status != c.status {
			t.Errorf("%s %s %s: %d, want %d\n%s", c.method, c.path, c.body, a.status, c.status, a.body)
		} else if c.method == post && a.status >= 400 && a.status != 422 {
			p.audited(a)
		}
	}
	var request struct{ ID string }
	p.post(person+"/roles/grant", `{"role":"auditor"}`).decode(t, &request)
	if a := p.post("/approvals/"+request.ID+"/decline", `{}`); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func printed(card *testpki.Card) string {
	_, number, _ := strings.Cut(card.TokenID, "/")
	return number
}
