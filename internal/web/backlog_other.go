//go:build !linux

package web

import "net"

// boundBacklog is for Linux, whose backlog grows to megabytes.
func boundBacklog(net.Conn) {}
