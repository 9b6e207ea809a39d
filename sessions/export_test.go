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

// KeyName is where a token's session lies.
func KeyName(r *Redis, token string) string {
	k, _ := keyOf(token)
	return r.sessionKey(k)
}

// Remembered is how many sessions a Manager on Redis would recall.
func Remembered(m *Manager) int {
	t := m.place.(*shared).trust
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.of)
}

// ParseURL gives the hosts of a Redis URL.
func ParseURL(s string) ([]string, bool) {
	where, err := parseRedisURL(s)
	return where.hosts, err == nil
}

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
