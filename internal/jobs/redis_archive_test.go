package jobs_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/redis/go-redis/v9"

	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

func TestArchive(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t)
	var mended atomic.Bool
	ran := make(chan string, 10)
	q := shared(t, url, jobs.Options{MaxTries: 2}, func(_ context.Context, id string) error {
		ran <- id
		switch {
		case mended.Load():
			return nil
		case id == "permanent":
			return jobs.Permanent(errors.New("no such row\nand more"))
		}
		return errors.New(strings.Repeat("long ", 1000))
	})
	start(t, q)
	a, err := jobs.OpenArchive(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	if list, err := a.List(10); err != nil || len(list) != 0 {
		t.Fatalf("an empty archive holds %v, %v", list, err)
	}
	give(t, q, jobs.Hint{ID: "permanent"})
	receive(t, ran)
	give(t, q, jobs.Hint{ID: "temporary"})
	receive(t, ran)
	receive(t, ran)
	list := archived(t, a, 2)
	keys := map[string]string{}
	for i, h := range list {
		keys[h.ID] = h.Key
		if len(h.Reason) > 300 || h.At.IsZero() {
			t.Errorf("kept %+v", h)
		}
		list[i].Reason = h.Reason[:5]
	}
	want := []jobs.GivenUp{{Kind: kind, ID: "permanent", Tries: 1, Reason: "no su"}, {Kind: kind, ID: "temporary", Tries: 2, Reason: "long "}}
	if diff := cmp.Diff(want, list, cmpopts.IgnoreFields(jobs.GivenUp{}, "Key", "At"),
		cmpopts.SortSlices(func(a, b jobs.GivenUp) bool { return a.ID < b.ID })); diff != "" {
		t.Error(diff)
	}

	mended.Store(true)
	if err := a.Retry(keys["temporary"]); err != nil {
		t.Fatal(err)
	}
	if id := receive(t, ran); id != "temporary" {
		t.Errorf("%s ran again", id)
	}
	if err := a.Delete(keys["permanent"]); err != nil {
		t.Error(err)
	}
	archived(t, a, 0)
	for _, key := range []string{keys["permanent"], "default/none", "urgent/x", "x"} {
		if err := a.Retry(key); !errors.Is(err, jobs.ErrNoSuchHint) {
			t.Errorf("retry %s: %v", key, err)
		}
		if err := a.Delete(key); !errors.Is(err, jobs.ErrNoSuchHint) {
			t.Errorf("delete %s: %v", key, err)
		}
	}
}

// The latest hints are the ones that are shown, however many older there are.
func TestArchiveListsTheLatest(t *testing.T) {
	t.Parallel()
	url := testenv.Redis(t)
	q := shared(t, url, jobs.Options{MaxTries: 1}, nil)
	start(t, q)
	a, err := jobs.OpenArchive(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	const old = 260 // more than one page of what Redis is asked for
	for range old {
		give(t, q, jobs.Hint{ID: "old"})
	}
	var list []jobs.GivenUp
	count := func(n int) func() error {
		return func() (err error) {
			if list, err = a.List(1000); err == nil && len(list) != n {
				err = fmt.Errorf("%d hints in the archive, want %d", len(list), n)
			}
			return err
		}
	}
	eventually(t, count(old))
	eventually(t, func() error { // Redis keeps whole seconds
		if !time.Now().After(list[0].At.Add(time.Second)) {
			return errors.New("the clock stands still")
		}
		return nil
	})
	give(t, q, jobs.Hint{ID: "new"})
	eventually(t, count(old+1))
	if list, err = a.List(2); err != nil || len(list) != 2 || list[0].ID != "new" {
		t.Errorf("the latest two are %+v, %v", list, err)
	}
}

// archived waits until the archive holds n hints.
func archived(t *testing.T, a *jobs.Archive, n int) (list []jobs.GivenUp) {
	t.Helper()
	eventually(t, func() (err error) {
		if list, err = a.List(10); err == nil && len(list) != n {
			err = errors.New("another number of hints in the archive")
		}
		return err
	})
	return list
}

// A Redis that was emptied has forgotten its queues, and what is archived after
// that is shown all the same.
func TestArchiveAfterFlush(t *testing.T) {
	t.Parallel()
	server := testenv.NewOwnRedis(t)
	q := shared(t, server.URL, jobs.Options{MaxTries: 1}, nil)
	start(t, q)
	give(t, q, jobs.Hint{ID: "a"})
	server.Call(t, "FLUSHALL")
	give(t, q, jobs.Hint{ID: "b"})
	eventually(t, func() error {
		a, err := jobs.OpenArchive(t.Context(), server.URL)
		if err != nil {
			return err
		}
		defer func() { _ = a.Close() }()
		list, err := a.List(10)
		if err == nil && (len(list) == 0 || list[0].ID != "b") {
			err = errors.New("the hint is not in the archive")
		}
		return err
	})
}

func TestArchiveWithoutRedis(t *testing.T) {
	t.Parallel()
	server := testenv.NewOwnRedis(t)
	server.Stop(t)
	if _, err := jobs.OpenArchive(t.Context(), server.URL); !errors.Is(err, jobs.ErrUnreachable) {
		t.Errorf("open: %v", err)
	}
	if _, err := jobs.OpenArchive(t.Context(), "ftp://x"); err == nil {
		t.Error("a bad URL was taken")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := jobs.OpenArchive(gone, server.URL); !errors.Is(err, context.Canceled) {
		t.Errorf("open when the caller left: %v, want it to say so", err)
	}
}

// asynq asks again at once after a failure; a Redis that is full must not cost
// a processor on either side.
func TestFailuresAreNotRepeatedAtOnce(t *testing.T) {
	t.Parallel()
	server := testenv.NewOwnRedis(t)
	run, ran := reporting()
	q := shared(t, server.URL, jobs.Options{}, run)
	start(t, q)
	give(t, q, jobs.Hint{ID: "a"})
	receive(t, ran)
	server.Call(t, "CONFIG SET maxmemory 1")
	before := commands(t, server.URL)
	nothing(t, ran, time.Second)
	if n := commands(t, server.URL) - before; n > 3000 {
		t.Errorf("%d commands in a second", n)
	}
	server.Call(t, "CONFIG SET maxmemory 0")
}

// commands is how many Redis has processed.
func commands(t *testing.T, url string) int {
	t.Helper()
	o, err := redis.ParseURL(url)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(o)
	defer func() { _ = client.Close() }()
	info, err := client.Info(t.Context(), "stats").Result()
	if err != nil {
		t.Fatal(err)
	}
	var n int
	_, after, _ := strings.Cut(info, "total_commands_processed:")
	if _, err := fmt.Sscan(after, &n); err != nil {
		t.Fatalf("%v in %s", err, info)
	}
	return n
}
