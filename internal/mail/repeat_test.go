package mail

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// keeper is a mail service that keeps the key of whatever arrives, refused or
// not, and refuses what comes under a key that it has.
type keeper struct {
	*httptest.Server
	mu    sync.Mutex
	keys  map[string]bool
	taken int
	next  []http.HandlerFunc // answers to what is no repeat; after them all is taken
}

func newKeeper(t *testing.T, next ...http.HandlerFunc) *keeper {
	k := &keeper{keys: map[string]bool{}, next: next}
	k.Server = httptest.NewServer(http.HandlerFunc(k.serve))
	t.Cleanup(k.Close)
	return k
}

func (k *keeper) serve(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var body struct {
		Headers struct {
			Key string `json:"idempotencyKey"`
		} `json:"headers"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || body.Headers.Key == "" || k.keys[body.Headers.Key] {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"code":"duplicate_parameter"}`) // the client has its status
		return
	}
	k.keys[body.Headers.Key] = true
	answer := func(w http.ResponseWriter, _ *http.Request) { k.taken++; w.WriteHeader(http.StatusCreated) }
	if len(k.next) > 0 {
		answer, k.next = k.next[0], k.next[1:]
	}
	answer(w, r)
}

func answering(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
}

// TestRepeatCountsAsSentOnlyIfItMayHaveBeen: what a service calls a repeat is one
// of a try whose answer got lost, never of one that it refused.
func TestRepeatCountsAsSentOnlyIfItMayHaveBeen(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		lost := func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }
		for name, c := range map[string]struct {
			answers []http.HandlerFunc
			tries   int
			taken   int // besides what an answer stands for
		}{
			"the answer got lost":      {[]http.HandlerFunc{lost}, 2, 0},
			"no credits":               {[]http.HandlerFunc{answering(402)}, 2, 1},
			"too many":                 {[]http.HandlerFunc{answering(429), answering(429)}, 3, 1},
			"its own fault":            {[]http.HandlerFunc{answering(503)}, 2, 1},
			"no credits, then lost":    {[]http.HandlerFunc{answering(402), lost}, 3, 0},
			"refused, and tried again": {[]http.HandlerFunc{answering(413)}, 2, 1},
		} {
			service := newKeeper(t, c.answers...)
			f.opts.Send = NewBrevo(HTTPOptions{URL: service.URL}).Send
			id := f.queue(t, name, 1)
			var states []string
			for range c.tries {
				f.deliver(t, id)
				r := f.row(t, id)
				states = append(states, r.state)
				if r.state == "failed" {
					if err := f.Retry(t.Context(), id); err != nil {
						t.Fatal(err)
					}
				}
				f.advance(8 * time.Minute)
			}
			if states[c.tries-2] == "sent" || states[c.tries-1] != "sent" || service.taken != c.taken {
				t.Errorf("%s: %v with %d taken, want it sent by the last of these tries with %d", name, states, service.taken, c.taken)
			}
		}
	})
}

// The first try may have reached somebody under its Message-ID, so a sender that
// an operator mended meanwhile must not change it.
func TestMessageIDOutlivesTheSender(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		f.fail = func(context.Context) error { return errors.New("connection lost after DATA") }
		id := f.queue(t, "a", 1)
		f.deliver(t, id)
		o := f.opts
		o.From = "mail@new.example"
		later, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		f.fail = nil
		f.advance(2 * time.Minute)
		for _, id := range []string{id, f.queue(t, "b", 1)} {
			if err := later.Deliver(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		if len(f.sent) != 3 {
			t.Fatalf("sent %d times, want 3", len(f.sent))
		}
		first, repeat, other := f.sent[0], f.sent[1], f.sent[2]
		if repeat.From != o.From || repeat.MessageID != first.MessageID {
			t.Errorf("the repeat is <%s> from %s, the first was <%s>", repeat.MessageID, repeat.From, first.MessageID)
		}
		if !strings.HasSuffix(other.MessageID, "@new.example") {
			t.Errorf("the next one is <%s>, want it in the new sender's domain", other.MessageID)
		}
	})
}
