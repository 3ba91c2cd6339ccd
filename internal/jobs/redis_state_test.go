package jobs_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/jobs"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

func TestAskRedis(t *testing.T) {
	t.Parallel()
	own := testenv.NewOwnRedis(t)
	s, err := jobs.AskRedis(t.Context(), own.URL)
	if err != nil || s.Version == "" || s.Policy != "noeviction" || s.Latency <= 0 {
		t.Errorf("AskRedis = %+v, %v", s, err)
	}
	own.Call(t, "CONFIG SET maxmemory-policy allkeys-lru")
	if s, err := jobs.AskRedis(t.Context(), own.URL); err != nil || s.Policy != "allkeys-lru" {
		t.Errorf("one that evicts: %+v, %v", s, err)
	}
	_, host, _ := strings.Cut(own.URL, "@")
	for url, want := range map[string]error{
		"redis://:wr0ng@" + host: jobs.ErrDenied,
		"redis://" + host:        jobs.ErrDenied,
		"redis://127.0.0.1:1":    jobs.ErrUnreachable,
	} {
		if _, err := jobs.AskRedis(t.Context(), url); !errors.Is(err, want) || strings.Contains(err.Error(), "wr0ng") {
			t.Errorf("%s: %v, want %v", url, err, want)
		}
	}
}
