package main

import (
	"os/exec"
	"path/filepath"
	"testing"
)

// The program asks a bucket at its start and on its way, and asks more as it
// grows: what measures it has to answer, or there are no figures.
func TestTheBucketAnswersTheProgram(t *testing.T) {
	t.Parallel()
	p := plan{dir: t.TempDir(), app: filepath.Join(t.TempDir(), "app")}
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", p.app, "github.com/lenzeye/lenzeye/cmd/app").CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	b, err := openBucket()
	if err != nil {
		t.Fatal(err)
	}
	defer b.close()
	b.keep(mib)
	s, err := start(t.Context(), p, "bucket", b.env()...)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.stop(); err != nil {
			t.Error(err)
		}
	}()
	g, err := newGuest(t.Context(), s, 4)
	if err != nil {
		t.Fatal(err)
	}
	// One file of three parts, and small ones that are kept whole and read again.
	const small, size = 10, 64 << 10
	files, err := g.declareSizes(t.Context(), []int64{2*part + 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := g.sendAll(t.Context(), jobsOf(files), 4); err != nil {
		t.Fatal(err)
	}
	address, access, err := shareSome(t.Context(), s, small, size)
	if err != nil {
		t.Fatal(err)
	}
	if _, n, err := fetchZIP(t.Context(), s.base+address, access, 1<<62); err != nil || n < small*size {
		t.Fatalf("a ZIP of %d bytes: %v", n, err)
	}
}
