package sessions

import "context"

// Why a session ended, as OnEnded is told.
const (
	EndedByToken       = "signed-out"  // End
	EndedByHandle      = "by-handle"   // EndByID
	EndedByHolder      = "holder"      // EndOfHolder
	EndedByCard        = "card"        // EndOfCard
	EndedByPasskey     = "passkey"     // EndOfPasskey
	EndedByWorkstation = "workstation" // EndOfWorkstation
	EndedByEviction    = "evicted"     // gave way to a new one of the same holder
	EndedByTime        = "expired"     // idle too long, or at its absolute end
	EndedByFailure     = "failed"      // a rotation that could not be completed
)

// tell tells OnEnded of sessions that have ended. The caller holds no lock.
func (m *Manager) tell(ctx context.Context, reason string, ended ...Session) {
	if m.o.OnEnded == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	for _, s := range ended {
		s.State = StateEnded
		m.o.OnEnded(ctx, s, reason)
	}
}
