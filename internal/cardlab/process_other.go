//go:build !linux

package cardlab

import "syscall"

// dieWithParent does nothing where the bench cannot be built anyway.
func dieWithParent() *syscall.SysProcAttr { return nil }
