package libfido2

import "golang.org/x/sys/unix"

// harden sees to it that no core dump of this process is written, and that no
// other process of the same user can read its memory.
func harden() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)
}
