package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

// network is a way to a server that exists in a test's own time.
type network func(*http.Request) (*http.Response, error)

func (n network) RoundTrip(r *http.Request) (*http.Response, error) { return n(r) }

func answer(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// over makes a client over a network and collects its waits.
func over(t *testing.T, n network, waits *[]time.Duration) *client.Client {
	t.Helper()
	return newClient(t, "http://server", client.Options{
		HTTP:     &http.Client{Transport: n},
		Retrying: func(_ string, _ error, wait time.Duration) { *waits = append(*waits, wait) },
	})
}

// TestWaits holds the wait before a second try to what the first answer asked
// for: never sooner, at most half as long again, and in no two clients the same.
func TestWaits(t *testing.T) {
	t.Parallel()
	const date = "Sat, 28 Nov 2026 12:00:00 GMT"
	for name, row := range map[string]struct {
		header []string
		wait   time.Duration // 0: it gives up at once
	}{
		"nothing":               {nil, 200 * time.Millisecond},
		"seconds":               {[]string{"Retry-After", "30"}, 30 * time.Second},
		"minutes":               {[]string{"Retry-After", "180"}, 3 * time.Minute},
		"a moment":              {[]string{"Retry-After", "Sat, 28 Nov 2026 12:01:00 GMT", "Date", date}, time.Minute},
		"a moment that is over": {[]string{"Retry-After", "Sat, 28 Nov 2026 11:00:00 GMT", "Date", date}, 200 * time.Millisecond},
		"below nothing":         {[]string{"Retry-After", "-5"}, 200 * time.Millisecond},
		"no time at all":        {[]string{"Retry-After", "soon"}, 200 * time.Millisecond},
		"beyond all patience":   {[]string{"Retry-After", "3600"}, 0},
		"beyond all numbers":    {[]string{"Retry-After", "9000000000000000000"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				different := map[time.Duration]bool{}
				for range 20 {
					var waits []time.Duration
					began, tries := time.Now(), 0
					_, err := over(t, func(*http.Request) (*http.Response, error) {
						if tries++; tries == 1 {
							return answer(503, "", row.header...), nil
						}
						return answer(200, "{}"), nil
					}, &waits).ViewLink(t.Context(), "x")
					if row.wait == 0 {
						if err == nil || tries != 1 || time.Since(began) != 0 {
							t.Fatalf("%v after %d tries in %s", err, tries, time.Since(began))
						}
						continue
					}
					if err != nil || len(waits) != 1 || waits[0] < row.wait || waits[0] > row.wait*3/2 || time.Since(began) != waits[0] {
						t.Fatalf("%v, waits %v in %s, want from %s on", err, waits, time.Since(began), row.wait)
					}
					different[waits[0]] = true
				}
				if row.wait > 0 && len(different) < 10 {
					t.Errorf("only %d of 20 waits differ", len(different))
				}
			})
		})
	}
}

// TestRefusalSaysWhen tells who has tried too often when to come again, at once.
func TestRefusalSaysWhen(t *testing.T) {
	t.Parallel()
	for text, header := range map[string][]string{
		"too_many_tries: Slowly.; the server asks to wait 4m5s": {"Retry-After", "245"},
		"too_many_tries: Slowly.":                               nil,
	} {
		var waits []time.Duration
		tries := 0
		_, err := over(t, func(*http.Request) (*http.Response, error) {
			tries++
			return answer(429, `{"code":"too_many_tries","detail":"Slowly."}`, append([]string{"Content-Type", api.ProblemType}, header...)...), nil
		}, &waits).ViewLink(t.Context(), "x")
		if err == nil || !strings.HasSuffix(err.Error(), text) || tries != 1 || len(waits) != 0 {
			t.Errorf("%v after %d tries, want %s", err, tries, text)
		}
	}
}

// TestForeignAnswers soon gives up an address at which something else than our server
// answers, and waits as ever for one that was ours before, as in the network of a
// hotel that wants another click.
func TestForeignAnswers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var waits []time.Duration
		ours := false
		c := over(t, func(*http.Request) (*http.Response, error) {
			if ours {
				return answer(200, "{}"), nil
			}
			return answer(200, "<!doctype html>"), nil
		}, &waits)
		began := time.Now()
		_, err := c.ViewLink(t.Context(), "x")
		if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "not that of this program's server") || took > 10*time.Second || len(waits) == 0 {
			t.Errorf("%v after %s and %d waits", err, took, len(waits))
		}
		ours = true
		if _, err := c.ViewLink(t.Context(), "x"); err != nil {
			t.Error(err)
		}
		ours, began = false, time.Now()
		if _, err := c.ViewLink(t.Context(), "x"); err == nil || time.Since(began) < 4*time.Minute {
			t.Errorf("%v after %s", err, time.Since(began))
		}
	})
}

// TestPacedWriter gives each byte its time, and ends with its context.
func TestPacedWriter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		began, body := time.Now(), pattern(50_000, 1)
		n, err := client.PacedWriter(t.Context(), client.NewPace(10_000), &out).Write(body)
		if took := time.Since(began); err != nil || n != len(body) || !bytes.Equal(out.Bytes(), body) || took < 5*time.Second-time.Millisecond || took > 5*time.Second+time.Millisecond {
			t.Errorf("%d bytes in %s, %v", n, took, err)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		if n, err := client.PacedWriter(ctx, client.NewPace(10_000), io.Discard).Write(body); !errors.Is(err, context.DeadlineExceeded) || n > 11_000 {
			t.Errorf("%d bytes after a second, %v", n, err)
		}
	})
}

// TestPatience counts the time in which nothing moves, and no other.
func TestPatience(t *testing.T) {
	t.Parallel()
	body := pattern(900<<10, 1)
	put := func(t *testing.T, c *client.Client) error {
		t.Helper()
		_, err := c.Upload("x", "y").PutPart(t.Context(), "f", 1, io.NewSectionReader(bytes.NewReader(body), 0, int64(len(body))), client.PartOptions{})
		return err
	}
	synctest.Test(t, func(t *testing.T) {
		var waits []time.Duration
		tries := 0
		c := over(t, func(r *http.Request) (*http.Response, error) {
			tries++
			if err := slowly(r, time.Minute); err != nil { // some 15 minutes
				return nil, err
			}
			if tries < 5 {
				return nil, errors.New("cut at the very end")
			}
			return recorded(body), nil
		}, &waits)
		if err := put(t, c); err != nil || tries != 5 {
			t.Errorf("a slow line that breaks: %v after %d tries", err, tries)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var waits []time.Duration
		c := over(t, func(r *http.Request) (*http.Response, error) {
			return nil, errors.Join(slowly(r, 0), errors.New("always cut"))
		}, &waits)
		began := time.Now()
		err := put(t, c)
		if took := time.Since(began); err == nil || !strings.Contains(err.Error(), "gave up after") || took > 10*time.Second {
			t.Errorf("before the first answer: %v in %s", err, took)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var waits []time.Duration
		c := over(t, func(r *http.Request) (*http.Response, error) {
			if r.Method == http.MethodGet {
				return answer(200, "{}"), nil
			}
			return nil, errors.Join(slowly(r, 0), errors.New("always cut"))
		}, &waits)
		if _, err := c.ViewLink(t.Context(), "x"); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		err := put(t, c)
		if took := time.Since(began); err == nil || took < 4*time.Minute || took > 5*time.Minute {
			t.Errorf("after it: %v in %s", err, took)
		}
	})
}

// slowly reads a body with a pause after every 64 KiB, until the caller goes.
func slowly(r *http.Request, pause time.Duration) error {
	buf := make([]byte, 64<<10)
	for {
		_, err := io.ReadFull(r.Body, buf)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-time.After(pause):
		case <-r.Context().Done():
			return r.Context().Err()
		}
	}
}

func recorded(body []byte) *http.Response {
	return answer(200, fmt.Sprintf(`{"number":1,"size":%d,"crc32":"%08x"}`, len(body), crc32.ChecksumIEEE(body)))
}

// TestDeadlineMoves sends a part that takes half an hour, on a line that never
// rests for two minutes, and one that stands still in the middle.
func TestDeadlineMoves(t *testing.T) {
	t.Parallel()
	body := pattern(1<<20, 1)
	for name, row := range map[string]struct {
		pause time.Duration
		tries int
	}{"slow": {119 * time.Second, 1}, "stands still": {121 * time.Second, 2}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var waits []time.Duration
				tries := 0
				c := newClient(t, "http://server", client.Options{HTTP: &http.Client{Transport: network(func(r *http.Request) (*http.Response, error) {
					pause := time.Duration(0)
					if tries++; tries == 1 {
						pause = row.pause
					}
					if err := slowly(r, pause); err != nil {
						return nil, err
					}
					return recorded(body), nil
				})}, Retrying: func(_ string, err error, wait time.Duration) {
					if waits = append(waits, wait); !errors.Is(err, client.ErrStalled) {
						t.Errorf("tried again for %v", err)
					}
				}})
				_, err := c.Upload("x", "y").PutPart(t.Context(), "f", 1, io.NewSectionReader(bytes.NewReader(body), 0, int64(len(body))), client.PartOptions{})
				if err != nil || tries != row.tries || len(waits) != row.tries-1 {
					t.Errorf("%v after %d tries, waits %v", err, tries, waits)
				}
			})
		})
	}
}
