//go:build unix && !linux

package libfido2

import "golang.org/x/sys/unix"

// harden sees to it that no core dump of this process is written.
func harden() error { return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) }
