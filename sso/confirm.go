package sso

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"cpsgate/sessions"
)

// ConfirmPolicy is when a person who is signed in already is asked whether it
// is they, before an application is entered.
type ConfirmPolicy string

// The policies.
const (
	ConfirmNever  ConfirmPolicy = "never"
	ConfirmShared ConfirmPolicy = "shared" // on workstations that several people use: all, unless named otherwise
	ConfirmAlways ConfirmPolicy = "always"
)

// DefaultConfirmAfter is long enough to open, one after the other, what a
// morning's work begins with.
const DefaultConfirmAfter = 2 * time.Minute

// Confirmation is the rule of "signed in as … with …: is it you?". Its zero
// value asks wherever nothing else is known.
type Confirmation struct {
	Policy ConfirmPolicy // "" = ConfirmShared
	// Personal are the workstations that one person alone uses, for ConfirmShared.
	Personal []string
	// After is how long nobody is asked who has proved who they are; 0 =
	// DefaultConfirmAfter.
	After time.Duration
}

func (c Confirmation) check() error {
	if policy := cmp.Or(c.Policy, ConfirmShared); !slices.Contains([]ConfirmPolicy{ConfirmNever, ConfirmShared, ConfirmAlways}, policy) {
		return fmt.Errorf("confirm: %q is not known", policy)
	}
	return nil
}

// Asks tells whether somebody else may sit there now than the session's holder.
// A workstation of which nothing is known is one that several people use.
func (c Confirmation) Asks(s sessions.Session, now time.Time) bool {
	if c.Policy == ConfirmNever || now.Sub(s.AuthenticatedAt) < cmp.Or(c.After, DefaultConfirmAfter) {
		return false
	}
	return c.Policy == ConfirmAlways || s.Workstation == "" || !slices.Contains(c.Personal, s.Workstation)
}
