package enroll

import (
	"net/netip"
	"sync"
	"time"
)

// maxGuessers bounds the addresses remembered; beyond, the one that erred
// longest ago is forgotten.
const maxGuessers = 10_000

// guesses counts wrong codes by address. It is memory only: a restart forgives
// them, which gives a guesser of 40 random bits nothing to speak of.
type guesses struct {
	most int
	lock time.Duration

	mu sync.Mutex // guards by
	by map[string]*guesser
}

type guesser struct {
	wrong  int
	since  time.Time
	locked time.Time // its end
}

func newGuesses(p Policy) *guesses {
	return &guesses{most: p.WrongCodes, lock: p.LockFor, by: map[string]*guesser{}}
}

// lockedUntil refuses an address that is locked.
func (g *guesses) lockedUntil(address string, now time.Time) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if who := g.by[origin(address)]; who != nil && now.Before(who.locked) {
		return &Refusal{Reason: ReasonTicketLocked, Until: who.locked}
	}
	return nil
}

// erred counts one wrong code, and locks the address at the last one allowed.
func (g *guesses) erred(address string, now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	key := origin(address)
	who := g.by[key]
	if who == nil || now.Sub(who.since) >= g.lock {
		if who == nil && len(g.by) >= maxGuessers {
			g.forgetOldest()
		}
		who = &guesser{since: now}
		g.by[key] = who
	}
	if who.wrong++; who.wrong >= g.most {
		who.locked, who.wrong = now.Add(g.lock), 0
	}
}

func (g *guesses) forgetOldest() {
	var oldest string
	for key, who := range g.by {
		if oldest == "" || who.since.Before(g.by[oldest].since) {
			oldest = key
		}
	}
	delete(g.by, oldest)
}

// origin is an address as it is counted: an IPv6 host has its whole /64.
func origin(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil {
		return address
	}
	if a = a.Unmap(); a.Is6() {
		if network, err := a.WithZone("").Prefix(64); err == nil {
			return network.String()
		}
	}
	return a.String()
}
