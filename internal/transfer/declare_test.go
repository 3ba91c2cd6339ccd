package transfer

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// outcome is what a declare said of one file: "ok", "ok again" for a file that
// stood before, or its error.
func (f *fixture) outcomes(t testing.TB, b begun, in ...NewFile) []string {
	t.Helper()
	before := map[string]bool{}
	ids, err := queryAll(t.Context(), f.db, scanOne[string], "SELECT id FROM files")
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		before[id] = true
	}
	d, err := f.Declare(t.Context(), b.Access, b.id, in)
	if err != nil {
		t.Fatalf("declare: %v", err)
	}
	out := make([]string, len(in))
	last := -1
	for _, x := range d.Files {
		out[x.Index] = "ok"
		if before[x.File.ID] {
			out[x.Index] = "ok again"
		}
		if x.Index <= last || x.File.Path == "" {
			t.Errorf("file %+v comes out of order", x)
		}
		last, before[x.File.ID] = x.Index, true
	}
	last = -1
	for _, x := range d.Errors {
		if out[x.Index] != "" || x.Index <= last || x.Path != in[x.Index].Path {
			t.Errorf("error %+v comes twice or out of order", x)
		}
		last, out[x.Index] = x.Index, errorName(x.Err)
		if taken := errors.Is(x.Err, ErrPathTaken); taken != (x.Existing != nil) {
			t.Errorf("error %v shows the file in the way: %v", x.Err, x.Existing != nil)
		}
	}
	return out
}

func errorName(err error) string {
	for name, target := range map[string]error{
		"path": ErrPathInvalid, "size": ErrSizeInvalid, "taken": ErrPathTaken, "large": ErrFileTooLarge, "field": ErrFieldInvalid,
	} {
		if errors.Is(err, target) {
			return name
		}
	}
	return fmt.Sprint(err)
}

func TestDeclarePaths(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC)
	file := func(path string) NewFile { return NewFile{Path: path, Size: 10, Modified: &at} }
	tests := []struct {
		name  string
		calls [][]NewFile
		want  string // of all calls
	}{
		{"the same again", [][]NewFile{{file("a")}, {file("a")}}, "ok|ok again"},
		{"the same twice in one call", [][]NewFile{{file("a"), file("a")}}, "ok,ok again"},
		{"another size", [][]NewFile{{file("a")}, {{Path: "a", Size: 11, Modified: &at}}}, "ok|taken"},
		{"another date", [][]NewFile{{file("a")}, {{Path: "a", Size: 10, Modified: ptr(at.Add(time.Millisecond))}}}, "ok|taken"},
		{"the same date in another zone", [][]NewFile{{file("a")}, {{Path: "a", Size: 10, Modified: ptr(at.In(time.FixedZone("", 3600)))}}}, "ok|ok again"},
		{"a date finer than rows hold", [][]NewFile{{{Path: "a", Size: 10, Modified: ptr(at.Add(999))}}, {file("a")}}, "ok|ok again"},
		{"no date", [][]NewFile{{{Path: "a", Size: 10}}, {{Path: "a", Size: 10}}, {file("a")}}, "ok|taken|taken"},
		{"no date later", [][]NewFile{{file("a")}, {{Path: "a", Size: 10}}}, "ok|taken"},
		{"another type is the same file", [][]NewFile{{file("a")}, {{Path: "a", Size: 10, Modified: &at, Type: "image/png"}}}, "ok|ok again"},
		{"folder after file", [][]NewFile{{file("a")}, {file("a/b")}}, "ok|taken"},
		{"file after folder", [][]NewFile{{file("a/b/c")}, {file("a"), file("a/b"), file("a/b/c"), file("a/bc")}}, "ok|taken,taken,ok again,ok"},
		{"folder after file in one call", [][]NewFile{{file("a"), file("a/b")}}, "ok,taken"},
		{"file after folder in one call", [][]NewFile{{file("a/b"), file("a")}}, "ok,taken"},
		{"names that only begin alike", [][]NewFile{{file("a")}, {file("a-b"), file("a0"), file("a.b/c"), file("a b/c")}}, "ok|ok,ok,ok,ok"},
		{"names around the slash", [][]NewFile{{file("a.txt"), file("a0"), file("a!")}, {file("a")}}, "ok,ok,ok|ok"},
		{"composed and not", [][]NewFile{{file("caf\u00e9")}, {file("cafe\u0301"), file("cafe\u0301/x")}}, "ok|ok again,taken"},
		{"composed folders", [][]NewFile{{file("cafe\u0301/x")}, {file("caf\u00e9/x"), file("caf\u00e9/y"), file("caf\u00e9")}}, "ok|ok again,ok,taken"},
		{"case counts", [][]NewFile{{file("a"), file("A")}}, "ok,ok"},
		{"a backslash is no slash", [][]NewFile{{file("a"), file(`a\b`)}}, "ok,ok"},
		{"good and bad", [][]NewFile{{file("/a"), file("b"), file("../c"), {Path: "d", Size: -1}, {Path: "e", Size: seal.MaxFileSize + 1}, {Path: "f", Type: strings.Repeat("t", 256)}, file("g/h")}},
			"path,ok,path,size,large,field,ok"},
		{"nothing good", [][]NewFile{{file(""), file("a//b")}}, "path,path"},
	}
	eachEngine(t, func(t *testing.T, f *fixture) {
		for _, test := range tests {
			b := f.begin(t, LinkFields{})
			var got []string
			for _, call := range test.calls {
				got = append(got, strings.Join(f.outcomes(t, b, call...), ","))
			}
			if s := strings.Join(got, "|"); s != test.want {
				t.Errorf("%s: got %s, want %s", test.name, s, test.want)
			}
		}
	})
}

func TestDeclareGivesTheFileAsItStands(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		whole := f.declare(t, b, 10)[0]
		f.putAll(t, b, whole)
		cut := f.declareCut(t, b, "cut", 50, 10)
		for _, n := range []int{1, 3, 4} {
			if _, err := put(t.Context(), f.Service, b.Access, cut, n, partOf(cut, n)); err != nil {
				t.Fatal(err)
			}
		}
		d, err := f.Declare(t.Context(), b.Access, b.id, []NewFile{
			{Path: "cut", Size: 50, Modified: cut.Modified},
			{Path: whole.Path, Size: 10, Modified: whole.Modified},
			{Path: "cut", Size: 51, Modified: cut.Modified},
		})
		if err != nil || len(d.Files) != 2 || len(d.Errors) != 1 {
			t.Fatalf("declare: %+v, %v", d, err)
		}
		if got := fmt.Sprintf("%v %s %v", d.Files[0].File.Received, d.Files[0].File.State, d.Errors[0].Existing.Received); got != "[{1 1} {3 4}] receiving [{1 1} {3 4}]" {
			t.Errorf("the cut file stands as %s", got)
		}
		if got := fmt.Sprintf("%v %s", d.Files[1].File.Received, d.Files[1].File.State); got != "[{1 1}] stored" {
			t.Errorf("the whole file stands as %s", got)
		}
	})
}

// TestDeclareEmptyFiles: nothing comes for an empty file, so it is stored at
// once and has neither key nor object.
func TestDeclareEmptyFiles(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{MaxTransfers: ptr(int64(1))})
		file := f.declare(t, b, 0)[0]
		if file.State != Stored || file.PartCount != 0 || file.CRC32 == nil || *file.CRC32 != 0 {
			t.Errorf("empty file is %+v", file)
		}
		_, err := f.BeginPart(t.Context(), b.Access, file.ID, 1, 0)
		wantErr(t, "part of an empty file", err, ErrPartMissing)
		if c := f.complete(t, b); c.Files != 1 || c.Bytes != 0 {
			t.Errorf("complete: %+v", c)
		}
		if got := f.read(t, file.ID); len(got) != 0 {
			t.Errorf("empty file has %d bytes", len(got))
		}
		f.wantBucket(t, 0, 0)
		if n := f.number(t, "SELECT COUNT(*) FROM file_keys"); n != 0 {
			t.Errorf("%d keys were made", n)
		}
	})
}

func TestDeclareRefusesWhole(t *testing.T) {
	t.Parallel()
	one := []NewFile{{Path: "one", Size: 101}}
	tests := []struct {
		name  string
		set   func(t *testing.T, f *fixture, b begun) error
		want  error
		count int64 // files that stand after
	}{
		{"quota", func(t *testing.T, f *fixture, _ begun) error { f.quota(t, 100); return nil }, account.ErrQuotaExceeded, 0},
		{"link's bytes", func(t *testing.T, f *fixture, b begun) error {
			f.exec(t, "UPDATE links SET max_bytes = 100 WHERE id IN (SELECT link_id FROM transfers WHERE id = $1)", b.id)
			return nil
		}, account.ErrQuotaExceeded, 0},
		{"place taken", func(t *testing.T, f *fixture, b begun) error {
			f.exec(t, "UPDATE links SET max_transfers = 0 WHERE id IN (SELECT link_id FROM transfers WHERE id = $1)", b.id)
			return nil
		}, ErrLinkFull, 0},
		{"too many files", func(t *testing.T, f *fixture, b begun) error { f.declare(t, b, 1, 1, 1); return nil }, ErrTooManyFiles, 3},
		{"complete", func(t *testing.T, f *fixture, b begun) error { f.declare(t, b, 0); f.complete(t, b); return nil }, ErrTransferEnded, 1},
		{"aborted", func(t *testing.T, f *fixture, b begun) error {
			return f.AbortTransfer(t.Context(), b.Access, b.id, guest)
		}, ErrTransferEnded, 0},
		{"deleted", func(t *testing.T, f *fixture, b begun) error {
			return f.DeleteTransfer(t.Context(), f.studio.ID, b.id, Client{})
		}, ErrTransferEnded, 0},
		{"over its time", func(_ *testing.T, f *fixture, _ begun) error { f.clk.forward(7 * 24 * time.Hour); return nil }, ErrTransferExpired, 0},
		{"expired", func(t *testing.T, f *fixture, b begun) error {
			f.clk.forward(7 * 24 * time.Hour)
			return f.sweepExpired(t.Context())
		}, ErrTransferExpired, 0},
		{"purged", func(t *testing.T, f *fixture, b begun) error {
			f.clk.forward(7 * 24 * time.Hour)
			return f.Sweep(t.Context())
		}, ErrTransferExpired, 0},
	}
	eachEngine(t, func(t *testing.T, f *fixture) {
		f.Service.set.MaxFiles = 3
		for _, test := range tests {
			b := f.begin(t, LinkFields{})
			if err := test.set(t, f, b); err != nil {
				t.Fatal(err)
			}
			_, err := f.Declare(t.Context(), b.Access, b.id, one)
			wantErr(t, test.name, err, test.want)
			if q, ok := errors.AsType[*account.QuotaError](err); ok && q.Left != 100 {
				t.Errorf("%s: %d bytes are said to be left, want 100", test.name, q.Left)
			}
			if n := f.number(t, "SELECT COUNT(*) FROM files WHERE transfer_id = $1", b.id); n != test.count {
				t.Errorf("%s: %d files stand, want %d", test.name, n, test.count)
			}
			f.exec(t, "UPDATE accounts SET quota_bytes = NULL")
			f.exec(t, "UPDATE links SET max_transfers = NULL")
		}
	})
}

func TestDeclareLinkBounds(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{Slug: "bounds", MaxFileBytes: ptr(int64(10)), MaxBytes: ptr(int64(25))})
		got := f.outcomes(t, b, NewFile{Path: "a", Size: 10}, NewFile{Path: "b", Size: 11}, NewFile{Path: "c", Size: 10})
		if s := strings.Join(got, ","); s != "ok,large,ok" {
			t.Errorf("got %s", s)
		}
		other := f.beginOn(t, "bounds")
		_, err := f.Declare(t.Context(), other.Access, other.id, []NewFile{{Path: "a", Size: 6}})
		if q, ok := errors.AsType[*account.QuotaError](err); !ok || q.Left != 5 {
			t.Errorf("beyond the link's bytes: %v", err)
		}
		// Aborting gives the bytes back to the link.
		if err := f.AbortTransfer(t.Context(), b.Access, b.id, guest); err != nil {
			t.Fatal(err)
		}
		if got := f.outcomes(t, other, NewFile{Path: "a", Size: 6}); got[0] != "ok" {
			t.Errorf("after an abort: %v", got)
		}
	})
}

func TestDeclareThousandFiles(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		in := make([]NewFile, MaxDeclared)
		for i := range in {
			in[i] = NewFile{Path: fmt.Sprintf("day %d/DSC%04d.ARW", i%7, i), Size: int64(i % 50), Modified: ptr(f.clk.time())}
		}
		first, err := f.Declare(t.Context(), b.Access, b.id, in)
		if err != nil || len(first.Files) != len(in) {
			t.Fatalf("%d files stand: %v", len(first.Files), err)
		}
		again, err := f.Declare(t.Context(), b.Access, b.id, in)
		if err != nil || len(again.Files) != len(in) {
			t.Fatalf("%d files stand again: %v", len(again.Files), err)
		}
		for i := range in {
			if again.Files[i].File.ID != first.Files[i].File.ID {
				t.Fatalf("file %d is another one", i)
			}
		}
		seen := 0
		for cursor := ""; ; {
			page, next, err := f.Files(t.Context(), b.Access, b.id, Page{Cursor: cursor, Limit: 300})
			if err != nil {
				t.Fatal(err)
			}
			for _, file := range page {
				if file.Path != in[seen].Path {
					t.Fatalf("file %d of the list is %s", seen, file.Path)
				}
				seen++
			}
			if cursor = next; cursor == "" {
				break
			}
		}
		if seen != len(in) {
			t.Errorf("the list has %d files", seen)
		}
		_, _, err = f.Files(t.Context(), b.Access, b.id, Page{Cursor: "-1"})
		wantErr(t, "bad cursor", err, account.ErrCursor)
	})
}
