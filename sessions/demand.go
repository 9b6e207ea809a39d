package sessions

import (
	"slices"
	"time"

	"cpsgate/identity"
)

// Demand is what a page or an application asks of a session beyond its being
// open: a fresh authentication, or a way of authenticating. The zero value
// asks nothing.
type Demand struct {
	// MaxAge is how long ago the holder may have proved who they are, OpenID
	// Connect's max_age; 0: any time ago. For max_age=0 use Since.
	MaxAge time.Duration
	// Since is when at the earliest they may have: prompt=login and max_age=0
	// ask for an authentication after the request came.
	Since time.Time
	// Methods that will do; nil: any.
	Methods []identity.Method
	// Proofs that will do for a passkey; nil: any. A session opened by
	// certificate needs none.
	Proofs []identity.ProofKind
}

// Met tells whether a session, which is open, is good enough at now. Where it
// is not, the same person authenticates again, by one of the Methods.
func (d Demand) Met(s Session, now time.Time) bool {
	if d.MaxAge > 0 && now.Sub(s.AuthenticatedAt) > d.MaxAge || s.AuthenticatedAt.Before(d.Since) {
		return false
	}
	if d.Methods != nil && !slices.Contains(d.Methods, s.Method) {
		return false
	}
	return s.Method == identity.MethodCPS || d.Proofs == nil || slices.Contains(d.Proofs, s.Proof)
}
