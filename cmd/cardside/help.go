package main

import (
	"embed"
	"fmt"

	"cpsgate/cardside"
)

type helpCommand struct {
	Enroll    helpEnrollCommand    `cmd:"" help:"help.help-enroll"`
	ExitCodes helpExitCodesCommand `cmd:"" help:"help.exit-codes"`
}

//go:embed guides
var guides embed.FS

type helpEnrollCommand struct{}

// Run says how a card is enrolled, and what happens when it is not.
func (helpEnrollCommand) Run(a *act) error {
	guide, err := guides.ReadFile("guides/enroll." + string(a.language) + ".txt")
	if err != nil {
		return err
	}
	_, err = a.stdout.Write(guide)
	return err
}

type helpExitCodesCommand struct{}

// Run lists the exit codes and the reasons that lead to each.
func (helpExitCodesCommand) Run(a *act) error {
	type line struct {
		Code    int               `json:"code"`
		Meaning string            `json:"meaning"`
		Reasons []cardside.Reason `json:"reasons,omitempty"`
	}
	var all []line
	for _, code := range cardside.ExitCodes() {
		l := line{Code: int(code), Meaning: a.f(fmt.Sprintf("exit.%d", code))}
		for _, reason := range cardside.Reasons() {
			if cardside.ExitCodeOf(reason) == code {
				l.Reasons = append(l.Reasons, reason)
			}
		}
		all = append(all, l)
	}
	return a.print(all, func() {
		for _, l := range all {
			fmt.Fprintf(a.stdout, "%2d  %s\n", l.Code, l.Meaning)
			for _, reason := range l.Reasons {
				sentence, _ := cardside.SentenceFor(reason, a.language)
				fmt.Fprintf(a.stdout, "      %-28s %s\n", reason, sentence.Title)
			}
		}
	})
}
