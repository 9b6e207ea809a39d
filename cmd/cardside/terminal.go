package main

import (
	"os"

	"golang.org/x/term"
)

// file is a terminal that is a file.
type file struct{ *os.File }

func (f file) Hide() (func() error, error) {
	fd := int(f.Fd())
	before, err := term.MakeRaw(fd)
	if err != nil {
		return nil, err
	}
	return func() error { return term.Restore(fd, before) }, nil
}

// openTerminal opens the terminal of this process, wherever its standard input
// and output go.
func openTerminal() (terminal, error) {
	opened, err := os.OpenFile(terminalPath, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return file{opened}, nil
}
