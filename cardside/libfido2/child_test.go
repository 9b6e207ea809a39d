//go:build linux && cgo

package libfido2_test

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"cpsgate/cardside/libfido2"
	"cpsgate/cardside/pcsc"
	"cpsgate/internal/cardlab"
)

// A child leaves no core dump, not even by raising its limit again; most
// machines allow a process none to begin with, so it is the hard limit that shows
// who lowered it.
func TestChildIsHardened(t *testing.T) {
	if _, hard := coreLimits(t, os.Getpid()); hard == "0" {
		const reason = "this machine allows no core dumps to begin with: nothing can be seen"
		if os.Getenv("CPSGATE_TEST_ALL") == "1" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	child := exec.CommandContext(t.Context(), os.Args[0], libfido2.ChildArgument)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); child.Wait() }()
	soft, hard := "", ""
	for range 500 { // until it has hardened itself and waits for its request
		if soft, hard = coreLimits(t, child.Process.Pid); soft == "0" && hard == "0" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("core dumps are limited to %q, %q", soft, hard)
}

// What hardens a child makes its memory unreadable to others too.
func TestHardeningHidesTheMemory(t *testing.T) {
	child := exec.CommandContext(t.Context(), os.Args[0], libfido2.ChildArgument)
	child.Env = append(os.Environ(), actor+"="+partHardened)
	if out, err := child.Output(); err != nil || string(out) != "dumpable 1, then 0" {
		t.Errorf("%q, %v", out, err)
	}
}

// coreLimits are a process's limits on core dumps, soft and hard.
func coreLimits(t *testing.T, pid int) (soft, hard string) {
	t.Helper()
	limits, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/limits")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(limits)) {
		if rest, is := strings.CutPrefix(line, "Max core file size"); is {
			fields := strings.Fields(rest)
			return fields[0], fields[1]
		}
	}
	return "", ""
}

// The errors of our own PC/SC layer come through libfido2 as they are.
func TestReadersThroughTheHook(t *testing.T) {
	lab := cardlab.Start(t, 1)
	waitForService(t)
	c := libfido2.New(libfido2.Options{Reader: lab.Readers[0].Name})
	if _, err := c.Info(t.Context()); !errors.Is(err, pcsc.ErrNoCard) {
		t.Errorf("an empty reader: %v", err)
	}
	c = libfido2.New(libfido2.Options{Reader: "No Such Reader"})
	if _, err := c.Info(t.Context()); !errors.Is(err, pcsc.ErrNoReader) {
		t.Errorf("no such reader: %v", err)
	}
	if _, err := libfido2.Devices(t.Context(), libfido2.Options{}); err != nil {
		t.Errorf("listing security keys: %v", err)
	}
}

// waitForService waits for a bench without cards to be reached.
func waitForService(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		session, err := pcsc.Establish(t.Context())
		if err == nil {
			session.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
