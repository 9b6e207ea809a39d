package forwardauth

import (
	"context"
	"fmt"
	"reflect"
	"sync"
	"time"

	"cpsgate/identity"
	"cpsgate/sessions"
)

// maxPeople bounds how many are remembered; beyond it all are read anew.
const maxPeople = 50_000

// people remembers who holds sessions, for as long as may be told of them
// without looking again.
type people struct {
	mu    sync.Mutex // guards known
	known map[identity.PSIdNat]known
}

type known struct {
	person *identity.Professional // never changed: another reading is another value
	read   time.Time
}

func newPeople() *people { return &people{known: map[identity.PSIdNat]known{}} }

func (p *people) get(id identity.PSIdNat) known {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.known[id]
}

func (p *people) put(id identity.PSIdNat, k known) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.known) >= maxPeople {
		clear(p.known)
	}
	p.known[id] = k
}

// person gives who holds a session, as they were PeopleAge ago at most: the
// same value as before where nothing has changed.
func (g *Gate) person(ctx context.Context, s sessions.Session, now time.Time) (*identity.Professional, error) {
	before := g.people.get(s.Holder)
	if before.person != nil && now.Sub(before.read) < g.o.PeopleAge {
		return before.person, nil
	}
	read, err := g.o.Person(ctx, s.Holder)
	if err != nil && g.o.Unknown(err) {
		return nil, &Refusal{Reason: ReasonPerson, Holder: s.Holder, Session: s.ID}
	}
	if err != nil {
		return nil, fmt.Errorf("reading who holds a session: %w", err)
	}
	person := &read
	if before.person != nil && reflect.DeepEqual(*before.person, read) {
		person = before.person
	}
	g.people.put(s.Holder, known{person, now})
	return person, nil
}
