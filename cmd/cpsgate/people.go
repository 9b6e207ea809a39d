package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"cpsgate/audit"
	"cpsgate/enroll"
	"cpsgate/identity"
	"cpsgate/store"
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

// registry opens the record for one act of the console. What it changes a
// running server learns of within a second (enroll.Registry.Run), and then ends
// sessions.
func (f dataFlag) registry(env *environment) (*enroll.Registry, *store.Store, error) {
	s, err := openStore(env, f.Data)
	if err != nil {
		return nil, nil, unusable(err)
	}
	r, err := enroll.New(s, enroll.Options{Audit: audit.New(s, audit.Options{Now: env.now}), Now: env.now})
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return r, s, nil
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
func (c peopleImportCommand) Run(env *environment) (err error) {
	r, s, err := c.registry(env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
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
		return importError(err)
	}
	if err := printRowErrors(env.stderr, report.Errors, report.More); err != nil {
		return err
	}
	done := "imported"
	if c.DryRun {
		done = "dry run, nothing changed"
	}
	fmt.Fprintf(env.stdout, "%s: %d rows, %d added, %d changed, %d as they were\n",
		done, report.Rows, report.Added, report.Changed, report.Unchanged)
	return nil
}

// importError makes a file that is no such table unusable input.
func importError(err error) error {
	var refusal *enroll.Refusal
	if errors.As(err, &refusal) && refusal.Reason == enroll.ReasonLayout {
		return unusable(errors.New(refusal.Detail))
	}
	return err
}

// printRowErrors tells each wrong row, and that nothing was done.
func printRowErrors(w io.Writer, list []enroll.RowError, more int) error {
	if len(list) == 0 {
		return nil
	}
	for _, e := range list {
		fmt.Fprintln(w, e)
	}
	if more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
	return fmt.Errorf("nothing was imported: %d rows are wrong", len(list)+more)
}

type peopleExportCommand struct {
	dataFlag
	Out    string `help:"Write to this new file instead of standard output." type:"path" placeholder:"FILE"`
	Reason string `help:"Why, for the audit."`
}

// Run exports everybody; that it did is recorded.
func (c peopleExportCommand) Run(env *environment) (err error) {
	r, s, err := c.registry(env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	out := env.stdout
	if c.Out != "" {
		file, finish, err := newFile(c.Out)
		if err != nil {
			return unusable(err)
		}
		defer func() { err = errors.Join(err, finish()) }()
		out = file
	}
	n, err := r.ExportPeople(env.ctx, act(c.Reason), out)
	if err == nil {
		fmt.Fprintf(env.stderr, "%d people\n", n)
	}
	return err
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
func (c peopleGrantCommand) Run(env *environment) (err error) {
	subject, err := identity.ParsePSIdNat(c.PSIdNat)
	if err == nil {
		err = subject.Check()
	}
	if err != nil {
		return unusable(fmt.Errorf("%q: %w", c.PSIdNat, err))
	}
	r, s, err := c.registry(env)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	for _, name := range c.Roles {
		role, done := identity.Role(name), "is"
		if c.Withdraw {
			done = "is no longer"
			err = r.Withdraw(env.ctx, act(c.Reason), subject, role)
		} else {
			_, err = r.Grant(env.ctx, act(c.Reason), subject, role)
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(env.stdout, "%s %s %s\n", subject, done, role)
	}
	return nil
}
