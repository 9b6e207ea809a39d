package sessions

import (
	"context"
	"fmt"

	"cpsgate/identity"
)

// Rotate gives the session a new token at a rise in rights: a fresh
// authentication, another method, another card. The old token is dead at once.
// change may set what it likes except the holder, the handle, the state and
// the absolute end, which a rotation never puts later.
func (m *Manager) Rotate(ctx context.Context, token string, change func(*Session)) (newToken string, rotated Session, err error) {
	return m.replace(ctx, token, StateActive, change)
}

// Unlock makes a locked session active again under a new token, after the
// same card or passkey and its PIN: that proof is the caller's duty.
func (m *Manager) Unlock(ctx context.Context, token string, change func(*Session)) (newToken string, unlocked Session, err error) {
	return m.replace(ctx, token, StateLocked, change)
}

// replace moves a session that is in the state from under a new token.
func (m *Manager) replace(ctx context.Context, token string, from State, change func(*Session)) (string, Session, error) {
	old, ok := keyOf(token)
	if !ok {
		return "", Session{}, ErrNoSession
	}
	newToken, k := newToken()
	s, err := m.move(old, k, from, change)
	if err != nil {
		return "", Session{}, err
	}
	err = m.forget(ctx, old)
	if err == nil {
		err = m.stand(ctx, k, s)
	} else {
		_, _ = m.end(ctx, EndedByFailure, func(*table) []key { return []key{k} })
	}
	if err != nil {
		return "", Session{}, fmt.Errorf("rotating a session: %w", err)
	}
	return newToken, s, nil
}

// move replaces old by k in the table, under one lock: of two movers of one
// token the second finds nothing.
func (m *Manager) move(old, k key, from State, change func(*Session)) (Session, error) {
	now := m.o.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	current, err := m.live(old, now)
	if current == nil || current.expired(now) {
		return Session{}, err
	}
	if current.State != from {
		return clonePresent(current), wrongState(current.State)
	}
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
	next.seen(now, limits.Idle)
	m.drop(old)
	m.table.insert(k, &next)
	return next.clone(), nil
}

func wrongState(s State) error {
	if s == StateLocked {
		return ErrLocked
	}
	return ErrNoSession // Unlock of a session that is not locked
}

// Lock locks the holder's session with that handle; it opens again by Unlock.
// It is locked here whatever the error; what could not be kept is tried again
// by Run.
func (m *Manager) Lock(ctx context.Context, holder identity.PSIdNat, id string) error {
	m.mu.Lock()
	k, found := m.table.ids[id]
	if !found || m.table.sessions[k].Holder != holder {
		m.mu.Unlock()
		return ErrNoSession
	}
	m.table.sessions[k].State = StateLocked
	m.mu.Unlock()
	return m.keep(ctx, k)
}

// End ends the session of a token; an unknown one is no error.
func (m *Manager) End(ctx context.Context, token string) error {
	k, ok := keyOf(token)
	if !ok {
		return nil
	}
	_, err := m.end(ctx, EndedByToken, func(*table) []key { return []key{k} })
	return err
}

// EndByID ends the holder's session with that handle. Another's handle is
// ErrNoSession, as an unknown one is.
func (m *Manager) EndByID(ctx context.Context, holder identity.PSIdNat, id string) error {
	n, err := m.end(ctx, EndedByHandle, func(t *table) []key {
		k, found := t.ids[id]
		if !found || t.sessions[k].Holder != holder {
			return nil
		}
		return []key{k}
	})
	if err == nil && n == 0 {
		return ErrNoSession
	}
	return err
}

// EndOfHolder ends all sessions of a person and says how many there were.
func (m *Manager) EndOfHolder(ctx context.Context, holder identity.PSIdNat) (int, error) {
	return m.end(ctx, EndedByHolder, func(t *table) []key { return t.holders.keys(string(holder)) })
}

// EndOfCard ends all sessions that stand on a card.
func (m *Manager) EndOfCard(ctx context.Context, tokenID string) (int, error) {
	return m.end(ctx, EndedByCard, func(t *table) []key { return t.cards.keys(tokenID) })
}

// EndOfPasskey ends all sessions opened by a passkey.
func (m *Manager) EndOfPasskey(ctx context.Context, credentialID []byte) (int, error) {
	return m.end(ctx, EndedByPasskey, func(t *table) []key { return t.passkeys.keys(string(credentialID)) })
}

// EndOfWorkstation ends all sessions on a workstation.
func (m *Manager) EndOfWorkstation(ctx context.Context, workstation string) (int, error) {
	return m.end(ctx, EndedByWorkstation, func(t *table) []key { return t.workstations.keys(workstation) })
}

// end takes the picked sessions out of memory, then out of the keeper, and
// tells of them. They are ended here whatever the error.
func (m *Manager) end(ctx context.Context, reason string, pick func(*table) []key) (n int, err error) {
	now := m.o.Now()
	var ended []Session
	m.mu.Lock()
	keys := pick(m.table)
	for _, k := range keys {
		if s, found := m.table.sessions[k]; found {
			n++
			if !s.expired(now) {
				ended = append(ended, s.clone())
			}
		}
		m.drop(k)
	}
	m.mu.Unlock()
	if n == 0 {
		return 0, nil
	}
	err = m.forget(ctx, keys...)
	m.tell(ctx, reason, ended...)
	return n, err
}
