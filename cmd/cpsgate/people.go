package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
)

// peopleCommand works on the people of the record.
type peopleCommand struct {
	Import peopleImportCommand `cmd:"" help:"Add and change people from a CSV file: exit 0 applied, 1 refused (says which lines)."`
	Export peopleExportCommand `cmd:"" help:"Write everybody as CSV."`
	Grant  peopleGrantCommand  `cmd:"" help:"Give somebody a role here: the first administrator, to begin with."`
}

// dataFlag names the data directory that a command works on, beside a running
// server or not.
type dataFlag struct {
	Data string `help:"The server's data directory." type:"path" placeholder:"DIR" required:"" env:"CPSGATE_DATA"`
}

// act is what the command line does, and why.
func act(reason string) enroll.Act { return enroll.Act{Console: true, Reason: reason} }

// input opens a file to read, or standard input for "-".
func input(env *environment, path string) (io.ReadCloser, error) {
	if path == "-" {
		return io.NopCloser(env.stdin), nil
	}
	return os.Open(path)
}

type peopleImportCommand struct {
	dataFlag
	File     string `arg:"" help:"CSV with a header (see docs/files.md); - reads standard input."`
	DryRun   bool   `help:"Read and compare; change nothing."`
	Reason   string `help:"Why, for the audit."`
	Progress bool   `help:"Say on standard error how far it has come."`
}

// Run imports all rows, or none and says which are wrong.
func (c peopleImportCommand) Run(env *environment) error {
	return c.open(env, func(r *record) error {
		in, err := input(env, c.File)
		if err != nil {
			return unusable(err)
		}
		defer in.Close()
		options := enroll.ImportOptions{DryRun: c.DryRun}
		if c.Progress {
			options.Progress = func(done int) { fmt.Fprintf(env.stderr, "%d rows\n", done) }
		}
		report, err := r.ImportPeople(env.ctx, act(c.Reason), in, options)
		if err != nil {
			return importError(r.refused(audit.Event{Kind: audit.KindPeopleImport, Detail: filepath.Base(c.File)}, err))
		}
		if wrong := len(report.Errors) + report.More; wrong > 0 {
			printRows(env.stderr, report.Errors, report.More)
			return r.wrongRows(audit.KindPeopleImport, c.File, wrong, report.Rows)
		}
		printRows(env.stderr, report.Notes, report.MoreNotes)
		done := "imported"
		if c.DryRun {
			done = "dry run, nothing changed"
		}
		fmt.Fprintf(env.stdout, "%s: %d rows, %d added, %d changed, %d as they were, %d cells left as certificates said\n",
			done, report.Rows, report.Added, report.Changed, report.Unchanged, report.Kept())
		return nil
	})
}

// importError makes a file that is no such table unusable input.
func importError(err error) error {
	var refusal *enroll.Refusal
	if errors.As(err, &refusal) && refusal.Reason == enroll.ReasonLayout {
		return unusable(err)
	}
	return err
}

// printRows tells what there is to say of rows.
func printRows(w io.Writer, list []enroll.RowError, more int) {
	for _, e := range list {
		fmt.Fprintln(w, e)
	}
	if more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
}

type peopleExportCommand struct {
	dataFlag
	Out    string `help:"Write to this new file instead of standard output." type:"path" placeholder:"FILE"`
	Reason string `help:"Why, for the audit."`
}

// Run exports everybody; that it did is recorded.
func (c peopleExportCommand) Run(env *environment) error {
	return c.open(env, func(r *record) error {
		out, finish, err := output(env, c.Out)
		if err != nil {
			return unusable(err)
		}
		n, err := r.ExportPeople(env.ctx, act(c.Reason), out)
		if err = errors.Join(err, finish()); err != nil {
			return r.refused(audit.Event{Kind: audit.KindPeopleExport}, err)
		}
		fmt.Fprintf(env.stderr, "%d people\n", n)
		return nil
	})
}

type peopleGrantCommand struct {
	dataFlag
	PSIdNat  string   `arg:"" name:"ps-idnat" help:"Who: 8<RPPS> or another PS_IdNat. Need not be known yet."`
	Roles    []string `arg:"" name:"role" enum:"operator,approver,auditor,admin" help:"operator, approver, auditor or admin; several may follow."`
	Withdraw bool     `help:"Take the roles away instead."`
	Reason   string   `help:"Why, for the audit."`
}

// Run grants at once: whoever commands the server's machine stands outside the
// rule of four eyes, and the audit says that it was the console.
func (c peopleGrantCommand) Run(env *environment) error {
	return c.open(env, func(r *record) error {
		kind, done := audit.KindRoleGrant, "is"
		if c.Withdraw {
			kind, done = audit.KindRoleWithdraw, "is no longer"
		}
		subject, err := identity.ParsePSIdNat(c.PSIdNat)
		if err == nil {
			err = subject.Check()
		}
		if err != nil {
			event := audit.Event{Kind: kind, Reason: reasonIdentifier, Subject: subject, Detail: strings.Join(c.Roles, " ")}
			return unusable(r.refused(event, fmt.Errorf("%q: %w", c.PSIdNat, err)))
		}
		for _, name := range c.Roles {
			if err := c.give(env, r, subject, identity.Role(name)); err != nil {
				return r.refused(audit.Event{Kind: kind, Subject: subject, Detail: name}, err)
			}
			fmt.Fprintf(env.stdout, "%s %s %s\n", subject, done, name)
		}
		return nil
	})
}

func (c peopleGrantCommand) give(env *environment, r *record, subject identity.PSIdNat, role identity.Role) error {
	if c.Withdraw {
		return r.Withdraw(env.ctx, act(c.Reason), subject, role)
	}
	_, err := r.Grant(env.ctx, act(c.Reason), subject, role)
	return err
}
