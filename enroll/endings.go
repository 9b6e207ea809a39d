package enroll

import (
	"context"
	"errors"
	"fmt"
	"time"

	"cpsgate/audit"
	"cpsgate/identity"
)

// Ending is whose sessions end: exactly one of the first four says whose.
type Ending struct {
	Holder      identity.PSIdNat
	Card        string // token id
	Passkey     []byte // credential id
	Workstation string

	Before time.Time // only those opened before; set by the registry
}

// endingOf tells in an event which of its fields is meant: the others say where
// the act was done, and whom it concerns beside.
type endingOf string

const (
	ofPerson      endingOf = "person"
	ofCard        endingOf = "card"
	ofPasskey     endingOf = "passkey"
	ofWorkstation endingOf = "workstation"
)

// endingSlack is how far the clocks of two nodes may be apart: a session opened
// that shortly after the act ends too.
const endingSlack = time.Second

// EndSessions ends all sessions of a person, card, passkey or workstation, on
// all nodes, and records it. Nothing else changes: who can sign in may do so
// again.
func (r *Registry) EndSessions(ctx context.Context, act Act, of Ending) error {
	return r.changed(ctx, func(u Unit) (telling, error) {
		if err := r.may(ctx, u, act, rightSessions); err != nil {
			return telling{}, err
		}
		e := r.event(act, audit.KindSessionsEnd)
		what, err := whose(ctx, u, of, e)
		if err != nil {
			return telling{}, err
		}
		e.Detail = string(what)
		of.Before = e.At.Add(endingSlack)
		return telling{endings: []Ending{of}}, r.record(ctx, u, e)
	})
}

// whose writes into the event whose sessions end; what is not known here has none.
func whose(ctx context.Context, u Reader, of Ending, e *audit.Event) (endingOf, error) {
	var named []endingOf
	for what, is := range map[endingOf]bool{
		ofPerson: of.Holder != "", ofCard: of.Card != "", ofPasskey: len(of.Passkey) > 0, ofWorkstation: of.Workstation != "",
	} {
		if is {
			named = append(named, what)
		}
	}
	if len(named) != 1 {
		return "", errors.New("ending sessions: one person, card, passkey or workstation is needed")
	}
	switch named[0] {
	case ofPerson:
		_, err := u.Professional(ctx, of.Holder)
		e.Subject = of.Holder
		return ofPerson, unknownPerson(of.Holder, err)
	case ofCard:
		card, err := u.Card(ctx, of.Card)
		e.Card, e.Subject = of.Card, card.Holder
		return ofCard, unknownCard(of.Card, err)
	case ofPasskey:
		p, err := u.Passkey(ctx, of.Passkey)
		e.CredentialHash, e.Subject = audit.HashCredential(of.Passkey), p.Holder
		return ofPasskey, unknownPasskey(err)
	}
	e.Workstation = of.Workstation
	return ofWorkstation, nil
}

// ending reads back from its event whose sessions are to end; false: nobody's,
// it was refused, its passkey is gone and its sessions with it, or a later version
// wrote it, which is logged and holds nothing up.
func (r *Registry) ending(ctx context.Context, e audit.Event) (of Ending, ok bool, err error) {
	if e.Kind != audit.KindSessionsEnd || e.Outcome != audit.Done {
		return Ending{}, false, nil
	}
	of.Before = e.At.Add(endingSlack)
	switch endingOf(e.Detail) {
	case ofPerson:
		of.Holder = e.Subject
	case ofCard:
		of.Card = e.Card
	case ofWorkstation:
		of.Workstation = e.Workstation
	case ofPasskey:
		all, err := r.records.PasskeysOf(ctx, e.Subject)
		if err != nil {
			return Ending{}, false, err
		}
		for _, p := range all {
			if audit.HashCredential(p.ID) == e.CredentialHash {
				of.Passkey = p.ID
			}
		}
		return of, of.Passkey != nil, nil
	default: // of a later version
		r.o.Log.ErrorContext(ctx, "it is not known whose sessions an event ends", "event", e.ID, "of", e.Detail)
		return Ending{}, false, nil
	}
	return of, true, nil
}

// EndingsSince tells again of all endings since a time, for sessions that were
// kept while no server ran: to be called when they are restored, before the
// first request.
func (r *Registry) EndingsSince(ctx context.Context, since time.Time) error {
	after, err := r.records.LastEventBefore(ctx, since)
	if err != nil {
		return fmt.Errorf("looking for ended sessions: %w", err)
	}
	changes, err := r.records.ChangesAfter(ctx, after)
	if err != nil {
		return fmt.Errorf("looking for ended sessions: %w", err)
	}
	for _, c := range changes {
		if c.Kind != audit.KindSessionsEnd {
			continue
		}
		if err := r.tellChange(ctx, c); err != nil {
			return err
		}
	}
	return nil
}
