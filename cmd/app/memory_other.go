//go:build !linux

package main

import "runtime/debug"

// releaseMemory gives back what starting took and running does not need.
func releaseMemory() { debug.FreeOSMemory() }
