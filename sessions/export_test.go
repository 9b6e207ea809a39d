package sessions

import "context"

// Sweep is one round of Run.
func Sweep(ctx context.Context, m *Manager) { m.sweep(ctx) }
