package web

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"
)

// pacedOver reads what write sends, and says how long it went well.
func pacedOver(t *testing.T, write func(net.Conn)) (read int64, took time.Duration, err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		written := make(chan struct{})
		go func() {
			defer close(written)
			write(theirs)
			_ = theirs.Close()
		}()
		b := &pacedBody{body: ours, meter: meter{pace: Limits{}.withDefaults().pace(), set: ours.SetReadDeadline}}
		start := time.Now()
		read, err = io.Copy(io.Discard, b)
		took = time.Since(start)
		_ = ours.Close()
		<-written
	})
	return read, took, err
}

func TestBodiesHaveToMove(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		write func(net.Conn)
		ok    bool
		ends  time.Duration // at the latest
	}{
		"steady for half an hour, slow": {func(c net.Conn) {
			for range 1800 {
				_, _ = c.Write(make([]byte, 1100))
				time.Sleep(time.Second)
			}
		}, true, time.Hour},
		"nothing": {func(net.Conn) { time.Sleep(time.Hour) }, false, 2 * time.Minute},
		"a byte now and then": {func(c net.Conn) {
			for range 200 {
				_, _ = c.Write([]byte{1})
				time.Sleep(time.Second)
			}
		}, false, 2 * time.Minute},
		"fast, then nothing": {func(c net.Conn) {
			_, _ = c.Write(make([]byte, 10<<20))
			time.Sleep(time.Hour)
		}, false, 2 * time.Minute},
		"a pause of a minute": {func(c net.Conn) {
			for range 5 {
				_, _ = c.Write(make([]byte, 1<<20))
				time.Sleep(time.Minute)
			}
		}, true, 6 * time.Minute},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, took, err := pacedOver(t, tc.write)
			if tc.ok != (err == nil) || took > tc.ends || err != nil && !errors.Is(err, errStalled) {
				t.Errorf("%d bytes in %v: %v", n, took, err)
			}
		})
	}
}

// writeCounter is an answer that counts how often it is written to.
type writeCounter struct {
	http.ResponseWriter
	writes int
}

func (c *writeCounter) Write(p []byte) (int, error) {
	c.writes++
	return c.ResponseWriter.Write(p)
}

func TestAnswersOfAnyRateAreWrittenInPieces(t *testing.T) {
	t.Parallel()
	out := &writeCounter{ResponseWriter: httptest.NewRecorder()}
	w := &response{ResponseWriter: out, meter: meter{pace: Limits{MinRate: None}.withDefaults().pace(), set: func(time.Time) error { return nil }}}
	if n, err := w.Write(make([]byte, 1<<20)); n != 1<<20 || err != nil {
		t.Fatal(n, err)
	}
	if most := 1 << 20 / leastPiece; out.writes > most {
		t.Errorf("%d writes for a MiB, want %d at most", out.writes, most)
	}
}
