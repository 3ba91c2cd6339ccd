//go:build !linux

package main_test

import "syscall"

// dieWithTest is for systems that cannot tie a child's life to its parent's: a
// child then ends with the test's cleanup only.
func dieWithTest() *syscall.SysProcAttr { return nil }
