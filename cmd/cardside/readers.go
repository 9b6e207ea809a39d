package main

import (
	"fmt"
	"strings"

	"cpsgate/cardside"
	"cpsgate/cardside/pcsc"
)

type readersCommand struct {
	Live bool `help:"help.readers-live"`
}

// Run lists readers and cards, again at each change with --live.
func (c readersCommand) Run(a *act) error {
	if !c.Live {
		return a.listReaders()
	}
	return interrupted(pcsc.Watch(a.ctx, func(pcsc.Event) error {
		if a.screen && !a.JSON {
			fmt.Fprint(exact(a.stdout), "\x1b[H\x1b[2J")
		}
		return a.listReaders()
	}))
}

func (a *act) listReaders() error {
	set, err := serverFlags{}.settings(a)
	if err != nil {
		return err
	}
	report, err := cardside.Readers(a.ctx, set.Module)
	if err != nil {
		return err
	}
	return a.print(report, func() {
		if len(report.Readers) == 0 {
			a.say("readers.none")
		}
		for _, r := range report.Readers {
			fmt.Fprintf(a.stdout, "%s\n", r.Reader)
			a.table(a.readerRows(r))
		}
		for _, key := range report.Keys {
			a.say("readers.key", key.Manufacturer, key.Product, key.Path)
		}
	})
}

func (a *act) readerRows(r cardside.ReaderReport) [][2]string {
	if !r.Present {
		return [][2]string{{"  " + a.f("label.card"), a.f("readers.empty")}}
	}
	state := a.f("generation." + string(r.Generation))
	for condition, key := range map[string]bool{"readers.mute": r.Mute, "readers.in-use": r.InUse && !r.Exclusive, "readers.exclusive": r.Exclusive} {
		if key {
			state += " — " + a.f(condition)
		}
	}
	rows := [][2]string{{"  " + a.f("label.card"), state}}
	if r.TokenID != "" {
		rows = append(rows, [2]string{"  " + a.f("label.token"), r.TokenID})
	}
	if len(r.Applications) > 0 {
		var found []string
		for _, application := range r.Applications {
			found = append(found, a.f("application."+string(application)))
		}
		rows = append(rows, [2]string{"  " + a.f("label.applications"), strings.Join(found, ", ")})
	}
	if r.ATR != "" {
		rows = append(rows, [2]string{"  ATR", r.ATR})
	}
	return rows
}
