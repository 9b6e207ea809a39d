package authenticator

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// The commands (CTAP 2.1 §6).
const (
	commandMakeCredential    = 0x01
	commandGetAssertion      = 0x02
	commandGetInfo           = 0x04
	commandClientPIN         = 0x06
	commandReset             = 0x07
	commandGetNextAssertion  = 0x08
	commandCredentials       = 0x0A
	commandSelection         = 0x0B
	commandConfig            = 0x0D
	commandCredentialsBefore = 0x41 // credential management, FIDO_2_1_PRE
)

// Engine is one authenticator. Its methods may be called from several
// goroutines; messages are handled one at a time.
type Engine struct {
	mu      sync.Mutex
	options Options
	state   State
	dirty   bool // state changed since it was persisted

	// All below is lost without power.
	poweredAt  time.Time
	resetTried bool // a two-step reset was refused in this power cycle
	mismatches int  // wrong PINs in a row in this power cycle
	agreements agreements
	token      token
	rest       rest
}

// rest is what remains of an answer that is fetched in parts. Any other
// command drops it (CTAP 2.1 §6, stateful commands).
type rest struct {
	at          time.Time
	assertion   assertion
	credentials []Credential // of getNextAssertion, or of credential management
	rpIDs       []string
}

// restLife is how long the rest of an answer can be fetched (CTAP 2.1 §6.3).
const restLife = 30 * time.Second

// New makes a blank authenticator, powered up.
func New(o Options) (*Engine, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("making an authenticator: %w", err)
	}
	if o.Fault == FaultStranger {
		if o.Attestation, err = strangerAttestation(o.AAGUID, o.Now()); err != nil {
			return nil, fmt.Errorf("making an attestation nobody knows: %w", err)
		}
	}
	e := &Engine{options: o, state: blank(o)}
	e.powerUp()
	return e, nil
}

// Restore makes the authenticator that State described.
func Restore(o Options, s State) (*Engine, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("restoring an authenticator: %w", err)
	}
	e, err := New(o)
	if err != nil {
		return nil, err
	}
	e.state = s.clone()
	return e, nil
}

// State is a copy of what would outlast a power cycle now.
func (e *Engine) State() State {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.state.clone()
}

// PowerUp is the power cycle: volatile state is gone, wrong PINs in a row are
// forgotten, and the time in which a reset is obeyed begins.
func (e *Engine) PowerUp() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.powerUp()
}

func (e *Engine) powerUp() {
	e.poweredAt = e.options.Now()
	e.mismatches, e.resetTried = 0, false
	e.forget()
}

// WarmReset is a reset with the power on: volatile state is gone, yet neither
// the PIN block nor the reset window begins anew. Many real cards cannot tell
// it from a power cycle; a client that relies on that fails here.
func (e *Engine) WarmReset() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forget()
}

// Select tells the authenticator that its applet was selected.
func (e *Engine) Select() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.options.ForgetOnSelect {
		e.forget()
	}
}

func (e *Engine) forget() {
	e.agreements, e.token, e.rest = agreements{}, token{}, rest{}
}

// Handle answers one message: a command byte and its CBOR parameters. The
// answer is a status byte and, after success, CBOR or nothing.
func (e *Engine) Handle(message []byte) []byte {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(message) > e.options.MaxMsgSize {
		return []byte{byte(statusRequestTooLarge)}
	}
	answer, err := e.run(message)
	if e.dirty {
		e.dirty = false
		if persistErr := e.options.Persist(e.state.clone()); persistErr != nil {
			err = fmt.Errorf("persisting: %w", persistErr) // an act that leaves no trace must fail
		}
	}
	return reply(answer, err)
}

// reply encodes the outcome of a command; a nil answer has no body.
func reply(answer any, err error) []byte {
	var code status
	switch {
	case errors.As(err, &code):
		return []byte{byte(code)}
	case err != nil:
		return []byte{byte(statusOther)}
	}
	if answer == nil {
		return []byte{byte(statusOK)}
	}
	body, isBytes := answer.([]byte)
	if !isBytes {
		if body, err = encoding.Marshal(answer); err != nil {
			return []byte{byte(statusOther)}
		}
	}
	return append([]byte{byte(statusOK)}, body...)
}

func (e *Engine) run(message []byte) (any, error) {
	if len(message) == 0 {
		return nil, statusInvalidLength
	}
	command, body := message[0], message[1:]
	was := e.rest
	e.rest = rest{}
	switch command {
	case commandGetInfo:
		return e.info()
	case commandReset:
		return nil, e.reset()
	case commandGetNextAssertion:
		return e.nextAssertion(was)
	case commandSelection:
		if e.options.Version == CTAP21 {
			return nil, nil // in the reader counts as touched
		}
	}
	p, err := parseParams(body)
	if err != nil && known(command, e.options.Version) {
		return nil, err
	}
	switch {
	case command == commandMakeCredential:
		return e.makeCredential(p)
	case command == commandGetAssertion:
		return e.getAssertion(p)
	case command == commandClientPIN:
		return e.clientPIN(p)
	case command == commandCredentials && known(command, e.options.Version),
		command == commandCredentialsBefore && known(command, e.options.Version):
		return e.credentialManagement(command, p, was)
	case command == commandConfig && known(command, e.options.Version):
		return nil, e.config(p)
	}
	return nil, statusInvalidCommand
}

// known tells the commands with parameters that a version has.
func known(command byte, v Version) bool {
	switch command {
	case commandMakeCredential, commandGetAssertion, commandClientPIN:
		return true
	case commandCredentialsBefore:
		return v == CTAP21 || v == CTAP21Pre
	case commandCredentials, commandConfig:
		return v == CTAP21
	}
	return false
}

// reset is authenticatorReset (CTAP 2.1 §6.6).
func (e *Engine) reset() error {
	o := e.options
	if o.ResetWindow >= 0 && o.Now().Sub(e.poweredAt) > o.ResetWindow {
		return statusNotAllowed
	}
	if o.TwoStepReset {
		if e.resetTried {
			return statusOperationDenied
		}
		if !e.state.ResetAsked {
			e.state.ResetAsked, e.dirty, e.resetTried = true, true, true
			return statusOperationDenied
		}
	}
	e.state, e.dirty = blank(o), true
	e.mismatches = 0
	e.forget()
	return nil
}

// protected tells whether some form of user verification is configured.
func (e *Engine) protected() bool { return e.pinSet() || e.options.BuiltInUV != nil }

func (e *Engine) pinSet() bool { return len(e.state.PINHash) > 0 }

// speaks21 tells whether CTAP 2.1's tokens with permissions apply.
func (e *Engine) speaks21() bool { return e.options.Version == CTAP21 }
