package web

import (
	"context"
	"time"
)

// Counter adds up what several nodes count; *sessions.Redis is one.
type Counter interface {
	// Count adds to counts and gives what all nodes have counted in the running
	// window of that length.
	Count(ctx context.Context, window time.Duration, now time.Time, add map[string]int) (totals map[string]int, err error)
}

// Rates are shared once a second, beside the requests: none waits for it, and
// while it fails each node holds to its own. So somebody who spreads requests
// over all nodes gets a second's more.
const (
	shareEvery  = time.Second
	shareWindow = time.Minute
	shareTime   = 2 * time.Second
)

// Run shares with other nodes what addresses and people have used up of their
// rates, until ctx ends. Without Options.Counter it only waits.
func (s *Server) Run(ctx context.Context) {
	if s.o.Counter == nil {
		<-ctx.Done()
		return
	}
	tick := time.NewTicker(shareEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.shareRates(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (s *Server) shareRates(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, shareTime)
	defer cancel()
	for name, l := range map[string]limiter{"requests:": s.requests, "clients:": s.clients, "attempts:": s.attempts, "sign-ins:": s.signIns} {
		now := s.o.Now()
		used := l.used(now)
		add := make(map[string]int, len(used))
		for key, n := range used {
			add[name+key] = n
		}
		totals, err := s.o.Counter.Count(ctx, shareWindow, now, add)
		if err != nil {
			s.o.Logger.WarnContext(ctx, "rates are not shared with other nodes for now", "error", err)
			return
		}
		for key := range used {
			l.heed(key, totals[name+key], now)
		}
	}
}

// share is what a key has used in the running window: here, of that already
// told to the others, and elsewhere.
type share struct {
	window             int64
	here, told, others int
}

// running gives the share of the window that now is in.
func (e *limited) running(now time.Time) *share {
	if w := now.UnixMilli() / shareWindow.Milliseconds(); e.share.window != w {
		e.share = share{window: w}
	}
	return &e.share
}

// used is what each key has used here since this was last asked.
func (l limiter) used(now time.Time) map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	used := map[string]int{}
	for key, element := range l.keys {
		of := element.Value.(*limited).running(now)
		if of.here > 0 { // asked again while it lasts, for what others use
			used[key] = of.here - of.told
			of.told = of.here
		}
	}
	return used
}

// heed takes from a key's allowance here what it has used elsewhere.
func (l limiter) heed(key string, total int, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	element, found := l.keys[key]
	if !found {
		return
	}
	e := element.Value.(*limited)
	of := e.running(now)
	if elsewhere := total - of.told - of.others; elsewhere > 0 {
		of.others += elsewhere
		e.allow.ReserveN(now, min(elsewhere, l.perMinute))
	}
}
