package sessions_test

import (
	"testing"
	"time"

	"cpsgate/sessions"
)

// TestEndBefore: told late of an ending, it is of the sessions opened before.
func TestEndBefore(t *testing.T) {
	for name, of := range map[string]sessions.Whose{
		"of a person": {Holder: alice}, "on a card": {Card: cardA}, "by a passkey": {Passkey: []byte("key")}, "at a workstation": {Workstation: "W1"},
	} {
		t.Run(name, func(t *testing.T) {
			m, clock := newManager(t, sessions.Options{})
			s := byPasskey(alice, cardA, "key")
			s.Workstation = "W1"
			old, _ := open(t, m, s)
			clock.add(time.Minute)
			moment := clock.now()
			young, _ := open(t, m, s)
			s = byPasskey(bob, cardB, "other")
			s.Workstation = "W2"
			other, _ := open(t, m, s)
			rotated, _, err := m.Rotate(t.Context(), old, nil) // a new token makes no new session
			if err != nil {
				t.Fatal(err)
			}
			if n, err := m.EndBefore(t.Context(), of, moment); n != 1 || err != nil {
				t.Errorf("%d ended, %v", n, err)
			}
			wantFind(t, m, rotated, sessions.ErrNoSession)
			wantFind(t, m, young, nil)
			wantFind(t, m, other, nil)
			if n, err := m.EndBefore(t.Context(), of, clock.now().Add(time.Second)); n != 1 || err != nil {
				t.Errorf("%d ended, %v", n, err)
			}
			wantFind(t, m, young, sessions.ErrNoSession)
			wantFind(t, m, other, nil)
		})
	}
	m, _ := newManager(t, sessions.Options{})
	token, _ := open(t, m, byCard(alice, cardA))
	if n, err := m.EndBefore(t.Context(), sessions.Whose{}, start.Add(time.Hour)); n != 0 || err != nil {
		t.Errorf("of nobody: %d ended, %v", n, err)
	}
	wantFind(t, m, token, nil)
}
