package main

import (
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"
)

// TestInputThatDoesNotEndIsSaid: all that --size announced has come, and whoever
// writes keeps the pipe open. Before, an input that is only slow is no news.
func TestInputThatDoesNotEndIsSaid(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		read, write := io.Pipe()
		said := 0
		u := &untilEnd{Reader: read, left: 3, say: func(string, ...any) { said++ }}
		time.AfterFunc(time.Minute, func() { _, _ = io.WriteString(write, "abc") })
		if n, err := io.ReadFull(u, make([]byte, 3)); n != 3 || err != nil || said != 0 {
			t.Errorf("%d bytes, %v, said %d times", n, err, said)
		}
		time.AfterFunc(time.Minute, func() { _ = write.Close() })
		if _, err := u.Read(make([]byte, 1)); !errors.Is(err, io.EOF) || said != 1 {
			t.Errorf("%v, said %d times, want once", err, said)
		}
	})
}
