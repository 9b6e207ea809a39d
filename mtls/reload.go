package mtls

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// TrustReloader keeps a Verifier's trust in step with what an administrator
// configures: anchors and intermediates that are replaced on disk take effect
// without a restart. A set that cannot be read, is empty or may not be trusted
// never replaces a good one: the last good set stays in force, the failure is
// logged and told by State. It does no I/O itself.
type TrustReloader struct {
	// Verifier is whose trust is replaced.
	Verifier *Verifier
	// Load reads the certificates and makes a trust of them that has passed
	// every check of the start (NewTrust, CheckPersons).
	Load func() (*Trust, error)
	// Rules gives the rules for single authorities of a trust (Policy.PerIssuer);
	// nil: they stay as they are.
	Rules func(*Trust) (map[string]RevocationPolicy, error)
	// Follow has the evidence follow a trust that passed every check and is about
	// to judge: nothing else may fail after it. Nil: it follows by itself.
	Follow func(*Trust) error
	// Listing tells cheaply whether the files may have changed: names, sizes,
	// times. Nil: only Reload and Run's signal reload.
	Listing func() (string, error)
	// Every is how often Listing is asked; 10 s when zero.
	Every time.Duration
	// Log is slog.Default when nil.
	Log *slog.Logger
	// Now is time.Now when nil.
	Now func() time.Time

	mu    sync.Mutex
	state TrustState // guarded by mu
	seen  string     // the listing that the trust in force was made of; guarded by mu
}

// TrustState is for the status page and for metrics.
type TrustState struct {
	LoadedAt time.Time // when the trust in force was loaded; zero: at the start
	FailedAt time.Time // of the last failure; zero: none
	Err      error     // why the last attempt failed; nil: it did not
	Failures int       // since the start
}

const defaultTrustPoll = 10 * time.Second

// State tells how the last attempt went.
func (r *TrustReloader) State() TrustState {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// Reload loads the trust now, and puts it in force if it is good.
func (r *TrustReloader) Reload() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	listing, _ := r.listing() // unreadable: looked at again at the next poll
	return r.reload(listing)
}

func (r *TrustReloader) reload(listing string) error {
	next, err := r.prepare()
	if err == nil && r.Follow != nil {
		err = r.Follow(next.trust)
	}
	if err != nil {
		r.fail(err)
		return err
	}
	r.Verifier.ground.Store(next)
	trust := next.trust
	r.seen = listing
	r.state.LoadedAt, r.state.Err = r.now(), nil
	r.log().Info("trust reloaded", "anchors", len(trust.anchors), "intermediates", len(trust.intermediates))
	return nil
}

// prepare makes what is to be put in force; it changes nothing.
func (r *TrustReloader) prepare() (*ground, error) {
	trust, err := r.Load()
	if err != nil {
		return nil, err
	}
	rules := r.Verifier.Policy().PerIssuer
	if trust != nil && r.Rules != nil {
		if rules, err = r.Rules(trust); err != nil {
			return nil, err
		}
	}
	return r.Verifier.newGround(trust, rules)
}

func (r *TrustReloader) fail(err error) {
	r.state.FailedAt, r.state.Err = r.now(), err
	r.state.Failures++
	r.log().Error("trust not reloaded; the last good one stays in force", "error", err)
}

// Run reloads at each signal and whenever the listing changes, until ctx ends.
// A listing that was tried and found bad is not tried again until it changes.
func (r *TrustReloader) Run(ctx context.Context, signal <-chan struct{}) {
	every := r.Every
	if every <= 0 {
		every = defaultTrustPoll
	}
	r.mu.Lock()
	r.seen, _ = r.listing()
	r.mu.Unlock()
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-signal:
			r.Reload() //nolint:errcheck // logged, and told by State
		case <-tick.C:
			r.poll()
		}
	}
}

func (r *TrustReloader) poll() {
	r.mu.Lock()
	defer r.mu.Unlock()
	listing, err := r.listing()
	switch {
	case r.Listing == nil || err == nil && listing == r.seen:
		return
	case err != nil:
		if r.state.Err == nil { // once for each time the files go away
			r.fail(err)
		}
		return
	}
	if r.reload(listing) != nil {
		r.seen = listing
	}
}

func (r *TrustReloader) listing() (string, error) {
	if r.Listing == nil {
		return "", nil
	}
	return r.Listing()
}

func (r *TrustReloader) now() time.Time {
	if r.Now == nil {
		return time.Now()
	}
	return r.Now()
}

func (r *TrustReloader) log() *slog.Logger {
	if r.Log == nil {
		return slog.Default()
	}
	return r.Log
}
