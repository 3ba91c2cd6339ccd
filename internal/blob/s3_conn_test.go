package blob

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

// A body leaves whole, in writes as large as its reads, one after another on
// one connection.
func TestMovingConnSendsBodies(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer func() { _ = near.Close(); _ = far.Close() }()
	body := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	conn := &movingConn{Conn: near, limit: time.Minute}
	got := make(chan []byte, 1)
	go func() {
		all := make([]byte, 2*len(body))
		n, _ := io.ReadFull(far, all)
		got <- all[:n]
	}()
	for range 2 {
		if n, err := conn.ReadFrom(bytes.NewReader(body)); n != int64(len(body)) || err != nil {
			t.Fatalf("ReadFrom = %d, %v", n, err)
		}
	}
	if all := <-got; !bytes.Equal(all, append(bytes.Clone(body), body...)) {
		t.Errorf("%d bytes arrived, not the two bodies", len(all))
	}
}

func TestMovingConnTellsWhoFailed(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer func() { _ = near.Close() }()
	conn := &movingConn{Conn: near, limit: time.Minute}
	broken := errors.New("broken body")
	if n, err := conn.ReadFrom(iotest.ErrReader(broken)); n != 0 || !errors.Is(err, broken) {
		t.Errorf("a broken body: %d, %v", n, err)
	}
	_ = far.Close()
	if _, err := conn.ReadFrom(bytes.NewReader([]byte("body"))); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a closed connection: %v", err)
	}
	if err := near.Close(); err != nil {
		t.Fatal(err)
	}
}

// What moves no byte for the limit fails, while a body is sent as well.
func TestMovingConnGivesAStalledBodyUp(t *testing.T) {
	t.Parallel()
	near, far := net.Pipe()
	defer func() { _ = near.Close(); _ = far.Close() }()
	conn := &movingConn{Conn: near, limit: 10 * time.Millisecond}
	var timeout net.Error
	if _, err := conn.ReadFrom(bytes.NewReader([]byte("nobody reads this"))); !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("error %v, want a timeout", err)
	}
}

// Each piece of a body that comes slowly is sent from a small buffer, which is all
// that one of many slow bodies holds; a quick one is worth a large one. Nothing is
// kept when it has ended.
func TestMovingConnHoldsLittleOfSlowBodies(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer func() { _ = near.Close(); _ = far.Close() }()
		go func() { _, _ = io.Copy(io.Discard, far) }()
		conn := &movingConn{Conn: near, limit: time.Minute, buffers: &sendBuffers{}}
		var rooms []int
		pauses := []time.Duration{time.Second, time.Second, 0, 0, time.Second, 0, 0, 0}
		_, err := conn.ReadFrom(readerFunc(func(p []byte) (int, error) {
			if len(rooms) == len(pauses) {
				return 0, io.EOF
			}
			time.Sleep(pauses[len(rooms)])
			rooms = append(rooms, len(p))
			if len(rooms) == 7 {
				return slowBuffer, nil // not even half of what there was room for
			}
			return len(p), nil
		}))
		want := []int{slowBuffer, slowBuffer, slowBuffer, quickBuffer, quickBuffer, slowBuffer, quickBuffer, slowBuffer}
		if err != nil || !slices.Equal(rooms, want) {
			t.Errorf("it was read into %v bytes, want %v; %v", rooms, want, err)
		}
	})
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }
