package main_test

import "syscall"

// dieWithTest makes a child end when the test's process does, however that ends.
func dieWithTest() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
