package redislab

import "syscall"

// dieWithParent ends the child should this process end first.
func dieWithParent() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
}
