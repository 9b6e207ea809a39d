package main

import (
	"fmt"

	"cpsgate/cardside"
)

type helpCommand struct {
	ExitCodes helpExitCodesCommand `cmd:"" help:"help.exit-codes"`
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
