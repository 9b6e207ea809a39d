package sessions

import (
	"context"

	"cpsgate/identity"
)

// Sweep is one round of Run.
func Sweep(ctx context.Context, m *Manager) { m.sweep(ctx) }

// SetState puts the holder's sessions in a state, be it one that there is not.
func SetState(m *Manager, holder identity.PSIdNat, state State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.table.holders[string(holder)] {
		m.table.sessions[k].State = state
	}
}
