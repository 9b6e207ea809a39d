package main

import (
	"bytes"
	"fmt"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// pseudoTerminal opens a terminal that nobody sits at, and its other end.
func pseudoTerminal(t *testing.T) (keyboard, tty *os.File) {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("needs a pseudo-terminal: %v", err)
	}
	t.Cleanup(func() { keyboard.Close() })
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	tty, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tty.Close() })
	return keyboard, tty
}

// A PIN typed on a real terminal is read, not echoed, and the terminal is as
// it was afterwards.
func TestTerminalHidesThePIN(t *testing.T) {
	keyboard, tty := pseudoTerminal(t)
	before, err := term.GetState(int(tty.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	type outcome struct {
		pin []byte
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		pin, err := typed(t.Context(), file{tty})
		done <- outcome{pin, err}
	}()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
		now, err := term.GetState(int(tty.Fd()))
		if err != nil {
			t.Fatal(err)
		}
		if *now != *before {
			break // hidden: it may be typed
		}
		if time.Now().After(deadline) {
			t.Fatal("the terminal still echoes")
		}
	}
	if _, err := keyboard.WriteString("271828\r"); err != nil {
		t.Fatal(err)
	}
	got := <-done
	if got.err != nil || string(got.pin) != "271828" {
		t.Errorf("read %q, %v", got.pin, got.err)
	}
	if after, err := term.GetState(int(tty.Fd())); err != nil || *after != *before {
		t.Errorf("the terminal is not as it was: %v", err)
	}
	if _, err := tty.WriteString("."); err != nil {
		t.Fatal(err)
	}
	echo := make([]byte, 64)
	n, err := keyboard.Read(echo)
	if err != nil || !bytes.Equal(echo[:n], []byte(".")) {
		t.Errorf("the screen shows %q, %v", echo[:n], err)
	}
}
