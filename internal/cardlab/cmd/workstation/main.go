// Command workstation runs `cpsgate demo` and what makes a tour of it: a start
// page that says what to click; two applications, one behind a proxy that asks
// the server, one an OpenID client; and a workstation, a card service of its own
// with virtual readers, a blank virtual CPS4 in the first, and a PKCS#11 token
// with the certificates of the same card.
//
//	workstation [--json] [--cardside FILE] CPSGATE [FLAG…]
//
// The flags behind CPSGATE are those of `cpsgate demo`, but for --folder,
// --proxied and --openid. A line on standard input takes the card out, the next
// one puts it back. All ends with SIGINT or SIGTERM, and its files go. Where
// Debian packages are missing they are named, and the rest runs without a
// workstation.
//
// Exit codes: 0 ended as told, 1 failed, 2 unusable flags.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"cpsgate/internal/cardlab"
)

// program is one run of the command.
type program struct {
	json     bool     // announce in one line of JSON
	cardside string   // the program that people try
	server   []string // cpsgate, and flags for its demo

	stdin          io.Reader
	stdout, stderr io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := program{stdin: stdin, stdout: stdout, stderr: stderr}
	flags := flag.NewFlagSet("workstation", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.BoolVar(&p.json, "json", false, "announce the addresses and files as one line of JSON when ready")
	flags.StringVar(&p.cardside, "cardside", "bin/cardside", "the program for the card, to be named in what is announced")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if p.server = flags.Args(); len(p.server) == 0 {
		fmt.Fprintln(stderr, "workstation: which cpsgate?")
		return 2
	}
	if err := p.serve(ctx); err != nil {
		fmt.Fprintln(stderr, "workstation:", err)
		return 1
	}
	return 0
}

// serve runs all of it until ctx ends or the server does.
func (p program) serve(ctx context.Context) (err error) {
	folder, err := os.MkdirTemp("", "cpsgate-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	beside, err := listenApplications(ctx)
	if err != nil {
		return err
	}
	defer beside.close()
	server, err := p.startServer(ctx, folder, beside.flags())
	if err != nil {
		return err
	}
	defer func() { cancel(); err = errors.Join(err, server.end()) }()
	select {
	case <-server.ready:
	case <-server.ended:
		return errors.New("the server ended before it was ready")
	case <-ctx.Done():
		return nil
	}
	return p.equip(ctx, folder, beside, server.ended)
}

// equip puts the workstation and the applications beside the running server,
// and says so.
func (p program) equip(ctx context.Context, folder string, beside applications, ended <-chan struct{}) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a := Announcement{Folder: folder, Cardside: absolute(p.cardside)}
	if a.Server, a.Says, err = hear(folder); err != nil {
		return err
	}
	at := beside.addresses(a.Says.Main)
	a.Start, a.Staff, a.Lacking = at.Start, a.Says.holder("good"), obstacle()
	var s *station
	if a.Lacking == "" {
		if s, err = openStation(ctx, a); err != nil {
			return err
		}
		defer s.close()
		a = s.Announcement
	}
	served, err := beside.serve(ctx, folder, a.Says, a.Says.visit(at, s, a.Lacking))
	if err != nil {
		return err
	}
	defer func() { cancel(); err = errors.Join(err, <-served) }()
	if err := p.announce(a); err != nil {
		return err
	}
	return p.attend(ctx, s, ended)
}

// obstacle is what a workstation would need here; "" = nothing.
func obstacle() string {
	missing, err := cardlab.Missing()
	switch {
	case len(missing) > 0:
		return "apt-get install " + strings.Join(missing, " ")
	case err != nil:
		return err.Error()
	}
	return ""
}

func (p program) announce(a Announcement) error {
	switch {
	case p.json:
		return json.NewEncoder(p.stdout).Encode(a)
	case a.Lacking != "":
		return lackingText.Execute(p.stdout, a)
	}
	return stationText.Execute(p.stdout, a)
}

// attend takes the card out and puts it back, line by line, until the end. s is
// nil where there is no workstation.
func (p program) attend(ctx context.Context, s *station, ended <-chan struct{}) error {
	lines := make(chan struct{})
	if s == nil {
		p.stdin = strings.NewReader("")
	}
	go func() {
		for in := bufio.NewScanner(p.stdin); in.Scan(); {
			select {
			case lines <- struct{}{}:
			case <-ctx.Done():
				return
			}
		}
	}()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ended:
			return nil
		case <-lines:
			said, err := s.turn()
			if err != nil && ctx.Err() == nil {
				return err
			}
			fmt.Fprintln(p.stdout, said)
		}
	}
}

// absolute is the program's path for a shell that stands elsewhere.
func absolute(path string) string {
	if full, err := filepath.Abs(path); err == nil {
		return full
	}
	return path
}
