//go:build !linux

package redislab

import "syscall"

// dieWithParent does nothing where tests end their servers themselves.
func dieWithParent() *syscall.SysProcAttr { return nil }
