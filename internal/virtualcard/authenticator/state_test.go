package authenticator_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"cpsgate/internal/virtualcard/authenticator"
)

func TestReset(t *testing.T) {
	for _, test := range []struct {
		name   string
		window time.Duration
		after  time.Duration
		want   byte
	}{
		{"just after power-up", 0, 0, ok},
		{"at the end of the ten seconds", 0, 10 * time.Second, ok},
		{"too late", 0, 10*time.Second + 1, notAllowed},
		{"another window", time.Millisecond, 2 * time.Millisecond, notAllowed},
		{"no window", -1, time.Hour, ok},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := withPIN(t, authenticator.Options{ResetWindow: test.window})
			made := p.make(nil)
			wrapped := p.make(m{7: nil})
			p.clock.advance(test.after)
			status, _ := p.call(0x07, nil)
			p.want(test.want, status)
			if test.want != ok {
				p.engine.WarmReset() // does not begin the time anew
				status, _ = p.call(0x07, nil)
				p.want(notAllowed, status)
				p.engine.PowerUp()
				status, _ = p.call(0x07, nil)
				p.want(ok, status)
			}
			_, a := p.call(0x04, nil)
			if read[map[string]bool](p, a, 4)["clientPin"] || read[int](p, a, 0x14) != 8 {
				t.Error("not blank")
			}
			for _, id := range [][]byte{made.data.id, wrapped.data.id} {
				status, _ = p.call(0x02, assertParams(m{3: []any{descriptor(id)}}))
				p.want(noCredentials, status)
			}
		})
	}
}

func TestTwoStepReset(t *testing.T) {
	p := withPIN(t, authenticator.Options{TwoStepReset: true})
	reset := func(want byte) {
		t.Helper()
		status, _ := p.call(0x07, nil)
		p.want(want, status)
	}
	reset(operationDenied)
	reset(operationDenied) // not in the same power cycle
	if left, _ := p.retries(); left != 8 {
		t.Error("something was reset")
	}
	p.engine.PowerUp()
	reset(ok)
	p.want(ok, p.setPIN(testPIN))
	p.engine.PowerUp()
	reset(operationDenied) // the next one has two steps again
}

// What lasts is told before the answer, and comes back.
func TestStateRoundTrip(t *testing.T) {
	var kept []byte
	persist := func(s authenticator.State) (err error) {
		kept, err = json.Marshal(s)
		return err
	}
	p := withPIN(t, authenticator.Options{Persist: persist, HMACSecret: true})
	made, wrapped := p.make(nil), p.make(m{7: nil})
	p.want(ok, p.configure(0x03, m{2: []string{testRP}}))
	p.want(ok, p.configure(0x02, nil))
	status, _ := p.tryToken("0000", ga, testRP)
	p.want(pinInvalid, status)

	var state authenticator.State
	if err := json.Unmarshal(kept, &state); err != nil {
		t.Fatal(err)
	}
	engine, err := authenticator.Restore(authenticator.Options{Now: func() time.Time { return p.clock.now }}, state)
	if err != nil {
		t.Fatal(err)
	}
	q := &platform{T: t, engine: engine, clock: p.clock, protocol: 2}
	if left, blocked := q.retries(); left != 7 || blocked {
		t.Errorf("%d tries left, blocked %t", left, blocked)
	}
	for _, id := range [][]byte{made.data.id, wrapped.data.id} {
		status, a := q.assert(m{3: []any{descriptor(id)}})
		q.want(ok, status)
		if _, d, _, _ := q.asserted(a); d.counter <= wrapped.data.counter {
			t.Errorf("the counter fell to %d", d.counter)
		}
	}
	_, a := q.call(0x04, nil)
	if !read[map[string]bool](q, a, 4)["alwaysUv"] {
		t.Error("alwaysUv was lost")
	}
}

// Reading commands write nothing.
func TestOnlyChangesPersist(t *testing.T) {
	writes := 0
	p := withPIN(t, authenticator.Options{Persist: func(authenticator.State) error { writes++; return nil }})
	p.make(nil)
	before := writes
	p.call(0x04, nil)
	p.call(0x0B, nil)
	p.retries()
	p.agree()
	if writes != before {
		t.Errorf("%d writes by commands that read", writes-before)
	}
}

func TestWhatCannotBeKeptFails(t *testing.T) {
	broken := false
	p := newPlatform(t, authenticator.Options{Persist: func(authenticator.State) error {
		if broken {
			return errors.New("disk full")
		}
		return nil
	}})
	p.want(ok, p.setPIN(testPIN))
	broken = true
	p.want(other, p.changePIN(testPIN, "7777"))
}

func TestPersonalisedState(t *testing.T) {
	blank, err := authenticator.Blank(authenticator.Options{PINTries: 3})
	if err != nil {
		t.Fatal(err)
	}
	state := blank.WithPIN(testPIN)
	state.PINRetries = 1
	engine, err := authenticator.Restore(authenticator.Options{PINTries: 3}, state)
	if err != nil {
		t.Fatal(err)
	}
	p := &platform{T: t, engine: engine, protocol: 2}
	if left, _ := p.retries(); left != 1 {
		t.Errorf("%d tries left", left)
	}
	p.token(ga, testRP)
	if left, _ := p.retries(); left != 3 {
		t.Errorf("%d tries left after the right PIN", left)
	}
}

func TestStatesThatCannotBe(t *testing.T) {
	p := newPlatform(t, authenticator.Options{})
	status, _ := p.call(0x01, makeParams(nil))
	p.want(ok, status)
	good := p.engine.State()
	if _, err := authenticator.Restore(authenticator.Options{}, good); err != nil {
		t.Fatal(err)
	}
	if _, err := authenticator.Restore(authenticator.Options{MinPINLength: 1}, good); err == nil {
		t.Error("impossible options were taken")
	}
	for name, alter := range map[string]func(s *authenticator.State){
		"a short master key":           func(s *authenticator.State) { s.MasterKey = s.MasterKey[:31] },
		"a PIN hash too long":          func(s *authenticator.State) { s.PINHash = make([]byte, 32) },
		"more tries than there can be": func(s *authenticator.State) { s.PINRetries = 9 },
		"negative tries":               func(s *authenticator.State) { s.UVRetries = -1 },
		"a minimum PIN length of 3":    func(s *authenticator.State) { s.MinPINLength = 3 },
		"too many RPs":                 func(s *authenticator.State) { s.MinPINRPs = make([]string, 5) },
		"a credential without id":      func(s *authenticator.State) { s.Credentials[0].ID = nil },
		"a protection of no level":     func(s *authenticator.State) { s.Credentials[0].Protection = 0 },
		"a key that is none":           func(s *authenticator.State) { s.Credentials[0].PrivateKey = make([]byte, 32) },
	} {
		state := p.engine.State()
		alter(&state)
		if _, err := authenticator.Restore(authenticator.Options{}, state); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if got := p.engine.State(); got.Credentials[0].Protection != 1 {
		t.Error("a copy of the state is the state")
	}
}
