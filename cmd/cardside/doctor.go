package main

import (
	"fmt"

	"cpsgate/cardside"
)

type doctorCommand struct{ serverFlags }

// checkReport is a line of the doctor's as JSON.
type checkReport struct {
	Check       cardside.CheckName    `json:"check"`
	State       cardside.CheckState   `json:"state"`
	Found       string                `json:"found,omitempty"`
	Explanation *cardside.Explanation `json:"explanation,omitempty"`
}

type doctorReport struct {
	Healthy bool          `json:"healthy"`
	Checks  []checkReport `json:"checks"`
}

// Run makes every check; each line is ok, or says what to do.
func (c doctorCommand) Run(a *act) error {
	choice := a.choice(nil)
	choice.Patience = 0 // what is not there is a finding
	set, err := c.settings(a)
	if err != nil {
		return err
	}
	examination := cardside.Examination{Choice: choice, Module: set.Module, Server: set.Server, Language: a.language, Now: a.now}
	if examination.Trust, err = set.trust(); err != nil {
		return err
	}
	var report doctorReport
	report.Healthy = cardside.Diagnose(a.ctx, examination, func(check cardside.Check) {
		line := checkReport{Check: check.Name, State: check.State, Found: check.Found}
		if check.Err != nil {
			e := cardside.Explain(check.Err, a.language)
			line.Explanation = &e
		}
		report.Checks = append(report.Checks, line)
		if !a.JSON {
			a.checkInWords(line)
		}
	})
	if !report.Healthy {
		a.code = cardside.ExitFindings
	}
	return a.print(report, func() {
		a.say(map[bool]string{true: "doctor.healthy", false: "doctor.findings"}[report.Healthy])
	})
}

func (a *act) checkInWords(c checkReport) {
	line := fmt.Sprintf("%s %s", a.f("state."+string(c.State)), a.f("check."+string(c.Check)))
	if c.Found != "" {
		line += " : " + c.Found
	}
	fmt.Fprintln(a.stdout, line)
	if c.Explanation == nil {
		return
	}
	fmt.Fprintf(a.stdout, "    %s. %s\n", c.Explanation.Title, c.Explanation.Why)
	for _, step := range c.Explanation.Do {
		fmt.Fprintf(a.stdout, "      - %s\n", step)
	}
	fmt.Fprintf(a.stdout, "    (%s: %s)\n", c.Explanation.Reason, c.Explanation.Detail)
}
