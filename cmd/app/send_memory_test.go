package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

// takesAll is a server that takes whatever is sent, and calls atPart before the
// first part: by then everything is declared.
func takesAll(t *testing.T, atPart func()) string {
	t.Helper()
	declared, parts := 0, 0
	calls := http.NewServeMux()
	calls.HandleFunc("GET /api/v1/u/x", func(w http.ResponseWriter, _ *http.Request) { respond(w, 200, api.LinkView{Slug: "x"}) })
	calls.HandleFunc("POST /api/v1/u/x/transfers", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, 201, api.Started{ID: "t", UploadToken: "u"})
	})
	calls.HandleFunc("POST /api/v1/transfers/t/files", func(w http.ResponseWriter, r *http.Request) {
		var in api.Declare
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		var out api.Declared
		for i, f := range in.Files {
			declared++
			file := api.File{ID: fmt.Sprintf("01a2239f-ca16-7647-93ce-%012d", declared), Path: f.Path, Size: int64(f.Size), PartSize: 10 << 20, State: "stored"}
			if f.Size > 0 {
				file.PartCount, file.State = 1, "receiving"
			}
			out.Files = append(out.Files, api.DeclaredFile{Index: i, File: file})
		}
		respond(w, 200, out)
	})
	calls.HandleFunc("PUT /api/v1/files/{id}/parts/1", func(w http.ResponseWriter, r *http.Request) {
		if parts++; parts == 1 {
			atPart()
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		respond(w, 200, api.Receipt{Part: api.Part{Number: 1, Size: int64(len(body)), CRC32: api.CRC32(crc32.ChecksumIEEE(body))}})
	})
	calls.HandleFunc("POST /api/v1/transfers/t/complete", func(w http.ResponseWriter, _ *http.Request) {
		if declared != manyFiles || parts != 1 {
			t.Errorf("%d files declared, %d parts sent", declared, parts)
		}
		respond(w, 200, api.Completed{Files: int64(declared), Share: api.CompletedShare{ExpiresAt: api.NewTime(time.UnixMilli(0))}})
	})
	s := httptest.NewServer(calls)
	t.Cleanup(s.Close)
	return s.URL
}

const (
	manyFiles    = 50_000
	bytesOfAFile = 220 // that waits, with a path of 58 bytes
)

// manySources are as many sources over two files: the first has a byte, and all
// others have none.
func manySources(t *testing.T) *sendPlan {
	t.Helper()
	dir := t.TempDir()
	tree(t, dir, "x")
	if err := os.WriteFile(filepath.Join(dir, "empty"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	open := map[string]func(string) (*os.File, error){}
	for _, name := range []string{"x", "empty"} {
		open[name] = func(string) (*os.File, error) { return os.Open(filepath.Join(dir, name)) }
	}
	p := &sendPlan{}
	for i := range manyFiles {
		name := "empty"
		if i == 0 {
			name = "x"
		}
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		p.sources = append(p.sources, &client.Source{
			Path: fmt.Sprintf("W/2024-wedding-anna-and-jonas/card-%03d/HLD_2024_%06d.CR3", i/1000, i),
			Size: info.Size(), Modified: info.ModTime(), Open: open[name],
		})
	}
	return p
}

// TestSendOfManyFiles holds what `app send` keeps of each file to a bound when all
// are declared and none is sent. With 100,000 files that is 22 MB, and the heap
// grows to gcPercent more: it stays far below 64 MiB. It is not parallel: it looks
// at the memory of the process.
func TestSendOfManyFiles(t *testing.T) {
	var out, errs bytes.Buffer
	during := int64(0)
	base := takesAll(t, func() { during = memoryInUse() })
	c, err := client.New(base, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	before := memoryInUse()
	r := &sendRun{
		inv: &invocation{io: stdio{in: bytes.NewReader(nil), out: &out, err: &errs}}, now: time.Now, client: c,
		flags: sendFlags{from: "a@example.com", parallel: 1}, link: client.Link{Base: base, Slug: "x"}, plan: manySources(t),
	}
	if err := r.run(t.Context(), &sendInput{}); err != nil {
		t.Fatalf("%v: %s", err, errs.String())
	}
	each := (during - before) / manyFiles
	t.Logf("%d bytes a file", each)
	if during == 0 || each > bytesOfAFile {
		t.Errorf("%d bytes are kept of each file, at most %d may", each, bytesOfAFile)
	}
}

func memoryInUse() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
