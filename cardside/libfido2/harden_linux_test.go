package libfido2_test

import (
	"fmt"
	"os"

	"cpsgate/cardside/libfido2"

	"golang.org/x/sys/unix"
)

// hardened says whether this process may be looked into, before and after.
func hardened() {
	dumpable := func() int {
		n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return n
	}
	before := dumpable()
	if err := libfido2.Harden(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("dumpable %d, then %d", before, dumpable())
}
