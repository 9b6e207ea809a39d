package sso

import (
	"context"
	"errors"
	"fmt"
)

// Tell records an event and gives the number under which it stands in the audit;
// "" = under none.
type Tell = func(context.Context, Event) (number string, err error)

// tell records an event and passes the error on. A refusal that cannot be
// recorded is refused all the same, as a fault of ours. Of refusals of what
// nobody has proved anything for, those beyond a rate are counted only.
func (p *Provider) tell(ctx context.Context, e Event, cause error) error {
	if e.Refused && e.Holder == "" && e.Kind != EventReuse {
		over, full := p.refusals.count(e, p.o.Now())
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

// told is tell for a refusal of an authorization request.
func (p *Provider) told(ctx context.Context, err error) error {
	var refused *Refusal
	if !errors.As(err, &refused) {
		return err
	}
	return p.tell(ctx, Event{Kind: EventSignIn, Refused: true, Reason: refused.Reason, Client: refused.Client, Detail: refused.Detail}, err)
}

// Unreadable refuses a request whose parameters cannot be read, or not in one
// way only; nothing of it can be told where it came from.
func (p *Provider) Unreadable(ctx context.Context, kind string) error {
	r := refuse(InvalidRequest, "malformed", "the parameters cannot be read")
	return p.tell(ctx, Event{Kind: kind, Refused: true, Reason: r.Reason, Detail: r.Detail}, r)
}

// sumUp records how many refusals were counted only.
func (p *Provider) sumUp(ctx context.Context, over []Event) error {
	for _, e := range over {
		if _, err := p.o.Tell(ctx, e); err != nil {
			return fmt.Errorf("recording %s: %w", e.Kind, err)
		}
	}
	return nil
}
