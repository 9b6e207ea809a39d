// Command cardside speaks to the cards in a workstation's readers: it finds
// them, prepares the FIDO2 application of a CPS4, proves it and says what is
// wrong with it.
//
//	cardside readers
//	cardside info
//	cardside pin set
//
// PINs are typed without echo or read from a file descriptor (--pin-fd); they
// are never arguments nor in the environment. Exit codes: cardside help
// exit-codes.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"cpsgate/cardside"
	"cpsgate/cardside/libfido2"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// environment is what a command may touch of the outside; tests give their own.
type environment struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
	getenv func(string) string
	now    func() time.Time
	// descriptor opens a file descriptor that the caller of this program left
	// open for it.
	descriptor func(fd int) (io.ReadCloser, error)
	// terminal is where a person can type; nil where there is nobody.
	terminal func() (terminal, error)
	// redraw: stderr is a terminal, on which a line can be written over.
	redraw bool
	// screen: stdout is a terminal, which can be cleared.
	screen bool
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == libfido2.ChildArgument {
		os.Exit(libfido2.Main(os.Stdin, os.Stdout, os.Stderr))
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	env := &environment{
		ctx: ctx, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
		getenv: os.Getenv, now: time.Now, descriptor: openDescriptor, terminal: openTerminal,
		redraw: term.IsTerminal(int(os.Stderr.Fd())), screen: term.IsTerminal(int(os.Stdout.Fd())),
	}
	code := run(env, os.Args[1:])
	stop()
	os.Exit(code)
}

// run runs a command line, whose text is harmless to the terminal, and returns
// the exit code.
func run(given *environment, args []string) (code int) {
	env := *given
	env.stdout, env.stderr = harmless{env.stdout}, harmless{env.stderr}
	return env.run(args)
}

// run parses args, runs the command and returns the exit code.
func (env *environment) run(args []string) (code int) {
	words := wordsFor(languageOf(args, env.getenv))
	if err := noCoreDumps(); err != nil {
		return words.fail(env, false, err)
	}
	var cli commands
	exited := false
	parser, err := kong.New(&cli,
		kong.Name("cardside"), kong.Description(words.f("help.cardside")), kong.PostBuild(words.translate),
		kong.Writers(env.stdout, env.stderr),
		kong.Exit(func(c int) { exited, code = true, c }), // --help
	)
	if err != nil {
		return words.fail(env, false, err)
	}
	selected, err := parser.Parse(dashed(args))
	if exited {
		return code
	}
	if err != nil {
		return words.misused(env, err)
	}
	act := &act{environment: env, words: words, globals: &cli.globals}
	if err := selected.Run(act); err != nil {
		return words.fail(env, cli.JSON, err)
	}
	return int(act.code)
}

// act is one run of a command.
type act struct {
	*environment
	words
	*globals
	code     cardside.ExitCode // of a command that has said what there was to say
	lines    map[int]*lineReader
	lastWait cardside.Waiting
}
