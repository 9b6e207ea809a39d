package sessions

import (
	"context"
	"errors"
	"time"

	"cpsgate/identity"
)

// Why a session ended, as OnEnded is told. One whose time was over when it was
// ended has ended by time.
const (
	EndedByToken       = "signed-out"  // End
	EndedByHandle      = "by-handle"   // EndByID
	EndedByHolder      = "holder"      // EndOfHolder
	EndedByCard        = "card"        // EndOfCard
	EndedByPasskey     = "passkey"     // EndOfPasskey
	EndedByWorkstation = "workstation" // EndOfWorkstation
	EndedByEviction    = "evicted"     // gave way to a new one of the same holder
	EndedByTime        = "expired"     // idle too long, or at its absolute end
	EndedByFailure     = "failed"      // a rotation that could not be completed
)

// End ends the session of a token; an unknown one is no error.
func (m *Manager) End(ctx context.Context, token string) error {
	k, ok := keyOf(token)
	if !ok {
		return nil
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	return m.endKeys(ctx, EndedByToken, map[string]bool{}, k)
}

// EndByID ends the holder's session with that handle. Another's handle is
// ErrNoSession, as an unknown one is.
func (m *Manager) EndByID(ctx context.Context, holder identity.PSIdNat, id string) error {
	n, err := m.endAll(ctx, EndedByHandle, byHolder, string(holder), func(s Session) bool { return s.ID == id })
	if err == nil && n == 0 {
		return ErrNoSession
	}
	return err
}

// EndOfHolder ends all sessions of a person and says how many there were.
func (m *Manager) EndOfHolder(ctx context.Context, holder identity.PSIdNat) (int, error) {
	return m.endAll(ctx, EndedByHolder, byHolder, string(holder), nil)
}

// EndOfCard ends all sessions that stand on a card.
func (m *Manager) EndOfCard(ctx context.Context, tokenID string) (int, error) {
	return m.endAll(ctx, EndedByCard, byCard, tokenID, nil)
}

// EndOfPasskey ends all sessions opened by a passkey.
func (m *Manager) EndOfPasskey(ctx context.Context, credentialID []byte) (int, error) {
	return m.endAll(ctx, EndedByPasskey, byPasskey, string(credentialID), nil)
}

// EndOfWorkstation ends all sessions on a workstation.
func (m *Manager) EndOfWorkstation(ctx context.Context, workstation string) (int, error) {
	return m.endAll(ctx, EndedByWorkstation, byWorkstation, workstation, nil)
}

// Whose names sessions: exactly one of its fields says whose.
type Whose struct {
	Holder      identity.PSIdNat
	Card        string // token id
	Passkey     []byte // credential id
	Workstation string
}

// EndBefore ends all those sessions that were opened before a moment, and says
// how many there were: told of it late, or again, it ends no later one.
func (m *Manager) EndBefore(ctx context.Context, of Whose, moment time.Time) (int, error) {
	opened := func(s Session) bool { return s.CreatedAt.Before(moment) }
	switch {
	case of.Holder != "":
		return m.endAll(ctx, EndedByHolder, byHolder, string(of.Holder), opened)
	case of.Card != "":
		return m.endAll(ctx, EndedByCard, byCard, of.Card, opened)
	case len(of.Passkey) > 0:
		return m.endAll(ctx, EndedByPasskey, byPasskey, string(of.Passkey), opened)
	}
	return m.endAll(ctx, EndedByWorkstation, byWorkstation, of.Workstation, opened)
}

// endAll ends the sessions of an index that match, all of them if match is
// nil. It looks again until none is left: one that was given a new token after
// it was listed is listed anew by then. They are ended although the request
// that asked is gone, and in memory whatever the error.
func (m *Manager) endAll(ctx context.Context, reason string, index by, value string, match func(Session) bool) (int, error) {
	if value == "" {
		return 0, nil
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	ended := map[string]bool{}
	for range lookAgain {
		list, err := m.place.list(ctx, index, value)
		if err != nil {
			return len(ended), err
		}
		var keys []key
		for _, e := range list {
			if match == nil || match(e.session) {
				keys = append(keys, e.key)
			}
		}
		if len(keys) == 0 {
			return len(ended), nil
		}
		if err := m.endKeys(ctx, reason, ended, keys...); err != nil {
			return len(ended), err
		}
	}
	return len(ended), errors.New("ending sessions: new ones come all the time")
}

// endKeys ends what lies under the keys, and tells of those that have not
// ended already.
func (m *Manager) endKeys(ctx context.Context, reason string, ended map[string]bool, keys ...key) error {
	taken, err := m.place.take(ctx, keys...)
	for _, s := range taken {
		if !ended[s.ID] {
			ended[s.ID] = true
			m.tell(ctx, reason, s)
		}
	}
	return err
}

// tell tells OnEnded of sessions that have ended. The caller holds no lock.
func (m *Manager) tell(ctx context.Context, reason string, ended ...Session) {
	if m.o.OnEnded == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	now := m.o.Now()
	for _, s := range ended {
		why := reason
		if s.expired(now) {
			why = EndedByTime
		}
		s.State = StateEnded
		m.o.OnEnded(ctx, s, why)
	}
}
