package main

import (
	"cmp"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"cpsgate/mtls"
)

// crlReport is what crl status tells.
type crlReport struct {
	At     time.Time    `json:"at"`
	Bypass *mtls.Bypass `json:"bypass,omitempty"`
	CRLs   []crlStatus  `json:"crls"`
}

// crlStatus is a CRL, and its age.
type crlStatus struct {
	mtls.CRLStatus
	Age *int64 `json:"age_seconds,omitempty"` // nil when it is missing
}

func newCRLReport(at time.Time, all []mtls.CRLStatus, bypass *mtls.Bypass) crlReport {
	r := crlReport{At: at, Bypass: bypass, CRLs: []crlStatus{}}
	for _, s := range all {
		told := crlStatus{CRLStatus: s}
		if s.Verdict != mtls.CRLIsMissing {
			age := int64(at.Sub(s.ThisUpdate).Seconds())
			told.Age = &age
		}
		r.CRLs = append(r.CRLs, told)
	}
	return r
}

// good: nothing asks for attention.
func (r crlReport) good() bool {
	for _, s := range r.CRLs {
		if s.Verdict != mtls.CRLIsFresh {
			return false
		}
	}
	return r.Bypass == nil
}

func (r crlReport) write(w io.Writer) error {
	if r.Bypass != nil {
		fmt.Fprintf(w, "REVOCATION IS BYPASSED until %s, by %s: %s\n\n", r.Bypass.Until.Format(time.RFC3339), r.Bypass.By, r.Bypass.Reason)
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "AUTHORITY\tVERDICT\tNUMBER\tTHIS UPDATE\tNEXT UPDATE\tENTRIES\tAGE\tFROM")
	for _, s := range r.CRLs {
		fmt.Fprintln(table, r.line(s.CRLStatus))
	}
	return table.Flush()
}

func (r crlReport) line(s mtls.CRLStatus) string {
	name := crlName(s.Authority, s.Delta)
	if s.Verdict == mtls.CRLIsMissing {
		return fmt.Sprintf("%s\t%s\t-\t-\t-\t-\t-\t-", name, s.Verdict)
	}
	number := cmp.Or(numberOf(s), "-")
	if s.Base != nil {
		number += " on " + s.Base.String()
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%d\t%s\t%s", name, s.Verdict, number,
		s.ThisUpdate.Format(time.RFC3339), s.NextUpdate.Format(time.RFC3339), s.Entries, age(r.At.Sub(s.ThisUpdate)), s.Source)
}

// age is a duration as people say it: its two highest units.
func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "0m"
	case d < time.Hour:
		return fmt.Sprintf("%dm", d/time.Minute)
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return fmt.Sprintf("%dd%02dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
}
