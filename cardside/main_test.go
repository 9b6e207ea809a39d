package cardside_test

import (
	"os"
	"testing"

	"cpsgate/cardside/libfido2"
)

// TestMain lets the test program be the child in which libfido2 runs.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == libfido2.ChildArgument {
		os.Exit(libfido2.Main(os.Stdin, os.Stdout, os.Stderr))
	}
	// Under -race each child would wait a second before it ends.
	os.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	os.Exit(m.Run())
}
