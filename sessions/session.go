package sessions

import (
	"bytes"
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

	// ErrAway: Redis does not answer as it should, so that nothing is known of
	// a session. Nobody is let in on it, and nobody is told to be signed out.
	ErrAway = errors.New("sessions cannot be looked up for now")
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

// Session is one person's signing-in on one browser. Its times are in UTC, to
// the millisecond.
type Session struct {
	ID     string // public handle: random, not derived from the token, kept by Rotate
	Holder identity.PSIdNat
	Method identity.Method
	State  State

	CardTokenID string // the card that opened it; for a passkey, the card it stands on
	PasskeyID   []byte // fido2: the credential id
	InCard      bool   // fido2: the passkey lives in a card, not in a security key

	// Proof is who vouched for the passkey; empty for a session opened by
	// certificate, which vouches for itself.
	Proof identity.ProofKind

	CreatedAt       time.Time
	AuthenticatedAt time.Time // of the last proof by PIN
	LastSeenAt      time.Time
	IdleUntil       time.Time // moves with LastSeenAt
	ExpiresAt       time.Time // absolute

	Address     string
	Workstation string
}

// ByCard tells whether a card opened the session: by its certificate, or by a passkey
// that lives in it. A passkey of the same card's proof does, also where a record
// that was kept before InCard does not say so.
func (s *Session) ByCard() bool {
	return s.Method == identity.MethodCPS || s.InCard || s.Proof == identity.ProofSameCard
}

// expired tells whether the session's time is over at now.
func (s *Session) expired(now time.Time) bool {
	return !now.Before(s.IdleUntil) || !now.Before(s.ExpiresAt)
}

// seen slides the idle end, never past the absolute one.
func (s *Session) seen(now time.Time, idle time.Duration) {
	s.LastSeenAt = stamp(now)
	s.IdleUntil = earliest(s.LastSeenAt.Add(idle), s.ExpiresAt)
}

// within shortens the session to limits; it never makes it longer.
func (s *Session) within(limits Limits) {
	s.ExpiresAt = earliest(s.ExpiresAt, s.CreatedAt.Add(limits.Absolute))
	s.IdleUntil = earliest(s.IdleUntil, s.LastSeenAt.Add(limits.Idle), s.ExpiresAt)
}

func earliest(times ...time.Time) time.Time { return slices.MinFunc(times, time.Time.Compare) }

// stamp is a time as sessions keep it.
func stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Millisecond) }

// clone is a copy that shares nothing.
func (s *Session) clone() Session {
	c := *s
	c.PasskeyID = slices.Clone(s.PasskeyID)
	return c
}

// equal tells whether nothing differs.
func (s *Session) equal(other *Session) bool {
	a, b := *s, *other
	if !bytes.Equal(a.PasskeyID, b.PasskeyID) {
		return false
	}
	a.PasskeyID, b.PasskeyID = nil, nil
	return a.ID == b.ID && a.Holder == b.Holder && a.Method == b.Method && a.State == b.State &&
		a.CardTokenID == b.CardTokenID && a.InCard == b.InCard && a.Proof == b.Proof && a.Address == b.Address && a.Workstation == b.Workstation &&
		a.CreatedAt.Equal(b.CreatedAt) && a.AuthenticatedAt.Equal(b.AuthenticatedAt) && a.LastSeenAt.Equal(b.LastSeenAt) &&
		a.IdleUntil.Equal(b.IdleUntil) && a.ExpiresAt.Equal(b.ExpiresAt)
}

// maxText bounds what is kept of a connection.
const maxText = 256

// bound cuts texts to what is kept of them, and times to what is kept of those.
func (s *Session) bound() {
	for _, text := range []*string{&s.Address, &s.Workstation} {
		if len(*text) > maxText {
			*text = strings.ToValidUTF8((*text)[:maxText], "")
		}
	}
	s.AuthenticatedAt = stamp(s.AuthenticatedAt)
}
