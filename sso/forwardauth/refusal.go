package forwardauth

import "cpsgate/identity"

// Reason is why a request does not go on.
type Reason string

// The reasons. Those that Helps says yes to end at the sign-on host's pages.
const (
	ReasonNotSignedIn Reason = "not-signed-in" // no cookie, or its session is over
	ReasonLocked      Reason = "locked"        // the session waits for its card or passkey
	ReasonCookie      Reason = "cookie"        // not made by us, or for another host
	ReasonDemand      Reason = "demand"        // signed in too long ago, or in another way than the rule asks
	ReasonRole        Reason = "role"          // without the role or the profession that the rule asks
	ReasonPerson      Reason = "person"        // no longer known here
	ReasonNoRule      Reason = "no-rule"       // no rule of the application covers the path
	ReasonPath        Reason = "path"          // can be read in several ways
	ReasonHost        Reason = "host"          // no application of ours
	ReasonScheme      Reason = "scheme"        // not by https
	ReasonReturn      Reason = "return"        // no address of an application of ours
	ReasonState       Reason = "state"         // this browser began nothing, or something else
	ReasonCode        Reason = "code"          // made up, used, too old, or another host's
)

// Refusal is a decision against a request.
type Refusal struct {
	Reason Reason
	// Whose session it is, where there is one.
	Holder  identity.PSIdNat
	Session string // its handle
	Detail  string // for operators; no secret
}

func (r *Refusal) Error() string {
	if r.Detail == "" {
		return string(r.Reason)
	}
	return string(r.Reason) + ": " + r.Detail
}

// SignIn tells whether signing in, or in again, is what helps.
func (r *Refusal) SignIn() bool {
	switch r.Reason {
	case ReasonNotSignedIn, ReasonLocked, ReasonCookie, ReasonDemand:
		return true
	}
	return false
}

// Explained tells whether the sign-on host has a page that says why: then the
// answer carries the way there.
func (r *Refusal) Explained() bool {
	return r.SignIn() || r.Reason == ReasonRole || r.Reason == ReasonPerson || r.Reason == ReasonNoRule
}

// Reasons lists all of them.
func Reasons() []Reason {
	return []Reason{
		ReasonNotSignedIn, ReasonLocked, ReasonCookie, ReasonDemand, ReasonRole, ReasonPerson, ReasonNoRule,
		ReasonPath, ReasonHost, ReasonScheme, ReasonReturn, ReasonState, ReasonCode,
	}
}
