package web

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
)

// liveStream is an open stream of progress.
type liveStream struct {
	*http.Response
	lines *bufio.Reader
}

// quick are limits under which a stream looks and beats within a test.
func quick(o *Options) {
	o.Limits.LiveEvery, o.Limits.LiveBeat = 5*time.Millisecond, 20*time.Millisecond
}

func (e *env) watch(ctx context.Context, id string, headers ...string) liveStream {
	e.t.Helper()
	req := e.request("GET", "/api/v1/transfers/"+id+"/live", "", nil, headers...).WithContext(ctx)
	resp, err := e.client.Do(req)
	e.must(err)
	e.t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != eventStream {
		e.t.Fatalf("live: %d %v", resp.StatusCode, resp.Header)
	}
	return liveStream{resp, bufio.NewReader(resp.Body)}
}

// next reads up to the next event of a kind, "" for a comment.
func (l liveStream) next(t *testing.T, kind string) (data string) {
	t.Helper()
	for {
		line, err := l.lines.ReadString('\n')
		if err != nil {
			t.Fatalf("wait for %q: %v", kind, err)
		}
		if kind == "" && line == ":\n" {
			return ""
		}
		if kind != "" && line == "event: "+kind+"\n" {
			data, err = l.lines.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			return strings.TrimPrefix(data, "data: ")
		}
	}
}

func (l liveStream) progress(t *testing.T) (v api.Transfer) {
	t.Helper()
	if err := json.Unmarshal([]byte(l.next(t, "progress")), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestLiveTellsProgress(t *testing.T) {
	t.Parallel()
	e := newEnv(t, quick)
	cookie := e.signInAs("studio@example.com", "Test")
	st := e.start()
	live := e.watch(t.Context(), st.ID, "Cookie", cookie)
	if v := live.progress(t); v.ID != st.ID || v.State != "receiving" || v.Files.Total != 0 {
		t.Errorf("first %+v", v)
	}
	live.next(t, "") // a quiet stream says that it lives
	f := e.declareFile(st, "a.jpg", 4)
	for live.progress(t).Bytes.Declared != 4 {
	}
	e.put(st, f, []byte("1234"))
	for live.progress(t).Files.Stored != 1 {
	}
	if got := e.Stats(); got.Streams != 0 || got.Downloads != 0 {
		t.Errorf("a live view holds slots: %+v", got)
	}
	head := e.do("HEAD", "/api/v1/transfers/"+st.ID+"/live", e.studio, nil)
	if head.StatusCode != 200 || head.Header.Get("Content-Type") != eventStream {
		t.Errorf("HEAD: %d %v", head.StatusCode, head.Header)
	}
	e.wantProblem(api.NotFound, "GET", "/api/v1/transfers/"+st.ID+"/live", e.other, nil)
	e.wantProblem(api.Unauthenticated, "GET", "/api/v1/transfers/"+st.ID+"/live", st.UploadToken, nil)
	e.wantProblem(api.Unauthenticated, "GET", "/api/v1/transfers/"+st.ID+"/live", "", nil)
}

// A stream ends, whole, with the right to look, and with the server.
func TestLiveEnds(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(e *env, cookie string){
		"signed out": func(e *env, cookie string) {
			e.do("POST", "/api/v1/logout", "", "{}", "Cookie", cookie)
		},
		"revoked": func(e *env, _ string) { e.do("DELETE", "/api/v1/sessions", e.studio, nil) },
		"disabled": func(e *env, _ string) {
			_, err := e.accounts.Disable(e.t.Context(), e.account.ID)
			e.must(err)
		},
		"drained": func(e *env, _ string) { e.stop() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEnv(t, quick)
			cookie := e.signInAs("studio@example.com", "Test")
			live := e.watch(t.Context(), e.start().ID, "Cookie", cookie)
			live.progress(t)
			end(e, cookie)
			if _, err := io.Copy(io.Discard, live.lines); err != nil {
				t.Errorf("the stream broke: %v", err)
			}
			if name == "drained" {
				if <-e.ended; e.serveErr != nil {
					t.Errorf("drain: %v", e.serveErr)
				}
			}
		})
	}
}

func TestLiveIsBounded(t *testing.T) {
	t.Parallel()
	e := newEnv(t, quick)
	st := e.start()
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	for range livePerAccount {
		e.watch(ctx, st.ID, "Authorization", "Bearer "+e.studio).progress(t)
	}
	path := "/api/v1/transfers/" + st.ID + "/live"
	e.wantProblem(api.Busy, "GET", path, e.studio, nil)
	st2 := ask[api.Started](e, 201, "POST", "/api/v1/transfers", e.other, api.StartOwn{})
	e.watch(ctx, st2.ID, "Authorization", "Bearer "+e.other).progress(t)
	leave() // whoever leaves gives the place back
	deadline := time.Now().Add(10 * time.Second)
	for e.do("HEAD", path, e.studio, nil).StatusCode != 200 {
		if time.Now().After(deadline) {
			t.Fatal("places of those who left are not given back")
		}
	}
}
