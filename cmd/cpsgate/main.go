// Command cpsgate lets health professionals sign in with the cards they hold.
//
// Exit codes, for every command: 0 done or accepted, 1 refused or failed,
// 2 unusable input (flags, files, configuration), 3 done but for rows that were
// not understood (card oppositions).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// Exit codes of every command.
const (
	exitOK       = 0
	exitRefused  = 1
	exitUnusable = 2
	exitPartly   = 3
)

// exitError carries the exit code of a command that has already said what
// there was to say, or whose error main prints as one line.
type exitError struct {
	code int
	err  error // nil: nothing more to print
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// unusable marks err as the fault of what was given to the command: exit 2.
func unusable(err error) error { return &exitError{code: exitUnusable, err: err} }

// refused ends a command that has printed its verdict: exit 1.
func refused() error { return &exitError{code: exitRefused} }

// environment is what a command may touch of the outside; tests give their own.
type environment struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	// environ is the environment that configuration is read from, in the form
	// of os.Environ.
	environ []string
	now     func() time.Time
}

// commands is the command line; each command is a struct with a Run method
// that takes *environment.
type commands struct {
	Version  kong.VersionFlag `help:"Print the version and end."`
	Serve    serveCommand     `cmd:"" help:"Run the server."`
	Health   healthCommand    `cmd:"" help:"Ask the running server whether it is ready: exit 0 if so, 1 if not."`
	Demo     demoCommand      `cmd:"" help:"Run the whole product on embedded defaults, with a test PKI and sample cards."`
	Config   configCommand    `cmd:"" help:"Check or show the configuration."`
	Cert     certCommand      `cmd:"" help:"Show a certificate, or judge it as the card listener would."`
	Webauthn webauthnCommand  `cmd:"" help:"Judge a captured WebAuthn ceremony offline."`
	CRL      crlCommand       `cmd:"" name:"crl" help:"Certificate revocation lists: how they stand, fetch, import, bypass."`
	People   peopleCommand    `cmd:"" help:"Import, export and grant roles."`
	Client   clientCommand    `cmd:"" help:"Applications that sign people in here: add, list, remove, rotate-secret."`
	Card     cardCommand      `cmd:"" help:"Show, suspend or revoke a card."`
	Sessions sessionsCommand  `cmd:"" help:"End all sessions of a person, card, passkey or workstation."`
	Audit    auditCommand     `cmd:"" help:"Verify, show, export or prune the audit."`
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := &environment{ctx: ctx, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, environ: os.Environ(), now: time.Now}
	os.Exit(run(env, os.Args[1:]))
}

// run parses args, runs the command and returns the exit code.
func run(env *environment, args []string) (code int) {
	var cli commands
	exited := false
	parser, err := kong.New(&cli,
		kong.Name("cpsgate"),
		kong.Description("Sign-in with CPS cards: by certificate and by FIDO2, from one card record."),
		kong.Writers(env.stdout, env.stderr),
		kong.UsageOnError(),
		kong.Exit(func(c int) { exited, code = true, c }), // --help
		kong.Bind(env),
		kong.Vars{"version": version()},
	)
	if err != nil {
		fmt.Fprintln(env.stderr, "cpsgate:", err)
		return exitUnusable
	}
	selected, err := parser.Parse(args)
	if exited {
		return code
	}
	if err != nil {
		fmt.Fprintln(env.stderr, "cpsgate:", err)
		return exitUnusable
	}
	return exitCode(env, selected.Run())
}

// version tells what this was built from: the module's version, or the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "cpsgate, of an unknown build"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value
		}
	}
	return "cpsgate " + v + ", " + info.GoVersion
}

func exitCode(env *environment, err error) int {
	if err == nil {
		return exitOK
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		exit = &exitError{code: exitRefused, err: err}
	}
	if exit.err != nil {
		fmt.Fprintln(env.stderr, "cpsgate:", exit.err)
	}
	return exit.code
}
