package sso

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// DefaultClientRate is how many requests a minute one client may make that has
// proved itself, of one node.
const DefaultClientRate = 12_000

// bearerRate is how many requests a minute may be made with the access tokens of
// one session at one client. Whoever holds such a token is one person, and uses up
// nobody else's.
const bearerRate = 600

// rates bounds what is asked, each key by itself: as many a minute, all of which
// may come at once. Only what is proven has a key, so that nobody can fill it; what
// has its whole allowance again is forgotten.
type rates struct {
	perMinute int

	mu     sync.Mutex // guards what follows
	of     map[string]*rate.Limiter
	pruned time.Time
}

func newRates(perMinute int) rates {
	return rates{perMinute: perMinute, of: map[string]*rate.Limiter{}}
}

// wait is zero when the key may ask at now, else how long it is to wait.
func (r *rates) wait(key string, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.prune(now)
	allow := r.of[key]
	if allow == nil {
		allow = rate.NewLimiter(rate.Limit(float64(r.perMinute)/60), r.perMinute)
		r.of[key] = allow
	}
	reservation := allow.ReserveN(now, 1)
	delay := reservation.DelayFrom(now)
	if delay > 0 {
		reservation.CancelAt(now)
	}
	return delay
}

// prune forgets once a minute what has its whole allowance. The caller holds mu.
func (r *rates) prune(now time.Time) {
	if now.Sub(r.pruned) < time.Minute {
		return
	}
	r.pruned = now
	for key, allow := range r.of {
		if allow.TokensAt(now) >= float64(r.perMinute) {
			delete(r.of, key)
		}
	}
}
