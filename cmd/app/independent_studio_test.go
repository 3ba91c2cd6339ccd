package main_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"
)

// usage is what an account stores and has promised.
type usage struct {
	Used     int64 `json:"used_bytes"`
	Reserved int64 `json:"reserved_bytes"`
}

func used(ctx context.Context, t *testing.T, s *server, apiToken string) usage {
	t.Helper()
	var u usage
	must(t, "GET /me", want(ctx, newAgent(s), call{method: http.MethodGet, path: "/api/v1/me", token: apiToken}, http.StatusOK, &u))
	return u
}

// releases holds the account's figures to a transfer that a guest gives up
// half-way.
func releases(ctx context.Context, t *testing.T, s *server, studio seeded, guest *sender, before usage) {
	t.Helper()
	now := usage{before.Used + guest.total(), before.Reserved}
	half := &sender{agent: newAgent(s), slug: "demo", key: []byte("another key, of 32 bytes as well"), acked: map[partOf]string{}}
	for i, size := range []int{11 << 20, 7} {
		half.files = append(half.files, &outFile{path: fmt.Sprint(i), modified: "2026-06-14T00:00:00.000Z", data: make([]byte, size)})
	}
	must(t, "start", half.start(ctx))
	must(t, "declare", half.declare(ctx))
	declared := usage{now.Used, now.Reserved + half.total()}
	if got := used(ctx, t, s, studio.APIToken); got != declared {
		t.Errorf("after a declare the account uses %+v, want %+v", got, declared)
	}
	must(t, "send", half.send(ctx, []partOf{{half.files[0], 2, 10 << 20}, {half.files[1], 1, 10 << 20}}))
	awaitStored(ctx, t, half, half.files[1].id)
	settled := usage{now.Used + 7, now.Reserved + 11<<20}
	if got := used(ctx, t, s, studio.APIToken); got != settled {
		t.Errorf("with one of two files stored the account uses %+v, want %+v", got, settled)
	}
	refuse(ctx, t, half.agent, refusal{"abort", call{method: http.MethodDelete, path: "/api/v1/transfers/" + half.id, token: half.token}, 204, "", nil})
	if got := used(ctx, t, s, studio.APIToken); got != now {
		t.Errorf("after an abort the account uses %+v, want %+v", got, now)
	}
}

// await asks until it is so.
func await(ctx context.Context, t *testing.T, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: still waiting after %v", what, startLimit)
		}
	}
}

// awaitStored asks until a file is stored.
func awaitStored(ctx context.Context, t *testing.T, s *sender, id string) {
	t.Helper()
	await(ctx, t, "a stored file", func() bool {
		var f fileJSON
		must(t, "GET file", want(ctx, s.agent, call{method: http.MethodGet, path: "/api/v1/files/" + id, token: s.token}, http.StatusOK, &f))
		return f.State == "stored"
	})
}
