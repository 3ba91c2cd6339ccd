package faults_test

import "syscall"

// endsWithTest makes a child end when the test's process does, however that ends.
func endsWithTest() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
