package main

import "fmt"

type resetCommand struct {
	Really bool `name:"really-erase-this-card" help:"help.reset-really"`
}

// Run erases the FIDO2 application, if that is really meant.
func (c resetCommand) Run(a *act) error {
	if !c.Really {
		return &misuse{a.f("reset.really")}
	}
	card, err := a.open()
	if err != nil {
		return err
	}
	defer card.Close()
	fmt.Fprintln(a.stderr, a.f("reset.going", card.Reader))
	err = card.Reset(a.ctx)
	a.waited()
	if err != nil {
		return err
	}
	return a.print(done{"reset", card.Reader}, func() { a.say("reset.done") })
}
