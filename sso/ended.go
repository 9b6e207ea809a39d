package sso

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cpsgate/identity"
	"cpsgate/sessions"
)

// SessionEnded ends what stands on a session that has ended, and has the clients
// told that want to be. It is to be called at every end of a session; an end that
// it was not told of, or could not deal with, is found by Reconcile.
func (p *Provider) SessionEnded(ctx context.Context, session sessions.Session, reason string) error {
	listening, err := p.o.Clients.listening(ctx)
	if err != nil {
		return err
	}
	now, owes := p.o.Now(), false
	err = p.o.Shelf.EndGrantsOf(ctx, session.ID, reason, func(ended []GrantRecord) (due []LogoutRecord) {
		seen := map[string]bool{}
		for _, g := range ended {
			if listening(g.Client) && !seen[g.Client] {
				seen[g.Client] = true
				due = append(due, LogoutRecord{Client: g.Client, Session: session.ID, Holder: g.Holder, EndedAt: now, Next: now})
			}
		}
		owes = len(due) > 0
		return due
	})
	if err != nil {
		return fmt.Errorf("ending the grants of a session: %w", err)
	}
	if owes {
		p.wakeUp()
	}
	return nil
}

// wakeUp has Run look who is to be told.
func (p *Provider) wakeUp() {
	select {
	case p.wake <- struct{}{}:
	default: // it is awake
	}
}

// reconcileAtOnce is how many sessions one step of Reconcile looks at.
const reconcileAtOnce = 500

// reasonMissed ends grants whose session is gone, nobody knows since when.
const reasonMissed = "session-gone"

// Reconcile finds the sessions that grants stand on and that are no more, and
// deals with them as SessionEnded does: the answer that told of their end may
// have been lost between Redis and this process, the store may have failed, or
// this process. While nothing can be known of sessions it is an error, and no
// grant ends.
func (p *Provider) Reconcile(ctx context.Context) error {
	var failed []error
	for after := ""; ; {
		page, err := p.o.Shelf.GrantedSessions(ctx, after, reconcileAtOnce)
		if err != nil {
			return errors.Join(append(failed, fmt.Errorf("listing sessions with grants: %w", err))...)
		}
		if len(page) == 0 {
			return errors.Join(failed...)
		}
		after = page[len(page)-1].Session
		gone, err := p.gone(ctx, page)
		if err != nil {
			return errors.Join(append(failed, err)...)
		}
		for _, g := range gone {
			p.o.Log.WarnContext(ctx, "the end of a session was missed; its applications are told now", "session", g.Session)
			failed = append(failed, p.SessionEnded(ctx, sessions.Session{ID: g.Session, Holder: identity.PSIdNat(g.Holder)}, reasonMissed))
		}
	}
}

// gone are those sessions that there are no more.
func (p *Provider) gone(ctx context.Context, of []GrantedSession) (gone []GrantedSession, err error) {
	var holders []identity.PSIdNat
	for _, g := range of {
		holders = append(holders, identity.PSIdNat(g.Holder))
	}
	slices.Sort(holders)
	handles, err := p.o.Sessions.HandlesOf(ctx, slices.Compact(holders)...)
	if err != nil {
		return nil, fmt.Errorf("looking for sessions: %w", err)
	}
	for _, g := range of {
		if !handles[g.Session] {
			gone = append(gone, g)
		}
	}
	return gone, nil
}
