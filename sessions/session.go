package sessions

import (
	"errors"
	"slices"
	"strings"
	"time"

	"cpsgate/identity"
)

// Errors of sessions. Callers compare with errors.Is.
var (
	ErrNoSession = errors.New("no such session")
	ErrExpired   = errors.New("session expired")
	ErrLocked    = errors.New("session locked")
	ErrFull      = errors.New("no room for another session")
	ErrHolder    = errors.New("a session stays with its holder")
)

// State is where a session stands: active → locked → ended. An ended session
// is not kept; StateEnded is what the End methods' callers record.
type State string

// The session states.
const (
	StateActive State = "active"
	StateLocked State = "locked"
	StateEnded  State = "ended"
)

// Session is one person's signing-in on one browser.
type Session struct {
	ID     string // public handle: random, not derived from the token, kept by Rotate
	Holder identity.PSIdNat
	Method identity.Method
	State  State

	CardTokenID string // the card that opened it; for a passkey, the card it stands on
	PasskeyID   []byte // fido2: the credential id

	// Proof is who vouched for the passkey; empty for a session opened by
	// certificate, which vouches for itself.
	Proof identity.ProofKind

	CreatedAt       time.Time
	AuthenticatedAt time.Time // of the last proof by PIN
	LastSeenAt      time.Time
	IdleUntil       time.Time // moves with LastSeenAt
	ExpiresAt       time.Time // absolute

	Address     string
	UserAgent   string
	Workstation string
}

// expired tells whether the session's time is over at now.
func (s *Session) expired(now time.Time) bool {
	return !now.Before(s.IdleUntil) || !now.Before(s.ExpiresAt)
}

// seen slides the idle end, never past the absolute one.
func (s *Session) seen(now time.Time, idle time.Duration) {
	s.LastSeenAt = now
	s.IdleUntil = now.Add(idle)
	if s.IdleUntil.After(s.ExpiresAt) {
		s.IdleUntil = s.ExpiresAt
	}
}

// within shortens the session to limits; it never makes it longer.
func (s *Session) within(limits Limits) {
	s.ExpiresAt = earliest(s.ExpiresAt, s.CreatedAt.Add(limits.Absolute))
	s.IdleUntil = earliest(s.IdleUntil, s.LastSeenAt.Add(limits.Idle), s.ExpiresAt)
}

func earliest(times ...time.Time) time.Time { return slices.MinFunc(times, time.Time.Compare) }

// clone is a copy that shares nothing.
func (s *Session) clone() Session {
	c := *s
	c.PasskeyID = slices.Clone(s.PasskeyID)
	return c
}

// maxText bounds what a browser says of itself.
const maxText = 256

func (s *Session) bound() {
	for _, text := range []*string{&s.Address, &s.UserAgent, &s.Workstation} {
		if len(*text) > maxText {
			*text = strings.ToValidUTF8((*text)[:maxText], "")
		}
	}
}
