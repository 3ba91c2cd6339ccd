//go:build !linux

package faults_test

import "syscall"

func endsWithTest() *syscall.SysProcAttr { return nil }
