package blob

import (
	"bytes"
	"errors"
	"io"
	"net"
	"testing"
	"testing/iotest"
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
