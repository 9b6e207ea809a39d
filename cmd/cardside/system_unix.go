//go:build unix

package main

import "golang.org/x/sys/unix"

const (
	terminalPath        = "/dev/tty"
	inheritsDescriptors = true
)

// noCoreDumps sees to it that no PIN ends up in a file if this program falls.
func noCoreDumps() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }
