package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"cpsgate/cardside"
	"cpsgate/cardside/desk"
	"cpsgate/cardside/pkcs11"
)

type enrollCommand struct {
	serverFlags
	Code         string        `arg:"" help:"help.enroll-code"`
	Workstation  string        `placeholder:"NAME" help:"help.enroll-workstation"`
	CardPINFd    int           `name:"card-pin-fd" default:"-1" placeholder:"N" help:"help.card-pin-fd"`
	NewPINFd     int           `name:"new-pin-fd" default:"-1" placeholder:"N" help:"help.enroll-new-pin-fd"`
	FirstPINFd   int           `name:"first-pin-fd" default:"-1" placeholder:"N" help:"help.first-pin-fd"`
	ReallyErase  bool          `name:"really-erase-this-card" help:"help.enroll-erase"`
	ServerWithin time.Duration `default:"60s" help:"help.server-within"`
}

// enrolled is the result of enroll as JSON.
type enrolled struct {
	desk.Outcome
	MachineSeconds float64 `json:"machineSeconds"`
}

// Run enrols the card for the ticket of the code.
func (c enrollCommand) Run(a *act) error {
	set, err := c.settings(a)
	if err != nil {
		return err
	}
	if set.Server == "" {
		return &misuse{a.f("enroll.no-server")}
	}
	o := desk.Options{
		Server: set.Server, Code: c.Code, Workstation: c.workstation(set), Language: a.language,
		Choice: a.choice(nil), Module: set.Module, Erase: c.ReallyErase, Patience: c.ServerWithin, Person: c.person(a), Now: a.now,
		Tell: a.progress, Away: a.serverAway, Desk: a.deskWaited,
	}
	if o.Trust, err = set.trust(); err != nil {
		return err
	}
	outcome, err := desk.Enrol(a.ctx, o)
	a.waited()
	if err != nil {
		return err
	}
	return a.print(enrolled{outcome, outcome.Machine.Seconds()}, func() { a.enrolledForTicket(outcome) })
}

// workstation is what the desk calls this workstation.
func (c enrollCommand) workstation(set settings) string {
	if c.Workstation != "" {
		return c.Workstation
	}
	if set.Workstation != "" {
		return set.Workstation
	}
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	return host
}

// person asks on the terminal, or reads descriptors: from one that is named for
// several PINs, each takes the next line.
func (c enrollCommand) person(a *act) desk.Person {
	newFd := c.NewPINFd
	if newFd < 0 {
		newFd = a.PINFd
	}
	return desk.Person{
		CardPIN: func(ctx context.Context, token pkcs11.Token) ([]byte, error) {
			if token.FewTries {
				fmt.Fprintln(a.stderr, a.f("enroll.few-card-tries"))
			}
			return a.enter(ctx, c.CardPINFd, "prompt.card")
		},
		CurrentPIN: func(ctx context.Context) ([]byte, error) { return a.enter(ctx, a.PINFd, "prompt.pin") },
		NewPIN: func(ctx context.Context, least int, refused error) ([]byte, error) {
			a.waited()
			if refused != nil {
				e := cardside.Explain(refused, a.language)
				fmt.Fprintf(a.stderr, "%s. %s\n", e.Title, e.Why)
			}
			if newFd < 0 {
				fmt.Fprintln(a.stderr, a.f("enroll.choose", least))
			}
			return a.newPIN(ctx, newFd, "prompt.new")
		},
		Give:  func(first []byte) error { return c.give(a, first) },
		Again: a.typing(newFd) && a.typing(c.CardPINFd) && a.typing(a.PINFd),
	}
}

// give hands a first PIN over on the terminal, or writes it to a descriptor:
// never to standard output, which may end up in a file.
func (c enrollCommand) give(a *act, first []byte) error {
	line := append(append(make([]byte, 0, len(first)+1), first...), '\n')
	defer clear(line)
	if c.FirstPINFd >= 0 {
		file := os.NewFile(uintptr(c.FirstPINFd), "first pin")
		if file == nil {
			return fmt.Errorf("%w: descriptor %d", cardside.ErrPINEntry, c.FirstPINFd)
		}
		_, err := file.Write(line)
		return errors.Join(err, file.Close())
	}
	if !a.redraw {
		return fmt.Errorf("%w: no terminal to show the first PIN on, and no --first-pin-fd", cardside.ErrPINEntry)
	}
	fmt.Fprint(a.stderr, a.f("enroll.first-pin"))
	_, err := a.stderr.Write(line)
	return err
}
