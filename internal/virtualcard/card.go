package virtualcard

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"time"

	"cpsgate/internal/virtualcard/authenticator"
)

// ErrEjected is what Transmit and Serve end with when the card left its reader.
var ErrEjected = errors.New("card ejected")

// ErrUnpowered is an APDU to a card without power.
var ErrUnpowered = errors.New("card has no power")

// Card is one virtual card. Its methods may be called from several goroutines.
type Card struct {
	engine *authenticator.Engine
	atr    []byte
	trace  func(command, answer []byte)
	delay  time.Duration

	mu      sync.Mutex // guards all below
	shell   shell
	powered bool
	apdus   int
	ups     int   // times it was given power
	looks   int   // times its ATR was asked for since
	eject   int   // APDUs until the card leaves; 0: it stays
	gone    error // why it leaves in the middle of a message; nil: it stays
}

// New makes a card, blank or as its state file says, not yet powered.
func New(o Options) (*Card, error) {
	if err := o.check(); err != nil {
		return nil, fmt.Errorf("making a card: %w", err)
	}
	atr, err := chooseATR(o)
	if err != nil {
		return nil, fmt.Errorf("making a card: %w", err)
	}
	engine, err := newEngine(o)
	if err != nil {
		return nil, fmt.Errorf("making a card: %w", err)
	}
	trace := o.Trace
	if trace == nil {
		trace = func(_, _ []byte) {}
	}
	c := &Card{
		engine: engine, atr: atr, trace: trace, delay: o.Delay, eject: o.EjectAt,
		shell: shell{options: o, handle: engine.Handle, onFIDO: engine.Select},
	}
	if o.Interrupt != nil {
		c.shell.handle = func(message []byte) []byte { return c.interruptible(message, o.Interrupt) }
	}
	return c, nil
}

// interruptible lets the applet act on a message, unless the card leaves before.
// Within Transmit.
func (c *Card) interruptible(message []byte, interrupt func(message []byte, acted bool) error) []byte {
	if c.gone = interrupt(message, false); c.gone != nil {
		return nil
	}
	answer := c.engine.Handle(message)
	c.gone = interrupt(message, true)
	return answer
}

// newEngine makes the FIDO2 applet's authenticator, from the state file if there is one.
func newEngine(o Options) (*authenticator.Engine, error) {
	state, found, err := loadState(o.StateFile)
	if err != nil {
		return nil, err
	}
	if !found {
		if state, err = authenticator.Blank(o.FIDO); err != nil {
			return nil, err
		}
		if o.PIN != "" {
			state = state.WithPIN(o.PIN)
		}
		if o.PINTriesLeft > 0 {
			state.PINRetries = o.PINTriesLeft
		}
	}
	if o.StateFile != "" && o.FIDO.Persist == nil {
		o.FIDO.Persist = func(s authenticator.State) error { return saveState(o.StateFile, s) }
	}
	engine, err := authenticator.Restore(o.FIDO, state)
	if err == nil && !found && o.FIDO.Persist != nil {
		err = o.FIDO.Persist(state)
	}
	return engine, err
}

// ATR is the card's answer to reset.
func (c *Card) ATR() []byte { return bytes.Clone(c.atr) }

// Engine is the FIDO2 applet's authenticator.
func (c *Card) Engine() *authenticator.Engine { return c.engine }

// APDUs counts the commands answered since the card was made.
func (c *Card) APDUs() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.apdus
}

// PowerUps counts how often the card was given power since it was made.
func (c *Card) PowerUps() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ups
}

// Looks counts how often the reader has asked for the ATR since it gave the card
// power: once for the power, then at each look whether a card is there.
func (c *Card) Looks() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.looks
}

// look is the reader asking for the ATR.
func (c *Card) look() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.looks++
	return c.atr
}

// EjectAfter makes the card leave instead of answering its n-th APDU from now;
// with 0 it stays.
func (c *Card) EjectAfter(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.eject = n
}

// PowerOn gives the card power. It answers as a CPS3 until an application is selected.
func (c *Card) PowerOn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.powered = true
	c.ups++
	c.looks = 0
	c.shell.reset()
	c.engine.PowerUp()
}

// PowerOff takes it away.
func (c *Card) PowerOff() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.powered = false
	c.shell.reset()
}

// Reset is a warm reset: the power stays on.
func (c *Card) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shell.reset()
	c.engine.WarmReset()
}

// Transmit answers a command APDU. ErrEjected means that there is no answer
// because the card left.
func (c *Card) Transmit(apdu []byte) ([]byte, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.powered {
		return nil, ErrUnpowered
	}
	if c.eject > 0 {
		if c.eject--; c.eject == 0 {
			c.trace(apdu, nil)
			return nil, ErrEjected
		}
	}
	c.apdus++
	answer := c.shell.answer(apdu)
	if gone := c.gone; gone != nil {
		c.gone = nil
		c.trace(apdu, nil)
		return nil, gone
	}
	c.trace(apdu, answer)
	return answer, nil
}
