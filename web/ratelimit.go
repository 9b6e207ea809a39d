package web

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"github.com/labstack/echo/v4"
	"golang.org/x/time/rate"

	"cpsgate/audit"
	"cpsgate/identity"
)

// kindRate is the audit's kind of requests that come too fast from one address.
const kindRate = "request.rate"

// maxLimited bounds how many addresses or people a limiter remembers. Beyond
// it the one seen longest ago is forgotten, and starts with a full allowance.
const maxLimited = 20_000

// limiter allows each key so many events a minute, all of which may come at once.
type limiter struct{ *limiterState }

type limiterState struct {
	perMinute int
	max       int

	mu    sync.Mutex // guards the two below
	order *list.List // of *limited, the latest seen first
	keys  map[string]*list.Element
}

type limited struct {
	key   string
	allow *rate.Limiter
	held  int // let through, and not settled
	share share
}

func newLimiter(perMinute int) limiter {
	return limiter{&limiterState{perMinute: perMinute, max: maxLimited, order: list.New(), keys: map[string]*list.Element{}}}
}

// wait is zero when the event may pass at now, else how long to wait.
func (l limiter) wait(key string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.of(key)
	of.running(now).here++
	reservation := of.allow.ReserveN(now, 1)
	delay := reservation.DelayFrom(now)
	if delay > 0 {
		reservation.CancelAt(now)
		of.running(now).here-- // it was not let through
	}
	return delay
}

// hold lets an event pass that may turn out not to count, or tells how long to
// wait. Until settle says what it was, it counts: as many as are left may be on
// their way at once.
func (l limiter) hold(key string, now time.Time) (settle func(counts bool, now time.Time), wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of := l.of(key)
	if left := of.allow.TokensAt(now) - float64(of.held); left < 1 {
		return nil, time.Duration((1 - left) * float64(time.Minute) / float64(l.perMinute))
	}
	of.held++
	return func(counts bool, now time.Time) {
		l.mu.Lock()
		defer l.mu.Unlock()
		of.held--
		if counts {
			of.running(now).here++
			of.allow.ReserveN(now, 1)
		}
	}, 0
}

// of finds or makes the key's limiter. The caller holds mu.
func (l limiter) of(key string) *limited {
	if element, found := l.keys[key]; found {
		l.order.MoveToFront(element)
		return element.Value.(*limited)
	}
	if l.order.Len() >= l.max {
		oldest := l.order.Back()
		delete(l.keys, oldest.Value.(*limited).key)
		l.order.Remove(oldest)
	}
	fresh := &limited{key: key, allow: rate.NewLimiter(rate.Limit(float64(l.perMinute)/60), l.perMinute)}
	l.keys[key] = l.order.PushFront(fresh)
	return fresh
}

// addressKey puts an IPv6 network of one subscriber together: whoever has a
// /64 has all its addresses.
func addressKey(address string) string {
	a, err := netip.ParseAddr(address)
	if err != nil || a.Unmap().Is4() {
		return address
	}
	prefix, err := a.WithZone("").Prefix(64)
	if err != nil {
		return address
	}
	return prefix.String()
}

// unhurried bounds all requests of an address but those that clients make by
// themselves, see machineSSO; counted bounds the steps of signing in. Loopback is
// no exception.
func (s *Server) unhurried(next echo.HandlerFunc) echo.HandlerFunc {
	within := s.within(s.requests, next)
	return func(c echo.Context) error {
		if s.ofMachineSSO(c.Path()) {
			return next(c)
		}
		return within(c)
	}
}

func (s *Server) counted(next echo.HandlerFunc) echo.HandlerFunc {
	return s.within(s.attempts, next)
}

func (s *Server) within(l limiter, next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if wait := l.wait(addressKey(c.RealIP()), s.o.Now()); wait > 0 {
			return s.refuseStranger(c, audit.Event{Kind: kindRate}, &tooMany{wait: wait})
		}
		return next(c)
	}
}

// signInAllowed bounds how often one person, once proven, signs in.
func (s *Server) signInAllowed(holder identity.PSIdNat) error {
	if wait := s.signIns.wait(string(holder), s.o.Now()); wait > 0 {
		return &tooMany{wait: wait}
	}
	return nil
}
