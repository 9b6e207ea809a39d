//go:build !linux

package libfido2_test

// hardened is played on Linux alone.
func hardened() {}
