package main

import (
	"context"
	"io"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"
)

// stopTime is how long the server may take to end.
const stopTime = 15 * time.Second

// server is a running `cpsgate demo`.
type server struct {
	ready chan struct{} // closed when it has announced itself
	ended chan struct{} // closed when it is gone
	err   error         // how it ended; after ended
}

// startServer starts the demo, which ends with ctx. It makes its files in folder.
func (p program) startServer(ctx context.Context, folder string, flags []string) (*server, error) {
	arguments := slices.Concat([]string{"demo", "--folder", folder}, flags, p.server[1:])
	command := exec.CommandContext(ctx, p.server[0], arguments...)
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGINT) }
	command.WaitDelay = stopTime
	s := &server{ready: make(chan struct{}), ended: make(chan struct{})}
	out := p.stdout
	if p.json {
		out = io.Discard
	}
	command.Stdout, command.Stderr = &announced{to: out, ready: s.ready}, p.stderr
	if err := command.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.ended)
		if s.err = command.Wait(); ctx.Err() != nil {
			s.err = nil // told to end
		}
	}()
	return s, nil
}

// end waits for the server to be gone.
func (s *server) end() error {
	<-s.ended
	return s.err
}

// announced passes on what the server says; it says nothing before it is ready,
// and then all at once.
type announced struct {
	to    io.Writer
	ready chan struct{}
	once  sync.Once
}

func (a *announced) Write(said []byte) (int, error) {
	n, err := a.to.Write(said)
	a.once.Do(func() { close(a.ready) })
	return n, err
}
