package transfer

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/db"
)

// counted counts the questions of a reader.
type counted struct {
	db.Querier
	questions, bytes int
}

func (c *counted) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	c.questions++
	for _, a := range args {
		if b, ok := a.([]byte); ok {
			c.bytes += len(b)
		}
	}
	return c.Querier.QueryContext(ctx, query, args...)
}

// deepest are as many paths as a declare takes, each as deep as a path can be but one.
func deepest(first int) []NewFile {
	in := make([]NewFile, MaxDeclared)
	for i := range in {
		in[i] = NewFile{Path: fmt.Sprintf("%04d", first+i) + strings.Repeat("/a", 509), Size: 1}
	}
	return in
}

// TestDeepestPaths proves I9 of a declare: what it asks of the database and what
// it keeps follows the number of its files, not the depth of their paths.
func TestDeepestPaths(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		for _, first := range []int{0, 500} { // the second half of the one stands before the other
			in := deepest(first)
			head, err := f.receiving(t.Context(), f.db, b.Access, b.id)
			if err != nil {
				t.Fatal(err)
			}
			good, bad := f.candidates(in, head, Link{})
			if len(bad) > 0 {
				t.Fatalf("refused: %+v", bad[0])
			}
			q := &counted{Querier: f.db}
			taken, err := f.placesNear(t.Context(), q, b.id, good)
			if err != nil {
				t.Fatal(err)
			}
			if q.questions > 150 || q.bytes > 20*MaxDeclared*1024 || len(taken.all) > 3*MaxDeclared {
				t.Errorf("%d questions with %d bytes, %d places kept", q.questions, q.bytes, len(taken.all))
			}
			d, err := f.Declare(t.Context(), b.Access, b.id, in)
			if err != nil || len(d.Files) != MaxDeclared-first || len(d.Errors) != first { // without a date none is the same again
				t.Fatalf("from %d: %d files, %d errors, %v", first, len(d.Files), len(d.Errors), err)
			}
		}
		last := "0000" + strings.Repeat("/a", 509)
		got := f.outcomes(t, b, NewFile{Path: last[:len(last)-2]}, NewFile{Path: last + "/b"}, NewFile{Path: last[:500]}, NewFile{Path: last[:500] + "b"})
		if s := strings.Join(got, ","); s != "taken,taken,taken,ok" {
			t.Errorf("around the deepest: %s", s)
		}
	})
}

// TestDeclareAgreesWithTheRule declares random paths around each other's folders
// and holds each answer against the rule as it is said: no two files of one
// path, and none where another needs a folder.
func TestDeclareAgreesWithTheRule(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		rnd := rand.New(rand.NewPCG(11, 12))
		segment := func() string { return []string{"a", "a-", "a!", "a0", "b"}[rnd.IntN(5)] }
		for range 30 {
			b := f.begin(t, LinkFields{})
			var stand []string
			for range 4 {
				var in []NewFile
				for range 12 {
					path := segment()
					for range rnd.IntN(6) {
						path += "/" + segment()
					}
					in = append(in, NewFile{Path: path, Size: 1})
				}
				for i, got := range f.outcomes(t, b, in...) {
					want := "ok"
					for _, s := range stand {
						if s == in[i].Path || strings.HasPrefix(s, in[i].Path+"/") || strings.HasPrefix(in[i].Path, s+"/") {
							want = "taken"
						}
					}
					if got != want {
						t.Fatalf("%s beside %q: %s, want %s", in[i].Path, stand, got, want)
					}
					if want == "ok" {
						stand = append(stand, in[i].Path)
					}
				}
			}
		}
	})
}
