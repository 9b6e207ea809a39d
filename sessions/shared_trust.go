package sessions

import (
	"sync"
	"time"
)

// trust is what this node remembers of sessions that Redis has confirmed. It is
// asked only while Redis is away, and only for as long as the administrator
// said.
type trust struct {
	lasts time.Duration
	now   func() time.Time

	mu sync.Mutex // guards of
	of map[key]confirmed
}

type confirmed struct {
	session Session
	at      time.Time
}

// maxTrusted bounds what is remembered.
const maxTrusted = 20_000

func newTrust(lasts time.Duration, now func() time.Time) *trust {
	return &trust{lasts: lasts, now: now, of: map[key]confirmed{}}
}

func (t *trust) note(k key, s Session) {
	if t.lasts == 0 {
		return
	}
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, found := t.of[k]; !found && len(t.of) >= maxTrusted {
		t.makeRoom(now)
	}
	t.of[k] = confirmed{s.clone(), now}
}

// makeRoom forgets what may not be recalled any more, and one in any case. The
// caller holds mu.
func (t *trust) makeRoom(now time.Time) {
	spare := true
	for k, c := range t.of {
		if spare || now.Sub(c.at) >= t.lasts {
			delete(t.of, k)
			spare = false
		}
	}
}

func (t *trust) recall(k key) (Session, bool) {
	if t.lasts == 0 {
		return Session{}, false
	}
	now := t.now()
	t.mu.Lock()
	defer t.mu.Unlock()
	c, found := t.of[k]
	if !found || now.Sub(c.at) >= t.lasts || now.Before(c.at) {
		return Session{}, false
	}
	return c.session.clone(), true
}

func (t *trust) drop(k key) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.of, k)
}

func (t *trust) dropAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	clear(t.of)
}
