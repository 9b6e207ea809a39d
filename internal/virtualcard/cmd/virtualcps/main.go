// Command virtualcps is a virtual CPS4: it puts itself into a reader of vpcd
// (Debian's package vsmartcard-vpcd) and stays until it is told to end, by
// SIGINT or SIGTERM.
//
// Exit codes: 0 ended as told, 1 failed, 2 unusable flags.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"

	"cpsgate/internal/virtualcard"
)

// retry is how long it waits before it looks for a reader that is not there again.
const retry = 500 * time.Millisecond

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) (code int) {
	var f flags
	exited := false
	parser, err := kong.New(&f,
		kong.Name("virtualcps"),
		kong.Description("A virtual CPS4 in a reader of vsmartcard-vpcd, for demonstrations and tests. "+
			"It protects nothing: its keys lie in memory and in its state file."),
		kong.Vars{"address": virtualcard.DefaultAddress, "attestations": strings.Join(attestations(), ",")},
		kong.Writers(stdout, stderr),
		kong.Exit(func(c int) { exited, code = true, c }), // --help
	)
	if err != nil {
		fmt.Fprintln(stderr, "virtualcps:", err)
		return 2
	}
	_, err = parser.Parse(args)
	if exited {
		return code
	}
	if err != nil {
		fmt.Fprintln(stderr, "virtualcps:", err)
		return 2
	}
	options, err := f.options(stderr)
	if err != nil {
		fmt.Fprintln(stderr, "virtualcps:", err)
		return 2
	}
	card, err := virtualcard.New(options)
	if err != nil {
		fmt.Fprintln(stderr, "virtualcps:", err)
		return 2
	}
	if err := sit(ctx, card, f, stdout); err != nil {
		fmt.Fprintln(stderr, "virtualcps:", err)
		return 1
	}
	return 0
}

// sit keeps the card in its reader, and puts it back in when the reader was
// away or when the card is to come back after an ejection.
func sit(ctx context.Context, card *virtualcard.Card, f flags, stdout io.Writer) error {
	waiting := false
	for ctx.Err() == nil {
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", f.Address)
		if err != nil {
			if !waiting {
				fmt.Fprintf(stdout, "waiting for a reader at %s: is pcscd running, with vsmartcard-vpcd?\n", f.Address)
			}
			waiting = true
			sleep(ctx, retry)
			continue
		}
		waiting = false
		fmt.Fprintf(stdout, "card in reader %s\n", f.reader())
		switch err := card.Serve(ctx, connection); {
		case err == nil:
		case !errors.Is(err, virtualcard.ErrEjected):
			fmt.Fprintln(stdout, "card out:", err)
			sleep(ctx, retry)
		case f.Return == 0:
			fmt.Fprintln(stdout, "card out, as told by --eject-at")
			return nil
		default:
			fmt.Fprintf(stdout, "card out, back in %s\n", f.Return)
			sleep(ctx, f.Return)
		}
	}
	fmt.Fprintln(stdout, "card out")
	return nil
}

// reader says where the card sits, by PC/SC's name if that can be found out.
func (f flags) reader() string {
	if name, found := virtualcard.ReaderName(os.DirFS(f.ReaderConf), f.Address); found {
		return fmt.Sprintf("%q (%s)", name, f.Address)
	}
	return f.Address
}

func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
