package web_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/internal/testpki"
	"cpsgate/web"
)

// TestImportsByProgram: what of a file was taken, and what not, with a refusal in
// the audit where nothing was.
func TestImportsByProgram(t *testing.T) {
	h := newHouse(t)
	card := h.card(testpki.CardSpec{})
	h.browser().with(card).signIn()
	_, number, _ := strings.Cut(card.TokenID, "/")
	p := h.program("portail-rh", enroll.ScopePeopleImport, enroll.ScopeCards)
	imports := func(t *testing.T, path, file string, status int, holds ...string) {
		t.Helper()
		p.t, h.t = t, t
		a := p.ask(http.MethodPost, path, "text/csv", file)
		if a.status != status {
			t.Errorf("%d, want %d: %s", a.status, status, a.body)
		}
		for _, text := range holds {
			if !strings.Contains(a.body, text) {
				t.Errorf("%s lacks %s", a.body, text)
			}
		}
	}
	const table = "ps_idnat;nom;profession;employeur\n"
	t.Run("people, one of whom is wrong", func(t *testing.T) {
		for _, dry := range []string{"?dryRun=true", ""} {
			imports(t, "/people/import"+dry, table+"8"+rpps(1)+";EXEMPLE;60;\nx;EXEMPLE;60;\n", http.StatusUnprocessableEntity, `"applied":false`, `"line":3`)
			if e := h.refusedFor(audit.KindPeopleImport, "rows"); e.Actor != "client:portail-rh" || !strings.Contains(e.Detail, "1 of 2 rows are wrong") {
				t.Errorf("%+v", e)
			}
		}
	})
	t.Run("people, against what a certificate said", func(t *testing.T) {
		imports(t, "/people/import", table+card.IdNat+";AUTRE;60;HOPITAL EXEMPLE\n", http.StatusOK,
			`"changed":1`, `"applied":true`, `"notes":[{"line":2,"reason":"family_name: stays \"EXEMPLE\", as the card says; the file has \"AUTRE\""}]`)
		if who, err := h.registry.Professional(t.Context(), identity.PSIdNat(card.IdNat)); err != nil || who.FamilyName != "EXEMPLE" || who.Employer != "HOPITAL EXEMPLE" {
			t.Errorf("%+v, %v", who, err)
		}
	})
	const list = "rpps;numero carte;date opposition\n"
	t.Run("oppositions, none of them understood", func(t *testing.T) {
		imports(t, "/oppositions/import", list+"1;abc;2026-01-05\n", http.StatusUnprocessableEntity, `"applied":false`, `"notUnderstood":1`)
		if e := h.refusedFor(audit.KindOppositionImport, "rows"); e.Actor != "client:portail-rh" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("oppositions, one of them not understood", func(t *testing.T) {
		imports(t, "/oppositions/import?dryRun=true", list+"1;abc;2026-01-05\n"+strings.TrimPrefix(card.IdNat, "8")+";"+number+";2026-01-05\n", http.StatusMultiStatus,
			`"applied":false`, `"notUnderstood":1`, `"suspended":1`)
		imports(t, "/oppositions/import", list+"1;abc;2026-01-05\n"+strings.TrimPrefix(card.IdNat, "8")+";"+number+";2026-01-05\n", http.StatusMultiStatus,
			`"applied":true`, `"notUnderstood":1`, `"suspended":1`, `"line":2`)
		if c, err := h.registry.Card(t.Context(), card.TokenID); err != nil || c.State != identity.CardSuspended {
			t.Errorf("%+v, %v", c, err)
		}
		if e := h.last(audit.KindOppositionImport); e.Outcome != audit.Done || !strings.Contains(e.Detail, "2 rows, 1 not understood") {
			t.Errorf("%+v", e)
		}
	})
	t.Run("people, by who may only look them up", func(t *testing.T) {
		p.t, h.t = t, t
		reader := h.program("annuaire", enroll.ScopePeople)
		reader.ask(http.MethodPost, "/people/import", "text/csv", table).refuses(t, http.StatusForbidden, "scope-missing")
		if a := reader.get("/people/export"); a.status != http.StatusOK {
			t.Errorf("%d", a.status)
		}
		h.refusedFor("api.call", "scope-missing")
		p.get("/people/export").refuses(t, http.StatusForbidden, "scope-missing")
	})
}

// TestStrangersAreRecordedOnceAMinute: whoever has no secret that is known stands
// in the audit, and cannot fill it.
func TestStrangersAreRecordedOnceAMinute(t *testing.T) {
	h := newHouse(t)
	doc := h.program("tout", enroll.ScopePeople).doc
	knock := func(path, secret string) {
		t.Helper()
		p := &program{browser: h.browser(), token: secret, doc: doc}
		p.client.Jar = nil
		r, err := http.NewRequest(http.MethodPost, mainOrigin+path, strings.NewReader("{}"))
		must(t, err)
		r.Header.Set("Content-Type", "application/json")
		if secret != "" {
			r.Header.Set("Authorization", "Bearer "+secret)
		}
		if a := p.send(r); a.status != http.StatusUnauthorized && a.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	count := func(kind, reason string) (n int) {
		for _, e := range h.events() {
			if e.Kind == kind && e.Outcome == audit.Refused && e.Reason == reason && e.Address != "" {
				n++
			}
		}
		return n
	}
	unknown := "cpsgate_" + strings.Repeat("A", 43)
	for round := range 2 {
		for range 5 {
			for _, secret := range []string{"", unknown} {
				knock("/api/v1/tickets", secret)
				knock("/enroll/step", secret)
			}
		}
		for what, n := range map[string]int{
			"a program": count("api.call", "bearer"), "a workstation without a secret": count(audit.KindTicketProve, "bearer"),
			"a workstation with another": count(audit.KindTicketProve, "sitting-unknown"),
		} {
			if n != round+1 {
				t.Errorf("round %d: %s is recorded %d times", round, what, n)
			}
		}
		h.pass(61 * time.Second)
	}
}

// halting is a ledger that can fail, as a full disk does.
type halting struct {
	audit.Ledger
	off atomic.Bool
}

var errDisk = errors.New("no space left on the disk")

func (l *halting) Append(ctx context.Context, seal func(audit.Tail) (audit.Event, error)) error {
	if l.off.Load() {
		return errDisk
	}
	return l.Ledger.Append(ctx, seal)
}

// TestRefusalsThatCannotBeRecorded are faults of ours, and told so.
func TestRefusalsThatCannotBeRecorded(t *testing.T) {
	ledger := &halting{}
	h := newHouse(t, plan{options: func(o *web.Options) {
		ledger.Ledger, _ = o.Trail.(audit.Ledger)
		o.Audit = audit.New(ledger, audit.Options{Now: o.Now})
	}})
	admin, _ := h.staff(identity.RoleAdmin)
	p := h.program("portail-rh", enroll.Scopes()...)
	ledger.off.Store(true)
	p.ask(http.MethodPost, "/people/import", "text/csv", "ps_idnat\nx\n").refuses(t, http.StatusInternalServerError, "internal")
	p.ask(http.MethodPost, "/oppositions/import", "text/csv", "rpps;numero carte;date opposition\n1;abc;\n").refuses(t, http.StatusInternalServerError, "internal")
	page := admin.settled(admin.uploads("people", "faux.csv", "RPPS;Nom\n123;EXEMPLE\n"))
	page.says(t, http.StatusOK, "L’import n’a pas abouti, par notre faute", "Non abouti")
	p.token = "cpsgate_" + strings.Repeat("A", 43)
	p.get("/people").refuses(t, http.StatusInternalServerError, "internal")
}
