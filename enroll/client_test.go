package enroll_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"cpsgate/enroll"
)

func TestClients(t *testing.T) {
	d := staffed(t)
	c, token, err := d.AddClient(t.Context(), d.by(admin), "hr-sync", []enroll.Scope{enroll.ScopeTickets}, 24*time.Hour)
	if err != nil || !strings.HasPrefix(token, "cpsgate_") || len(token) < 50 || strings.Contains(c.TokenHash, token) {
		t.Fatalf("%+v, %q, %v", c, token, err)
	}
	act := enroll.Act{Client: "hr-sync"}
	found, err := d.ClientOf(t.Context(), token)
	if err != nil || found.Name != "hr-sync" || !found.LastUsedAt.Equal(noon) {
		t.Errorf("%+v, %v", found, err)
	}
	ticket, _, err := d.OpenTicket(t.Context(), act, alice)
	if err != nil || ticket.Operator != "client:hr-sync" {
		t.Errorf("%+v, %v", ticket, err)
	}
	wantRefusal(t, d.Suspend(t.Context(), act, cardA), enroll.ReasonScopeMissing)
	_, err = d.Grant(t.Context(), act, alice, "admin")
	wantRefusal(t, err, enroll.ReasonScopeMissing)
	_, err = d.AllowReset(t.Context(), act, ticket.ID)
	wantRefusal(t, err, enroll.ReasonScopeMissing)
	_, _, err = d.AddClient(t.Context(), d.by(admin), "hr-sync", []enroll.Scope{enroll.ScopeTickets}, 0)
	wantRefusal(t, err, enroll.ReasonClientExists)

	d.pass(24 * time.Hour)
	_, err = d.ClientOf(t.Context(), token)
	wantRefusal(t, err, enroll.ReasonClientUnknown)
	_, _, err = d.OpenTicket(t.Context(), act, alice)
	wantRefusal(t, err, enroll.ReasonClientUnknown)
	if err := d.store.Close(); err != nil {
		t.Fatal(err)
	}
	if file, err := os.ReadFile(d.path); err != nil || strings.Contains(string(file), token) {
		t.Errorf("the token stands in the database, %v", err)
	}
}

func TestARevokedClientIsNone(t *testing.T) {
	d := staffed(t)
	_, token, err := d.AddClient(t.Context(), d.by(admin), "hr", enroll.Scopes(), 0)
	if err != nil {
		t.Fatal(err)
	}
	d.pass(100 * 365 * 24 * time.Hour)
	if _, err := d.ClientOf(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, d.RevokeClient(t.Context(), d.by(operator), "hr"), enroll.ReasonRoleMissing)
	wantRefusal(t, d.RevokeClient(t.Context(), d.by(admin), "none"), enroll.ReasonClientUnknown)
	before := len(d.events(t))
	for range 2 {
		wantRefusal(t, d.RevokeClient(t.Context(), d.by(admin), "hr"), "")
	}
	if n := len(d.events(t)) - before; n != 1 {
		t.Errorf("%d events", n)
	}
	_, err = d.ClientOf(t.Context(), token)
	wantRefusal(t, err, enroll.ReasonClientUnknown)
	list, err := d.Clients(t.Context())
	if err != nil || len(list) != 1 || list[0].RevokedBy != admin {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestClientsThatAreNone(t *testing.T) {
	d := staffed(t)
	stale := d.by(admin)
	stale.AuthenticatedAt = noon.Add(-time.Hour)
	for name, tt := range map[string]struct {
		act    enroll.Act
		name   string
		scopes []enroll.Scope
		want   enroll.Reason
	}{
		"a good one":       {d.by(admin), "hr-2", []enroll.Scope{enroll.ScopeAudit}, ""},
		"by an operator":   {d.by(operator), "hr", []enroll.Scope{enroll.ScopeAudit}, enroll.ReasonRoleMissing},
		"a PIN of an hour": {stale, "hr", []enroll.Scope{enroll.ScopeAudit}, enroll.ReasonAuthenticationStale},
		"no name":          {d.by(admin), "", []enroll.Scope{enroll.ScopeAudit}, enroll.ReasonText},
		"a name in words":  {d.by(admin), "HR sync", []enroll.Scope{enroll.ScopeAudit}, enroll.ReasonText},
		"no scope":         {d.by(admin), "hr", nil, enroll.ReasonScopeMissing},
		"a scope of ours":  {d.by(admin), "hr", []enroll.Scope{"everything"}, enroll.ReasonScopeMissing},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := d.AddClient(t.Context(), tt.act, tt.name, tt.scopes, 0)
			wantRefusal(t, err, tt.want)
		})
	}
	for _, token := range []string{"", "cpsgate_", "cpsgate_AAAA", strings.Repeat("x", 1<<16)} {
		_, err := d.ClientOf(t.Context(), token)
		wantRefusal(t, err, enroll.ReasonClientUnknown)
	}
}
