package web

import (
	"net"
	"syscall"
)

// unsent is how much of an answer the system holds that it could not send yet.
// What it took is progress to us, so it must not take megabytes at once and then
// nothing for minutes while a slow reader works through them.
const (
	unsent          = 32 << 10
	tcpNotSentLowAt = 0x19 // TCP_NOTSENT_LOWAT, which package syscall lacks
)

// boundBacklog keeps what waits to be sent on a connection small. Bytes that are
// on their way count apart, so that long lines are as fast as before.
func boundBacklog(c net.Conn) {
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		return
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return // it is closed already
	}
	// An old system without the option keeps its backlog, and cuts some slow readers.
	_ = raw.Control(func(fd uintptr) { _ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, tcpNotSentLowAt, unsent) })
}
