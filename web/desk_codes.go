package web

import (
	"sync"
	"time"
)

// maxCodes bounds the codes that are still to be read out.
const maxCodes = 10_000

// codes are those of tickets just opened: kept in memory only, for the session
// that opened the ticket, until the code is used or its time is over. A restart
// forgets them; the operator then opens another ticket.
type codes struct {
	mu sync.Mutex // guards of
	of map[string]shownCode
}

type shownCode struct {
	code, session string
	until         time.Time
}

func newCodes() *codes { return &codes{of: map[string]shownCode{}} }

// keep notes a code, and forgets those whose time is over.
func (k *codes) keep(ticket, session, code string, until, now time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, c := range k.of {
		if !now.Before(c.until) {
			delete(k.of, id)
		}
	}
	if len(k.of) < maxCodes {
		k.of[ticket] = shownCode{code, session, until}
	}
}

// show gives the code to the session that opened the ticket.
func (k *codes) show(ticket, session string, now time.Time) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	c := k.of[ticket]
	if c.session != session || !now.Before(c.until) {
		return ""
	}
	return c.code
}

// forget is for a ticket whose code opens nothing any more.
func (k *codes) forget(ticket string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.of, ticket)
}
