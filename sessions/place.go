package sessions

import (
	"context"
	"time"
)

// entry is a session and the key it lies under.
type entry struct {
	key     key
	session Session
}

// by is what sessions are listed by.
type by string

// The indexes.
const (
	byHolder      by = "holder"
	byCard        by = "card"
	byPasskey     by = "passkey"
	byWorkstation by = "workstation"
)

// indexed gives a session's value in each index; "" is not listed.
func (s *Session) indexed() map[by]string {
	return map[by]string{
		byHolder: string(s.Holder), byCard: s.CardTokenID,
		byPasskey: string(s.PasskeyID), byWorkstation: s.Workstation,
	}
}

// place is where a Manager's sessions lie: the memory of this process, or
// Redis for all nodes. It knows their keys, indexes and ends, and none of the
// rules. What it takes and gives is shared with nobody. An error says that it
// could not be made sure of; what was removed or changed in memory stays so.
type place interface {
	// get gives the session under k, in whatever state, expired or not.
	// ErrNoSession: there is none.
	get(ctx context.Context, k key) (Session, error)

	// insert adds a session. When it returns, every index lists it. It gives
	// how many the holder has, this one included. ErrFull: no room for one
	// more, those not counted that a Manager will take away.
	insert(ctx context.Context, k key, s Session) (ofHolder int, err error)

	// swap puts next in place of was under the same key, or removes it if next
	// is nil, provided that it lies there exactly as it was. Of several
	// swappers from one state, one is told true.
	swap(ctx context.Context, k key, was Session, next *Session) (bool, error)

	// take removes what lies under the keys and gives it; of several takers of
	// one session, one gets it.
	take(ctx context.Context, keys ...key) ([]Session, error)

	// list gives the sessions of an index, in any order. One that is given
	// another key meanwhile is among them, under either or both.
	list(ctx context.Context, index by, value string) ([]entry, error)

	// handles gives the handles of all sessions of these holders. One that swaps
	// its key meanwhile is among them.
	handles(ctx context.Context, holders ...string) (map[string]bool, error)

	// touch is a swap that moves the idle end, and that may be put off for a
	// while, or be lost by a crash.
	touch(k key, was, next Session)

	// sweep removes sessions whose time is over at now and gives them, and does
	// what was put off.
	sweep(ctx context.Context, now time.Time) ([]Session, error)
}
