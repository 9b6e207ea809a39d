package enroll

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
)

// Act says who does something at the desk, how surely, and why. Exactly one of
// By, Client and Console names who; an act of nobody is refused.
type Act struct {
	By              identity.PSIdNat // the person whose session it is
	AuthenticatedAt time.Time        // of that session: the last proof by PIN
	Client          string           // the name of a machine client
	Console         bool             // the command line, on the server's own machine
	Reason          string           // in the person's words, for the audit
}

// Actor is how the act's doer stands in records and in the audit: a PS_IdNat,
// "client:<name>" or "console". A PS_IdNat begins with a digit.
func (a Act) Actor() identity.PSIdNat {
	switch {
	case a.Console:
		return "console"
	case a.Client != "":
		return identity.PSIdNat(clientPrefix + a.Client)
	}
	return a.By
}

const clientPrefix = "client:"

// actOf is the act of a doer as records have it, a person's or a client's.
func actOf(doer identity.PSIdNat) Act {
	if name, is := strings.CutPrefix(string(doer), clientPrefix); is {
		return Act{Client: name}
	}
	return Act{By: doer}
}

// maxReason bounds the reason that a person gives, in bytes.
const maxReason = 512

func (a Act) check() error {
	named := 0
	for _, is := range []bool{a.By != "", a.Client != "", a.Console} {
		if is {
			named++
		}
	}
	if named != 1 {
		return errors.New("an act needs one doer: a person, a client or the console")
	}
	if reserved(a.Reason) {
		return &Refusal{Reason: ReasonReserved, Detail: a.Reason}
	}
	if len(a.Reason) > maxReason {
		return &Refusal{Reason: ReasonText, Detail: fmt.Sprintf("a reason of %d bytes; %d at most", len(a.Reason), maxReason)}
	}
	return nil
}

// reserved tells a reason that only cpsgate itself gives: records are brought back
// by it, or proposed to be, so that nobody may say it of an act of theirs.
func reserved(reason string) bool {
	reason = strings.ToLower(strings.TrimSpace(reason))
	return slices.Contains([]string{
		ReasonCertificateRevoked, ReasonOpposed, ReasonReplaced, ReasonKept, ReasonFollowsCard, ReasonSignCount, reasonRemoved,
	}, reason) || strings.HasPrefix(reason, reasonEnrolment)
}

// Scope is what a machine client may do.
type Scope string

// The scopes.
const (
	ScopePeople       Scope = "people"        // search, export
	ScopePeopleImport Scope = "people-import" // add and change people by file
	ScopeTickets      Scope = "tickets"       // open, cancel, list
	ScopeVouch        Scope = "vouch"         // ask that a ticket do without the card's certificate
	ScopeReset        Scope = "reset"         // ask that a ticket's applet be emptied
	ScopeCards        Scope = "cards"         // suspend, revoke, replace; import of oppositions
	ScopeReactivate   Scope = "reactivate"    // ask that a suspended card come back
	ScopePasskeys     Scope = "passkeys"      // suspend
	ScopeRoles        Scope = "roles"         // ask that somebody get a role; withdraw
	ScopeApprovals    Scope = "approvals"     // follow and decline requests; approve where Policy.ProgramsApprove
	ScopeAudit        Scope = "audit"         // search, export
	ScopeStatistics   Scope = "statistics"    // figures
)

// Scopes lists all of them.
func Scopes() []Scope {
	return []Scope{
		ScopePeople, ScopePeopleImport, ScopeTickets, ScopeVouch, ScopeReset, ScopeCards, ScopeReactivate, ScopePasskeys, ScopeRoles, ScopeApprovals,
		ScopeAudit, ScopeStatistics,
	}
}

// right is what an act needs: one of the roles, or for a client the scope.
type right struct {
	roles []identity.Role
	scope Scope // "": no client may
	fresh bool  // the person's PIN was proved lately (Policy.Fresh)
}

var (
	rightTickets  = right{roles: []identity.Role{identity.RoleOperator}, scope: ScopeTickets}
	rightCards    = right{roles: []identity.Role{identity.RoleOperator, identity.RoleAdmin}, scope: ScopeCards}
	rightPasskeys = right{roles: []identity.Role{identity.RoleOperator, identity.RoleAdmin}, scope: ScopePasskeys}
	rightSessions = right{roles: []identity.Role{identity.RoleOperator, identity.RoleAdmin}}
	rightVouch    = right{roles: []identity.Role{identity.RoleOperator}, scope: ScopeVouch}
	rightReset    = right{roles: []identity.Role{identity.RoleOperator}, scope: ScopeReset}
	rightReturn   = right{roles: []identity.Role{identity.RoleOperator, identity.RoleAdmin}, scope: ScopeReactivate}
	rightApprove  = right{roles: []identity.Role{identity.RoleApprover}, scope: ScopeApprovals, fresh: true}
	rightDecline  = right{roles: []identity.Role{identity.RoleApprover, identity.RoleOperator, identity.RoleAdmin}, scope: ScopeApprovals}
	rightGrant    = right{roles: []identity.Role{identity.RoleAdmin}, scope: ScopeRoles, fresh: true}
	rightClients  = right{roles: []identity.Role{identity.RoleAdmin}, fresh: true}
	rightPeople   = right{roles: []identity.Role{identity.RoleAdmin}, scope: ScopePeople}
	rightImport   = right{roles: []identity.Role{identity.RoleAdmin}, scope: ScopePeopleImport}
	rightOpposed  = right{roles: []identity.Role{identity.RoleAdmin, identity.RoleOperator}, scope: ScopeCards}
)

// may refuses an act that its doer has no right to. Roles are read in the
// transaction of the act, so that one withdrawn a moment ago does not serve.
func (r *Registry) may(ctx context.Context, u Reader, act Act, need right) error {
	if err := act.check(); err != nil {
		return err
	}
	switch {
	case act.Console:
		return nil
	case act.Client != "":
		return r.clientMay(ctx, u, act.Client, need)
	}
	p, err := u.Professional(ctx, act.By)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err != nil || !slices.ContainsFunc(need.roles, p.HasRole) {
		return &Refusal{Reason: ReasonRoleMissing, Holder: act.By, Detail: fmt.Sprintf("needs one of %v", need.roles)}
	}
	if age := r.o.Now().Sub(act.AuthenticatedAt); need.fresh && age > r.o.Policy.Fresh {
		return &Refusal{Reason: ReasonAuthenticationStale, Holder: act.By, Detail: fmt.Sprintf("the last PIN is %s old", age.Round(time.Second))}
	}
	return nil
}

func (r *Registry) clientMay(ctx context.Context, u Reader, name string, need right) error {
	c, err := u.Client(ctx, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err != nil || !c.Good(r.o.Now()) {
		return &Refusal{Reason: ReasonClientUnknown, Detail: name}
	}
	if need.scope == "" || !slices.Contains(c.Scopes, need.scope) {
		return &Refusal{Reason: ReasonScopeMissing, Detail: fmt.Sprintf("%s needs %q", name, need.scope)}
	}
	return nil
}

// event begins the audit event of an act.
func (r *Registry) event(act Act, kind string) *audit.Event {
	return &audit.Event{Kind: kind, Outcome: audit.Done, Reason: act.Reason, At: r.o.Now(), Actor: act.Actor()}
}

// record keeps an event with what it tells of. One that names nobody is cpsgate's
// own, or a workstation's: whoever is signed in where it was found did not do it.
func (r *Registry) record(ctx context.Context, u Unit, e *audit.Event) error {
	if e.Actor == "" {
		ctx = audit.WithoutActor(ctx)
	}
	return r.o.Audit.RecordIn(ctx, u, e)
}
