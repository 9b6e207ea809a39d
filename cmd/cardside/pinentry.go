package main

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"cpsgate/cardside"
)

// maxEntry bounds what is typed or read for a PIN.
const maxEntry = 256

// Errors of PIN entry.
var (
	errEntryTooLong = &misuse{"PIN entry longer than 256 bytes"}
	errNobody       = fmt.Errorf("%w: no terminal to type it on, and no --pin-fd", cardside.ErrPINEntry)
)

// pin asks for a PIN. The caller clears it.
func (a *act) pin(prompt string) ([]byte, error) { return a.enter(a.ctx, a.PINFd, prompt) }

// newPIN asks for a new PIN, twice where it is typed. The caller clears it.
func (a *act) newPIN(ctx context.Context, fd int, prompt string) ([]byte, error) {
	first, err := a.enter(ctx, fd, prompt)
	if err != nil || fd >= 0 {
		return first, err
	}
	second, err := a.enter(ctx, fd, "prompt.again")
	defer clear(second)
	if err == nil && subtle.ConstantTimeCompare(first, second) != 1 {
		err = cardside.ErrPINsDiffer
	}
	if err != nil {
		clear(first)
		return nil, err
	}
	return first, nil
}

// enter asks for a PIN for as long as ctx lasts.
func (a *act) enter(ctx context.Context, fd int, prompt string) ([]byte, error) {
	if fd >= 0 {
		return while(ctx, func() ([]byte, error) { return a.line(fd) })
	}
	if a.terminal == nil {
		return nil, errNobody
	}
	tty, err := a.terminal()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNobody, err)
	}
	defer tty.Close()
	fmt.Fprint(a.stderr, a.f(prompt))
	defer fmt.Fprintln(a.stderr)
	return typed(ctx, tty)
}

// typing reports that a person types: what was wrong can be typed again.
func (a *act) typing(fd int) bool { return fd < 0 && a.terminal != nil }

// line reads the next line of a descriptor, byte by byte: what follows is not
// ours, or is the next PIN.
func (a *act) line(fd int) ([]byte, error) {
	if a.lines == nil {
		a.lines = map[int]*lineReader{}
	}
	if a.lines[fd] == nil {
		file, err := a.descriptor(fd)
		if err != nil {
			return nil, fmt.Errorf("%w: descriptor %d: %w", cardside.ErrPINEntry, fd, err)
		}
		a.lines[fd] = &lineReader{file}
	}
	return a.lines[fd].next()
}

type lineReader struct{ from io.Reader }

// next reads up to a newline or the end, and leaves both out.
func (l *lineReader) next() ([]byte, error) {
	entry := make([]byte, 0, maxEntry)
	var one [1]byte
	defer clear(one[:])
	for {
		n, err := l.from.Read(one[:])
		switch {
		case n == 1 && one[0] == '\n', errors.Is(err, io.EOF) && len(entry) > 0:
			if k := len(entry); k > 0 && entry[k-1] == '\r' {
				entry = entry[:k-1]
			}
			return entry, nil
		case n == 1 && len(entry) == maxEntry:
			clear(entry)
			return nil, errEntryTooLong
		case n == 1:
			entry = append(entry, one[0])
		case err != nil:
			clear(entry)
			return nil, fmt.Errorf("%w: %w", cardside.ErrPINEntry, err)
		}
	}
}

// openDescriptor opens what the caller of this program left open: descriptors
// on Unix; on Windows, where there are none to inherit, standard input alone.
func openDescriptor(fd int) (io.ReadCloser, error) {
	if fd == 0 {
		return os.Stdin, nil
	}
	if !inheritsDescriptors {
		return nil, errors.ErrUnsupported
	}
	file := os.NewFile(uintptr(fd), "pin")
	if _, err := file.Stat(); err != nil {
		return nil, err
	}
	return file, nil
}

// terminal is where a person types, unseen.
type terminal interface {
	io.ReadCloser
	// Hide stops echo and line editing; restore brings them back.
	Hide() (restore func() error, err error)
}

// typed reads a line without echo. Its end is Enter; Ctrl-C gives up.
func typed(ctx context.Context, tty terminal) ([]byte, error) {
	restore, err := tty.Hide()
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNobody, err)
	}
	defer restore() //nolint:errcheck // the terminal is gone, or as it was
	return while(ctx, func() ([]byte, error) { return readHidden(tty) })
}

// while reads an entry for as long as ctx lasts; what comes after its end is
// cleared.
func while(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type outcome struct {
		entry []byte
		err   error
	}
	done := make(chan outcome)
	go func() {
		entry, err := read()
		select {
		case done <- outcome{entry, err}:
		case <-ctx.Done():
			clear(entry)
		}
	}()
	select {
	case o := <-done:
		return o.entry, o.err
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Keys of a terminal in raw mode.
const (
	ctrlC     = 0x03
	ctrlD     = 0x04
	backspace = 0x08
	ctrlU     = 0x15
	deleteKey = 0x7F
)

// readHidden is a small line editor: what is typed goes into one buffer that
// the caller clears.
func readHidden(from io.Reader) ([]byte, error) {
	entry := make([]byte, 0, maxEntry)
	var one [1]byte
	defer clear(one[:])
	for {
		if n, err := from.Read(one[:]); n == 0 {
			clear(entry)
			if err == nil || errors.Is(err, io.EOF) {
				err = context.Canceled
			}
			return nil, err
		}
		switch key := one[0]; {
		case key == '\r' || key == '\n':
			return entry, nil
		case key == ctrlC || key == ctrlD:
			clear(entry)
			return nil, context.Canceled
		case key == backspace || key == deleteKey:
			_, size := utf8.DecodeLastRune(entry)
			clear(entry[len(entry)-size:])
			entry = entry[:len(entry)-size]
		case key == ctrlU:
			clear(entry)
			entry = entry[:0]
		case key < ' ': // other control keys
		case len(entry) == maxEntry:
			clear(entry)
			return nil, errEntryTooLong
		default:
			entry = append(entry, key)
		}
	}
}
