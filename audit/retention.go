package audit

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Pruner is a ledger that can forget its beginning. Prune finds the events
// from the first on that are older than before, up to the first that is not;
// with none it gives the zero Checkpoint. Else, in one transaction, it calls
// seal with the last of them, how many they are and where the chain began,
// keeps the checkpoint that seal gives, removes the events, and calls record
// for the event of the act. archive, if any, is given each event before.
type Pruner interface {
	Prune(ctx context.Context, before time.Time, p Pruning) (Checkpoint, error)
}

// Pruning is what a Pruner asks while it prunes.
type Pruning struct {
	Archive func(Event) error // nil: no
	Seal    func(last Tail, pruned uint64, from Tail) (Checkpoint, error)
	Record  func(Ledger, Checkpoint) error
}

// LeastRetention is the shortest time that a policy may keep events for.
const LeastRetention = 30 * 24 * time.Hour

// Retention is the policy by which old events go, leaving a signed checkpoint
// that shows the chain was whole up to there.
type Retention struct {
	Log    *Log
	Ledger Pruner
	Key    ed25519.PrivateKey
	Keep   time.Duration // how long events are kept; LeastRetention or more

	// Archive is given each event before it goes, and Archived called when it
	// has had them all, before any goes: it makes them durable. nil: nobody.
	Archive  func(Event) error
	Archived func() error

	Errors *slog.Logger // what Run could not do; nil: slog.Default
}

// ErrRetention refuses a policy that cannot be meant.
var ErrRetention = errors.New("audit retention: needs a log, a ledger, a key, and 30 days at least")

// Prune removes what is older than the policy keeps; the zero Checkpoint says
// that nothing was. event says who asked, and why.
func (r *Retention) Prune(ctx context.Context, event Event) (Checkpoint, error) {
	if r.Log == nil || r.Ledger == nil || len(r.Key) != ed25519.PrivateKeySize || r.Keep < LeastRetention {
		return Checkpoint{}, ErrRetention
	}
	now := r.Log.now()
	c, err := r.Ledger.Prune(ctx, now.Add(-r.Keep), Pruning{
		Archive: r.Archive,
		Seal: func(last Tail, pruned uint64, from Tail) (Checkpoint, error) {
			if r.Archived != nil {
				if err := r.Archived(); err != nil {
					return Checkpoint{}, fmt.Errorf("archiving: %w", err)
				}
			}
			return Checkpoint{Tail: last, At: now, Pruned: pruned, From: from}.sign(r.Key), nil
		},
		Record: func(ledger Ledger, c Checkpoint) error {
			e := event
			e.Kind, e.Outcome = KindAuditPrune, Done
			e.Detail = fmt.Sprintf("%d events up to %s; signed by %s", c.Pruned, c.Tail, Fingerprint(c.Key))
			return r.Log.RecordIn(ctx, ledger, &e)
		},
	})
	if err != nil {
		return Checkpoint{}, fmt.Errorf("pruning the audit: %w", err)
	}
	return c, nil
}

// Run prunes once a day until ctx ends.
func (r *Retention) Run(ctx context.Context) {
	log := r.Errors
	if log == nil {
		log = slog.Default()
	}
	tick := time.NewTicker(24 * time.Hour)
	defer tick.Stop()
	for {
		switch c, err := r.Prune(ctx, Event{Reason: "retention"}); {
		case err != nil && ctx.Err() == nil:
			log.ErrorContext(ctx, "audit not pruned", "error", err)
		case err == nil && c.Pruned > 0:
			log.InfoContext(ctx, "audit pruned", "events", c.Pruned, "checkpoint", c.Tail.String())
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
