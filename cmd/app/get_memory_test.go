package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/api"
)

// bytesOfAFetch is what `app get` may keep of each file, with a path of 58 bytes.
const bytesOfAFetch = 200

// givesMany is a server with a share of many files in pages. It calls atFile when
// the first is fetched: by then the whole list was read.
func givesMany(t *testing.T, atFile func()) string {
	t.Helper()
	crc, at := api.CRC32(0), api.NewTime(time.UnixMilli(1_700_000_000_000))
	calls := http.NewServeMux()
	calls.HandleFunc("POST /api/v1/d/x/unlock", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, 200, api.Unlocked{AccessToken: "y", ExpiresAt: at})
	})
	calls.HandleFunc("GET /api/v1/d/x", func(w http.ResponseWriter, r *http.Request) {
		limit, err := strconv.Atoi(r.FormValue("limit"))
		if err != nil {
			t.Error(err)
		}
		first, _ := strconv.Atoi(r.FormValue("cursor")) // none is the first page
		page := api.ShareView{Title: "W", TotalFiles: manyFiles, TotalBytes: manyFiles}
		for i := first; i < min(first+limit, manyFiles); i++ {
			page.Files = append(page.Files, api.SharedFile{
				ID: fmt.Sprintf("01a2239f-ca16-7647-93ce-%012d", i), Size: 1, Modified: &at, Type: "image/x-canon-cr3", CRC32: &crc,
				Path: fmt.Sprintf("W/2024-wedding-anna-and-jonas/card-%03d/HLD_2024_%06d.CR3", i/1000, i),
			})
		}
		if next := strconv.Itoa(first + limit); first+limit < manyFiles {
			page.NextCursor = &next
		}
		respond(w, 200, page)
	})
	calls.HandleFunc("GET /api/v1/d/x/files/{id}", func(w http.ResponseWriter, r *http.Request) {
		atFile()
		<-r.Context().Done()
	})
	s := httptest.NewServer(calls)
	t.Cleanup(s.Close)
	return s.URL + "/d/x"
}

// TestGetOfManyFiles holds what `app get` keeps of each file to a bound when all
// are known and none is fetched. With 100,000 files that is 20 MB. It is not
// parallel: it looks at the memory of the process.
func TestGetOfManyFiles(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	during := int64(0)
	url := givesMany(t, func() {
		during = memoryInUse()
		stop()
	})
	before := memoryInUse()
	var errs bytes.Buffer
	env := []string{"XDG_STATE_HOME=" + t.TempDir()}
	code := run(ctx, []string{"get", url, "--code", "K7QM-2XW9", "--parallel", "1", "-o", t.TempDir()}, env,
		stdio{in: strings.NewReader(""), out: io.Discard, err: &errs})
	if code != exitInterrupted {
		t.Errorf("exit code %d: %s", code, errs.String())
	}
	each := (during - before) / manyFiles
	t.Logf("%d bytes a file", each)
	if during == 0 || each > bytesOfAFetch {
		t.Errorf("%d bytes are kept of each file, at most %d may", each, bytesOfAFetch)
	}
}

// lastLine looks at the memory while the last file of many is written.
type lastLine struct{ memory int64 }

func (l *lastLine) Write(p []byte) (int, error) {
	if bytes.Contains(p, fmt.Appendf(nil, "HLD_2024_%06d.CR3", manyFiles-1)) {
		l.memory = memoryInUse()
	}
	return len(p), nil
}

// TestListOfManyFiles lists as the pages come, in both forms, and keeps none.
func TestListOfManyFiles(t *testing.T) {
	const most = 4 << 20 // two pages, by far
	for form, more := range map[string][]string{"lines": nil, "json": {"--json"}} {
		out, errs := &lastLine{}, bytes.Buffer{}
		args := append([]string{"get", givesMany(t, nil), "--code", "K7QM-2XW9", "--list"}, more...)
		before := memoryInUse()
		code := run(t.Context(), args, []string{"XDG_STATE_HOME=" + t.TempDir()}, stdio{in: strings.NewReader(""), out: out, err: &errs})
		if code != exitOK {
			t.Errorf("%s: exit code %d: %s", form, code, errs.String())
		}
		if out.memory == 0 || out.memory-before > most {
			t.Errorf("%s: %d bytes are in use at the end of the list, %d were before", form, out.memory, before)
		}
	}
}

// TestListAsJSON writes one object, whatever the number of files.
func TestListAsJSON(t *testing.T) {
	t.Parallel()
	for n := range 3 {
		want := api.ShareView{Title: `"files":[]`, Files: []api.SharedFile{}, TotalFiles: int64(n), ExpiresAt: api.NewTime(time.UnixMilli(1))}
		for i := range n {
			want.Files = append(want.Files, api.SharedFile{ID: strconv.Itoa(i), Path: "a/b", Size: int64(i)})
		}
		calls := http.NewServeMux()
		calls.HandleFunc("POST /api/v1/d/x/unlock", func(w http.ResponseWriter, _ *http.Request) {
			respond(w, 200, api.Unlocked{AccessToken: "y"})
		})
		calls.HandleFunc("GET /api/v1/d/x", func(w http.ResponseWriter, _ *http.Request) { respond(w, 200, want) })
		s := httptest.NewServer(calls)
		defer s.Close()
		var out, errs bytes.Buffer
		code := run(t.Context(), []string{"get", s.URL + "/d/x", "--code", "K7QM-2XW9", "--list", "--json"},
			[]string{"XDG_STATE_HOME=" + t.TempDir()}, stdio{in: strings.NewReader(""), out: &out, err: &errs})
		var got api.ShareView
		if err := json.Unmarshal(out.Bytes(), &got); err != nil || code != exitOK {
			t.Fatalf("exit code %d, %v: %s%s", code, err, out.String(), errs.String())
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
}
