package sessions

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cpsgate/identity"
)

// tries is how often a change is tried again that a touch came in between.
const tries = 5

// Rotate gives the session a new token at a rise in rights: a fresh
// authentication, another method, another card. The old token is dead at once.
// change may set what it likes except the holder, the handle, the state and
// the absolute end, which a rotation never puts later. A rotation that fails
// on the way leaves neither token.
func (m *Manager) Rotate(ctx context.Context, token string, change func(*Session)) (newToken string, rotated Session, err error) {
	return m.replace(ctx, token, StateActive, change)
}

// Unlock makes a locked session active again under a new token, after the
// same card or passkey and its PIN: that proof is the caller's duty.
func (m *Manager) Unlock(ctx context.Context, token string, change func(*Session)) (newToken string, unlocked Session, err error) {
	return m.replace(ctx, token, StateLocked, change)
}

// replace moves a session that is in the state from under a new token. The new
// one is listed before the old one goes, so that whatever ends the session
// meanwhile finds one or the other.
func (m *Manager) replace(ctx context.Context, token string, from State, change func(*Session)) (string, Session, error) {
	old, ok := keyOf(token)
	if !ok {
		return "", Session{}, ErrNoSession
	}
	kept, current, err := m.in(ctx, old, from)
	if err != nil {
		return "", current, err
	}
	next, err := m.changed(current, change)
	if err != nil {
		return "", Session{}, err
	}
	ctx, cancel := lasting(ctx)
	defer cancel()
	newToken, k := newToken()
	if _, err = m.place.insert(ctx, k, next); err == nil {
		err = m.retire(ctx, old, kept, from)
	}
	if errors.Is(err, ErrNoSession) { // another was first; the old token is none of ours
		_, failed := m.place.take(ctx, k)
		return "", Session{}, errors.Join(err, failed)
	}
	if err == nil && m.o.Standing != nil {
		err = m.o.Standing(ctx, next.clone())
	}
	if err != nil {
		failed := m.endKeys(ctx, EndedByFailure, map[string]bool{}, k, old)
		return "", Session{}, fmt.Errorf("rotating a session: %w", errors.Join(err, failed))
	}
	return newToken, next, nil
}

// in gives a session that is in the state from, as it is kept and as it counts.
func (m *Manager) in(ctx context.Context, k key, from State) (kept, s Session, err error) {
	kept, s, err = m.look(ctx, k)
	switch {
	case err == nil && from == StateLocked:
		return Session{}, s, ErrNoSession // Unlock of a session that is not locked
	case errors.Is(err, ErrLocked) && from == StateLocked:
		return kept, s, nil
	}
	return kept, s, err
}

// changed is what a session becomes.
func (m *Manager) changed(current Session, change func(*Session)) (Session, error) {
	next := current.clone()
	if change != nil {
		change(&next)
	}
	if next.Holder != current.Holder {
		return Session{}, ErrHolder
	}
	limits, known := m.o.Limits[next.Method]
	if !known {
		return Session{}, fmt.Errorf("rotating a session: unknown method %q", next.Method)
	}
	next.ID, next.State, next.CreatedAt, next.ExpiresAt = current.ID, StateActive, current.CreatedAt, current.ExpiresAt
	next.within(limits)
	next.bound()
	next.seen(m.o.Now(), limits.Idle)
	return next, nil
}

// retire removes a rotated session from its old key. ErrNoSession: it is no
// longer there in that state.
func (m *Manager) retire(ctx context.Context, old key, kept Session, from State) error {
	for range tries {
		gone, err := m.place.swap(ctx, old, kept, nil)
		if gone || err != nil {
			return err
		}
		if kept, err = m.place.get(ctx, old); err != nil {
			return err
		}
		if kept.State != from {
			return ErrNoSession
		}
	}
	return errors.New("the session is changed all the time")
}

// Lock locks the holder's session with that handle; it opens again by Unlock.
// In memory it is locked whatever the error; what could not be kept is tried
// again by Run.
func (m *Manager) Lock(ctx context.Context, holder identity.PSIdNat, id string) error {
	ctx, cancel := lasting(ctx)
	defer cancel()
	for range tries {
		list, err := m.withHandle(ctx, holder, id)
		if err != nil {
			return err
		}
		done, err := m.lockAll(ctx, list)
		if done || err != nil {
			return err
		}
	}
	return errors.New("locking a session: it is changed all the time")
}

// lockAll locks a session under each of its keys: of one that is given a new
// token at the moment, whichever stays is locked. False: some have changed.
func (m *Manager) lockAll(ctx context.Context, list []entry) (done bool, err error) {
	done = true
	for _, e := range list {
		if e.session.State == StateLocked {
			continue
		}
		locked := e.session.clone()
		locked.State = StateLocked
		swapped, err := m.place.swap(ctx, e.key, e.session, &locked)
		if err != nil {
			return false, err
		}
		done = done && swapped
	}
	return done, nil
}

// withHandle gives the holder's session with that handle: under its key, or two
// while it is given a new token.
func (m *Manager) withHandle(ctx context.Context, holder identity.PSIdNat, id string) ([]entry, error) {
	list, err := m.place.list(ctx, byHolder, string(holder))
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(e entry) bool { return e.session.ID != id })
	if len(list) == 0 {
		return nil, ErrNoSession
	}
	return list, nil
}
