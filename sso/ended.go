package sso

import (
	"context"
	"fmt"

	"cpsgate/sessions"
)

// SessionEnded ends what stands on a session that has ended, and has the clients
// told that want to be. It is to be called at every end of a session; an end that
// it was not told of, or could not deal with, is found by Reconcile.
func (p *Provider) SessionEnded(ctx context.Context, session sessions.Session, reason string) error {
	some, err := p.o.Shelf.HasGrants(ctx, session.ID)
	if err != nil {
		return fmt.Errorf("looking for the grants of a session: %w", err)
	}
	if !some {
		return nil
	}
	listening, err := p.o.Clients.listening(ctx)
	if err != nil {
		return err
	}
	return p.endGrantsOf(ctx, session.ID, reason, listening)
}

// endGrantsOf ends the grants of a session, and owes word of it to those of their
// clients that listen.
func (p *Provider) endGrantsOf(ctx context.Context, session, reason string, listening func(client string) bool) error {
	now, owes := p.o.Now(), false
	err := p.o.Shelf.EndGrantsOf(ctx, session, reason, func(ended []GrantRecord) (due []LogoutRecord) {
		seen := map[string]bool{}
		for _, g := range ended {
			if listening(g.Client) && !seen[g.Client] {
				seen[g.Client] = true
				due = append(due, LogoutRecord{Client: g.Client, Session: session, Holder: g.Holder, EndedAt: now, Next: now})
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
