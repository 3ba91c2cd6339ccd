package transfer

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/seal"
)

// objectFolder is where a directory store keeps a file's object.
func (f *fixture) objectFolder(t testing.TB, file File) string {
	t.Helper()
	return filepath.Join(f.folders[0], f.row(t, file.ID).blobKey)
}

// partFile is the file of part n in a directory store.
func (f *fixture) partFile(t testing.TB, file File, n string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(f.objectFolder(t, file), n+".*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("part file %s: %v, %v", n, found, err)
	}
	return found[0]
}

// harm damages one file of the disk beneath a store, and gives what mends it.
func harm(t testing.TB, path string, change func(b []byte) []byte) (mend func()) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write := func(b []byte) {
		t.Helper()
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if after := change(slices.Clone(before)); after != nil {
		write(after)
	} else if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	return func() { t.Helper(); write(before) }
}

func flipAt(at int) func(b []byte) []byte {
	return func(b []byte) []byte { b[(at+len(b))%len(b)] ^= 1; return b }
}

// otherDigit leaves a hexadecimal number what it is, and not which.
func otherDigit(at int) func(b []byte) []byte {
	return func(b []byte) []byte {
		if b[at] == '0' {
			b[at] = '1'
		} else {
			b[at] = '0'
		}
		return b
	}
}

func remove([]byte) []byte       { return nil }
func cutHalf(b []byte) []byte    { return b[:len(b)/2] }
func cutOne(b []byte) []byte     { return b[:len(b)-1] }
func emptied([]byte) []byte      { return []byte{} }
func longer(b []byte) []byte     { return append(b, 0) }
func oneOfTwo(b []byte) []byte   { return b[:len(b)-59] }
func lineAt(line, at int) int    { return line*59 + at }
func manifestOf(f string) string { return filepath.Join(f, "manifest") }

// TestDamagedPartFiles proves I3 on what a directory really holds of a file of
// several parts: whatever happens to a part's file or to the manifest, only the
// true beginning of the file comes out, it is damage at once for who reads, and
// all is well when the disk is mended.
func TestDamagedPartFiles(t *testing.T) {
	t.Parallel()
	const unit, small = 150_000, 70_000
	const first = seal.SegmentSize - seal.HeaderSize - 16 // plain bytes in a part's first segment
	eachDirectory(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		file := f.declareCut(t, b, "cut", 2*unit+small, unit)
		f.putAll(t, b, file)
		for _, c := range []struct {
			name   string
			part   string // "": the manifest
			change func([]byte) []byte
			good   int64 // plain bytes that have to come out
		}{
			{"second part gone", "2", remove, unit},
			{"second part cut", "2", cutHalf, unit + first},
			{"second part empty", "2", emptied, unit},
			{"last part one byte short", "3", cutOne, 2*unit + first},
			{"first part gone", "1", remove, 0},
			{"content of the second part", "2", flipAt(seal.HeaderSize), unit},
			{"tag of the second part", "2", flipAt(-1), unit + first},
			{"tag of the last part", "3", flipAt(-1), 2*unit + first},
			{"no manifest", "", remove, 0},
			{"manifest cut", "", oneOfTwo, 0},
			{"manifest empty", "", emptied, 0},
			{"version", "", flipAt(1), 0},
			{"number of parts", "", flipAt(lineAt(0, 40)), 0},
			{"length", "", flipAt(lineAt(0, 57)), 0},
			{"a part's number", "", flipAt(lineAt(2, 4)), 0},
			{"an attempt", "", flipAt(lineAt(2, 20)), 0},
			{"a part's end", "", flipAt(lineAt(2, 57)), 0},
			{"a line's end", "", flipAt(lineAt(2, 58)), 0},
		} {
			path := manifestOf(f.objectFolder(t, file))
			if c.part != "" {
				path = f.partFile(t, file, c.part)
			}
			damaged := f.events(t, "file_damaged")
			mend := harm(t, path, c.change)
			got, err := f.readUntil(t, file)
			if n := int64(len(got)); n < c.good || n >= file.Size || !bytes.Equal(got, content(file)[:n]) {
				t.Errorf("I3, %s: %d bytes came out", c.name, n)
			}
			wantErr(t, c.name, err, ErrDamaged)
			f.wantState(t, file, Damaged)
			if n := f.events(t, "file_damaged"); n != damaged+1 {
				t.Errorf("%s: %d events tell of it, want 1", c.name, n-damaged)
			}
			mend()
			f.scrubNow(t, ScrubOptions{})
			f.wantState(t, file, Stored)
			f.wantSame(t, file)
		}
		// A part longer than it was, and a name that nothing goes by.
		for path, change := range map[string]func([]byte) []byte{
			f.partFile(t, file, "3"): longer, manifestOf(f.objectFolder(t, file)): otherDigit(lineAt(0, 10)),
		} {
			mend := harm(t, path, change)
			f.wantSame(t, file)
			mend()
		}
	})
}

// TestLostPartFilesAreFound: nobody reads, and what is gone or cut of a file's
// parts is found all the same: by the walk in a day of looks that agree, by the
// scrub in its turn; with an event, and a recovery when it comes back.
func TestLostPartFilesAreFound(t *testing.T) {
	t.Parallel()
	eachDirectory(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		var files []File
		var paths []string
		for i := range 4 {
			files = append(files, f.declareCut(t, b, "cut"+strings.Repeat("x", i), 250_000, 100_000))
		}
		f.putAll(t, b, files...)
		f.complete(t, b)
		for _, file := range files {
			paths = append(paths, f.partFile(t, file, "2"))
		}
		f.sweep(t) // the first walk only reports
		mends := []func(){
			harm(t, paths[0], remove), harm(t, paths[1], cutHalf), harm(t, paths[2], longer),
			harm(t, manifestOf(f.objectFolder(t, files[3])), flipAt(lineAt(2, 57))),
		}
		got, _ := f.differ(t, ReconcileOptions{})
		if len(got[WrongLength]) != len(files) {
			t.Errorf("a walk by hand found %v", got)
		}
		if _, wrong, gone := f.scrubNow(t, ScrubOptions{}); len(wrong) != 0 || len(gone) != 3 {
			t.Errorf("a scrub found %v changed and %v missing, want the three that end too soon", wrong, gone)
		}
		for range 26 {
			f.clk.forward(time.Hour)
			f.sweep(t)
		}
		for _, file := range files {
			f.wantState(t, file, Damaged)
		}
		if n := f.events(t, "file_damaged"); n != int64(len(files)) {
			t.Errorf("%d events tell of %d files", n, len(files))
		}
		for _, mend := range mends {
			mend()
		}
		f.clk.forward(2 * time.Hour)
		f.sweep(t)
		for _, file := range files {
			f.wantState(t, file, Stored)
			f.wantSame(t, file)
		}
	})
}

// meetDamage: a piece of a file's bytes is gone, and two processes read and
// scrub it and walk past it at once.
func meetDamage(t *testing.T, p *pair) {
	b := p.begin(t, LinkFields{})
	file := p.cut(t, b, "cut")
	p.putAll(t, b, file)
	p.quiet(t)
	p.complete(t, b)
	mend := p.spoil(t, file)
	read := func(s *Service) error {
		o, err := s.OpenFile(t.Context(), p.own(), file.ID)
		if err != nil {
			return err
		}
		got, err := io.ReadAll(o)
		if !bytes.HasPrefix(content(file), got) {
			t.Error("I3: other bytes were read")
		}
		return err
	}
	scrub := func(s *Service) error {
		_, err := s.ScrubNow(t.Context(), ScrubOptions{})
		return err
	}
	errs := p.meet(t, read, read, scrub, scrub)
	if n := good(t, errs[:2], ErrDamaged); n != 0 {
		t.Errorf("I3: %d reads of a file with a piece missing went well", n)
	}
	good(t, errs[2:], ErrScrubBusy) // the one that was overtaken
	p.wantState(t, file, Damaged)
	p.wantEvents(t, map[string]int64{"file_damaged": 1, "file_recovered": 0})
	mend()
	p.clk.forward(2 * time.Hour)
	good(t, p.meet(t, scrub, scrub), ErrScrubBusy)
	p.quiet(t)
	p.wantState(t, file, Stored)
	p.wantSame(t, file)
	p.wantEvents(t, map[string]int64{"file_damaged": 1, "file_recovered": 1})
	p.wantBorne(t, file.Size, 0)
}

// spoil takes a piece of a stored file away: the file of a part where the store
// is a directory, else the object's end.
func (f *fixture) spoil(t testing.TB, file File) (mend func()) {
	t.Helper()
	if found, _ := filepath.Glob(filepath.Join(f.partsFolder(t, file), "2.*")); len(found) == 1 {
		return harm(t, found[0], remove)
	}
	key := f.row(t, file.ID).blobKey
	var before []byte
	f.rewrite(t, key, func(sealed []byte) []byte { before = slices.Clone(sealed); return sealed[:len(sealed)-1] })
	return func() {
		t.Helper()
		f.rewrite(t, key, func([]byte) []byte { return before })
	}
}

// partsFolder is objectFolder, or nothing where the store is no directory.
func (f *fixture) partsFolder(t testing.TB, file File) string {
	t.Helper()
	if f.kind != "directory" {
		return filepath.Join(t.TempDir(), "none")
	}
	return f.objectFolder(t, file)
}
