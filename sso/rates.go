package sso

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// DefaultClientRate is how many requests a minute one client may make that has
// proved itself, of one node.
const DefaultClientRate = 12_000

// rates bounds what clients ask, each by itself: as many a minute, all of which
// may come at once. Only clients that are known have one, so that nobody can fill
// it.
type rates struct {
	perMinute int

	mu sync.Mutex
	of map[string]*rate.Limiter // by client; guarded by mu
}

// wait is zero when the client may ask at now, else how long it is to wait.
func (r *rates) wait(client string, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	allow := r.of[client]
	if allow == nil {
		allow = rate.NewLimiter(rate.Limit(float64(r.perMinute)/60), r.perMinute)
		r.of[client] = allow
	}
	reservation := allow.ReserveN(now, 1)
	delay := reservation.DelayFrom(now)
	if delay > 0 {
		reservation.CancelAt(now)
	}
	return delay
}
