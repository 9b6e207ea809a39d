package sessions

import (
	"context"

	"github.com/redis/go-redis/v9"

	"cpsgate/identity"
)

// Sweep is one round of Run.
func Sweep(ctx context.Context, m *Manager) { m.sweep(ctx) }

// Flush makes the touches that wait in a Manager on Redis.
func Flush(ctx context.Context, m *Manager) {
	if p, ok := m.place.(*shared); ok {
		p.flush(ctx)
	}
}

// Client is the connection of a Redis.
func Client(r *Redis) redis.UniversalClient { return r.client }

// Encode and Decode are of records.
var (
	Encode = encodeRecord
	Decode = decodeRecord
)

// SetState puts the holder's sessions in a state, be it one that there is not.
func SetState(m *Manager, holder identity.PSIdNat, state State) {
	p := m.place.(*memory)
	p.mu.Lock()
	defer p.mu.Unlock()
	for k := range p.table.indexes[byHolder][string(holder)] {
		p.table.sessions[k].State = state
	}
}
