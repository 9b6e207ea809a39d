package main

import (
	"cpsgate/cardside"
)

type pinCommand struct {
	Set    pinSetCommand    `cmd:"" help:"help.pin-set"`
	Change pinChangeCommand `cmd:"" help:"help.pin-change"`
}

type pinSetCommand struct{}

// done is the result of a command that changes the card and has no more to say.
type done struct {
	Done   string `json:"done"`
	Reader string `json:"reader,omitempty"`
}

// Run sets the first PIN of a blank card.
func (pinSetCommand) Run(a *act) error {
	card, err := a.open()
	if err != nil {
		return err
	}
	defer card.Close()
	info, err := card.Info(a.ctx)
	if err != nil {
		return err
	}
	if info.HasPIN() {
		return cardside.ErrNotBlank
	}
	pin, err := a.newPIN(a.ctx, a.PINFd, "prompt.new")
	if err != nil {
		return err
	}
	defer clear(pin)
	if err := card.SetPIN(a.ctx, pin); err != nil {
		return err
	}
	return a.print(done{"pin-set", card.Reader}, func() { a.say("pin.set") })
}

type pinChangeCommand struct {
	NewPINFd int `name:"new-pin-fd" default:"-1" placeholder:"N" help:"help.new-pin-fd"`
}

// Run replaces the PIN. From one descriptor, the current PIN is the first line
// and the new one the second.
func (c pinChangeCommand) Run(a *act) error {
	card, err := a.open()
	if err != nil {
		return err
	}
	defer card.Close()
	info, err := card.Info(a.ctx)
	if err != nil {
		return err
	}
	if !info.HasPIN() {
		return cardside.ErrBlank
	}
	current, err := a.pin("prompt.current")
	if err != nil {
		return err
	}
	defer clear(current)
	fd := c.NewPINFd
	if fd < 0 {
		fd = a.PINFd
	}
	next, err := a.newPIN(a.ctx, fd, "prompt.new")
	if err != nil {
		return err
	}
	defer clear(next)
	if err := card.ChangePIN(a.ctx, current, next); err != nil {
		return err
	}
	return a.print(done{"pin-changed", card.Reader}, func() { a.say("pin.changed") })
}
