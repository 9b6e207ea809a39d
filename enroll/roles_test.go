package enroll_test

import (
	"slices"
	"testing"
	"time"

	"cpsgate/enroll"
	"cpsgate/identity"
)

func TestRoles(t *testing.T) {
	newcomer := identity.PSIdNat("8" + rpps(105))
	d := staffed(t, enroll.Policy{Grant: enroll.Alone})
	stale := d.by(admin)
	stale.AuthenticatedAt = noon.Add(-time.Hour)
	grant := func(act enroll.Act, who identity.PSIdNat, role identity.Role) error {
		_, err := d.Grant(t.Context(), act, who, role)
		return err
	}
	wantRefusal(t, grant(d.by(admin), alice, identity.RoleOperator), "")
	wantRefusal(t, grant(d.by(admin), alice, identity.RoleOperator), "") // twice is once
	if p, _ := d.Professional(t.Context(), alice); !slices.Equal(p.Roles, []identity.Role{identity.RoleOperator}) {
		t.Errorf("roles %v", p.Roles)
	}
	wantRefusal(t, grant(d.by(operator), alice, identity.RoleAdmin), enroll.ReasonRoleMissing)
	wantRefusal(t, grant(stale, alice, identity.RoleAdmin), enroll.ReasonAuthenticationStale)
	wantRefusal(t, grant(d.by(admin), carol, identity.RoleAdmin), enroll.ReasonPersonUnknown)
	wantRefusal(t, grant(d.by(admin), alice, "king"), enroll.ReasonRoleUnknown)
	if err := grant(console, "812345678901", identity.RoleAdmin); err == nil {
		t.Error("granted to an RPPS whose key is wrong")
	}
	wantRefusal(t, d.Withdraw(t.Context(), d.by(admin), admin, identity.RoleAdmin), enroll.ReasonLastAdmin)
	wantRefusal(t, d.Withdraw(t.Context(), d.by(admin), carol, identity.RoleAdmin), enroll.ReasonPersonUnknown)
	wantRefusal(t, d.Withdraw(t.Context(), d.by(admin), alice, "king"), enroll.ReasonRoleUnknown)
	wantRefusal(t, d.Withdraw(t.Context(), d.by(admin), alice, identity.RoleOperator), "")
	before := len(d.events(t))
	wantRefusal(t, d.Withdraw(t.Context(), d.by(admin), alice, identity.RoleOperator), "") // none left to take
	wantRefusal(t, grant(console, newcomer, identity.RoleAdmin), "")                       // the first administrator
	wantRefusal(t, d.Withdraw(t.Context(), d.by(newcomer), admin, identity.RoleAdmin), "")
	wantRefusal(t, d.Withdraw(t.Context(), console, newcomer, identity.RoleAdmin), "")
	events := d.events(t)[before:]
	if len(events) != 4 || events[0].Detail != "operator, not held" || events[1].Actor != "console" || events[1].Subject != newcomer || events[1].Detail != "admin" {
		t.Errorf("%+v", events)
	}
	staff, err := d.Staff(t.Context())
	if err != nil || len(staff) != 3 {
		t.Errorf("%d hold a role, %v", len(staff), err)
	}
}
