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

// A child leaves no core dump and lets no other process read its memory; the
// children of the test of this test show it.
func TestChildIsHardened(t *testing.T) {
	child := exec.CommandContext(t.Context(), os.Args[0], libfido2.ChildArgument)
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { in.Close(); child.Wait() }()
	limits := ""
	for range 500 { // until it has hardened itself and waits for its request
		content, err := os.ReadFile("/proc/" + strconv.Itoa(child.Process.Pid) + "/limits")
		if limits = string(content); err == nil && coreLimit(limits) == "0" {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("core dumps are limited to %q", coreLimit(limits))
}

func coreLimit(limits string) string {
	for line := range strings.Lines(limits) {
		if rest, is := strings.CutPrefix(line, "Max core file size"); is {
			return strings.Fields(rest)[0]
		}
	}
	return ""
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
