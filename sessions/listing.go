package sessions

import (
	"context"
	"errors"
	"slices"

	"cpsgate/identity"
)

// OfHolder lists a person's sessions, locked ones too, the latest seen first.
func (m *Manager) OfHolder(ctx context.Context, holder identity.PSIdNat) ([]Session, error) {
	entries, err := m.place.list(ctx, byHolder, string(holder))
	if err != nil {
		return nil, err
	}
	now := m.o.Now()
	var list []Session
	for _, e := range distinct(entries) {
		if s, known := m.inForce(e.session); known && !s.expired(now) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b Session) int { return b.LastSeenAt.Compare(a.LastSeenAt) })
	return list, nil
}

// distinct leaves one of the entries of each session: the last found.
func distinct(entries []entry) []entry {
	at := map[string]int{}
	var list []entry
	for _, e := range entries {
		if i, found := at[e.session.ID]; found {
			list[i] = e
			continue
		}
		at[e.session.ID] = len(list)
		list = append(list, e)
	}
	return list
}

// OfHandle gives the holder's session with that handle, locked or not.
// ErrNoSession: none, or another's.
func (m *Manager) OfHandle(ctx context.Context, holder identity.PSIdNat, id string) (Session, error) {
	list, err := m.OfHolder(ctx, holder)
	if err != nil {
		return Session{}, err
	}
	if i := slices.IndexFunc(list, func(s Session) bool { return s.ID == id }); i >= 0 {
		return list[i], nil
	}
	return Session{}, ErrNoSession
}

// ErrUnreadable: there is what may be a session, and not to this version of us.
var ErrUnreadable = errors.New("a session's record cannot be read")

// HandlesOf gives the handles of all sessions that several people have: locked
// ones, and those whose time is over but that are not taken away yet. One that is
// given another token meanwhile is among them, so that what is absent is no more.
// ErrUnreadable where one of them has a record that cannot be read.
func (m *Manager) HandlesOf(ctx context.Context, holders ...identity.PSIdNat) (map[string]bool, error) {
	values := make([]string, 0, len(holders))
	for _, h := range holders {
		values = append(values, string(h))
	}
	return m.place.handles(ctx, values...)
}
