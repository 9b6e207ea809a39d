//go:build unix

package main

import (
	"os"
	"testing"

	"cpsgate/cardside"

	"golang.org/x/sys/unix"
)

// A command leaves no core dump, not even by raising its limit again. The limit
// is the process's and lowered for good, so it is compared with what it was before any
// test.
func TestCommandsLeaveNoCoreDumps(t *testing.T) {
	if limitBefore.Max == 0 {
		const reason = "this machine allows no core dumps to begin with: nothing can be seen"
		if os.Getenv("CPSGATE_TEST_ALL") == "1" {
			t.Fatal(reason)
		}
		t.Skip(reason)
	}
	command(t, "", "help", "exit-codes").ends(cardside.ExitDone)
	if now := coreLimit(); now != (unix.Rlimit{}) {
		t.Errorf("core dumps are limited to %+v, and were to %+v", now, limitBefore)
	}
}

// limitBefore is the limit on core dumps before any command ran.
var limitBefore = coreLimit()

func coreLimit() unix.Rlimit {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		panic(err)
	}
	return limit
}
