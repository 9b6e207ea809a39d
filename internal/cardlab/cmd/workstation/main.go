// Command workstation runs `cpsgate demo` with a workstation beside it: a card
// service of its own with virtual readers, a blank virtual CPS4 in the first,
// and a PKCS#11 token with the certificates of the same card.
//
//	workstation [--json] [--cardside FILE] CPSGATE [FLAG…]
//
// The flags behind CPSGATE are those of `cpsgate demo`, --folder aside. A line
// on standard input takes the card out, the next one puts it back. All ends
// with SIGINT or SIGTERM, and its files go. Where Debian packages are missing
// they are named, and the server runs without a workstation.
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

// serve runs both until ctx ends or the server does.
func (p program) serve(ctx context.Context) (err error) {
	folder, err := os.MkdirTemp("", "cpsgate-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	server, err := p.startServer(ctx, folder)
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
	s, err := p.open(ctx, folder)
	if err != nil {
		return err
	}
	if s == nil { // no workstation here
		<-server.ended
		return nil
	}
	defer s.close()
	if err := p.announce(s); err != nil {
		return err
	}
	return p.attend(ctx, s, server.ended)
}

// open builds the workstation, or says what is missing for one and returns nil.
func (p program) open(ctx context.Context, folder string) (*station, error) {
	missing, obstacle := cardlab.Missing()
	if len(missing) == 0 && obstacle == nil {
		return openStation(ctx, folder, p.cardside)
	}
	if len(missing) > 0 {
		obstacle = fmt.Errorf("apt-get install %s", strings.Join(missing, " "))
	}
	return nil, lackingText.Execute(p.stdout, obstacle.Error())
}

func (p program) announce(s *station) error {
	if p.json {
		return json.NewEncoder(p.stdout).Encode(s.Announcement)
	}
	return stationText.Execute(p.stdout, s.Announcement)
}

// attend takes the card out and puts it back, line by line, until the end.
func (p program) attend(ctx context.Context, s *station, ended <-chan struct{}) error {
	lines := make(chan struct{})
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
