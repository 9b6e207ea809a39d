package sso

import (
	"context"
	"errors"
	"fmt"

	"cpsgate/sessions"
)

// Tell records an event and gives the number under which it stands in the audit;
// "" = under none.
type Tell = func(context.Context, Event) (number string, err error)

// tell records an event and passes the error on. A refusal that cannot be
// recorded is refused all the same, as a fault of ours. Of refusals that are
// nobody's, those beyond a rate are counted only.
func (p *Provider) tell(ctx context.Context, e Event, cause error) error {
	if e.Refused && e.Holder == "" && e.Kind != EventReuse {
		over, full := p.refusals.count(e, notedIn(ctx).proven, p.o.Now())
		if err := p.sumUp(ctx, over); err != nil {
			return err
		}
		if full {
			return cause
		}
	}
	number, err := p.o.Tell(ctx, e)
	if err != nil {
		return fmt.Errorf("recording %s: %w", e.Kind, err)
	}
	var refused *Refusal
	if errors.As(cause, &refused) {
		refused.Number = number
	}
	return cause
}

// reasonQuiet is of what prompt=none keeps from being asked.
const reasonQuiet = "prompt-none"

// told is tell for a refusal of an authorization request, by whoever is signed
// in; nil: nobody. An application that renews by prompt=none each minute learns
// that it must ask: no decision against anyone.
func (p *Provider) told(ctx context.Context, session *sessions.Session, err error) error {
	var refused *Refusal
	if !errors.As(err, &refused) || refused.Reason == reasonQuiet {
		return err
	}
	e := Event{Kind: EventSignIn, Refused: true, Reason: refused.Reason, Client: refused.Client, Detail: refused.Detail}
	if session != nil {
		e.Holder, e.Session = session.Holder, session.ID
	}
	return p.tell(ctx, e, err)
}

// Unreadable refuses a request whose parameters cannot be read, or not in one
// way only; nothing of it can be told where it came from.
func (p *Provider) Unreadable(ctx context.Context, kind string) error {
	r := refuse(InvalidRequest, "malformed", "the parameters cannot be read")
	return p.tell(ctx, Event{Kind: kind, Refused: true, Reason: r.Reason, Detail: r.Detail}, r)
}

// sumUp records how many refusals were counted only. What cannot be recorded
// stays counted.
func (p *Provider) sumUp(ctx context.Context, over uncounted) error {
	var failed []error
	for _, kind := range []string{EventSignIn, EventToken, EventLogout} {
		e, some := over.summary(kind)
		if !some {
			continue
		}
		if _, err := p.o.Tell(ctx, e); err != nil {
			p.refusals.putBack(over, kind)
			failed = append(failed, fmt.Errorf("recording %s: %w", kind, err))
		}
	}
	return errors.Join(failed...)
}

// SumUp records how much was refused and is counted only so far: to be called
// once more when nothing is served any longer.
func (p *Provider) SumUp(ctx context.Context) { p.endRefusals(ctx, true) }

// endRefusals records what of refusals was counted only.
func (p *Provider) endRefusals(ctx context.Context, all bool) {
	if err := p.sumUp(ctx, p.refusals.end(p.o.Now(), all)); err != nil {
		p.o.Log.ErrorContext(ctx, "how much was refused is not in the audit", "error", err)
	}
}
