package names

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestUnique(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 251) + ".jpg"
	numbered := strings.Repeat("n", MaxSegment-numberRoom-4)
	tests := []struct {
		name  string
		paths []string
		want  []string
	}{
		{name: "already unique", paths: []string{"a/1.jpg", "a/2.jpg", "b/1.jpg"}, want: []string{"a/1.jpg", "a/2.jpg", "b/1.jpg"}},
		{name: "case", paths: []string{"IMG.jpg", "img.JPG", "Img.jpg"}, want: []string{"IMG.jpg", "img (2).JPG", "Img (3).jpg"}},
		{name: "folders join", paths: []string{"A/x", "a/y", "a/X"}, want: []string{"A/x", "a/y", "a/X (2)"}},
		{name: "normalisation", paths: []string{"caf\u00e9", "cafe\u0301"}, want: []string{"caf\u00e9", "cafe\u0301 (2)"}},
		{name: "other scripts", paths: []string{"ΣΑΣ", "σας"}, want: []string{"ΣΑΣ", "σας (2)"}},
		{name: "made equal by safety", paths: []string{"a:b.txt", "a?b.txt"}, want: []string{"a_b.txt", "a_b (2).txt"}},
		{name: "the number is taken", paths: []string{"x", "x (2)", "X", "x (2)"}, want: []string{"x", "x (2)", "X (3)", "x (2) (2)"}},
		{name: "no extension", paths: []string{".profile", ".PROFILE", "tar.gz", "TAR.gz"}, want: []string{".profile", ".PROFILE (2)", "tar.gz", "TAR (2).gz"}},
		{name: "file before folder", paths: []string{"a", "A/b", "A/c", "a/C"}, want: []string{"a", "A (2)/b", "A (2)/c", "a (2)/C (2)"}},
		{name: "folder before file", paths: []string{"A/b", "a", "a"}, want: []string{"A/b", "a (2)", "a (3)"}},
		{name: "joins a folder that is there", paths: []string{"x (2)/1", "x", "X/1"}, want: []string{"x (2)/1", "x", "X (2)/1 (2)"}},
		{name: "long names", paths: []string{long, long}, want: []string{long, numbered + " (2).jpg"}},
		{name: "safe first", paths: []string{"CON", "con", "_CON"}, want: []string{"_CON", "_con (2)", "_CON (3)"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var unique Unique
			var got []string
			for _, path := range test.paths {
				got = append(got, unique.Name(path))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("names (-want +got):\n%s", diff)
			}
		})
	}
}

// Names that all fall together must not make the work grow with the square of their number: with a search from 2
// for each, this test would take minutes.
func TestUniqueManyDuplicates(t *testing.T) {
	t.Parallel()
	const many = 100_000
	var unique Unique
	for range many {
		unique.Name("same.jpg")
	}
	if got, want := unique.Name("SAME.jpg"), fmt.Sprintf("SAME (%d).jpg", many+1); got != want {
		t.Errorf("name after %d duplicates is %q, want %q", many, got, want)
	}
	var folders Unique
	folders.Name("a")
	for i := range many {
		folders.Name(fmt.Sprintf("a (%d)", i+2))
	}
	for i := range many {
		folders.Name(fmt.Sprintf("A/%d", i))
	}
	if got, want := folders.Name("A/last"), fmt.Sprintf("A (%d)/last", many+2); got != want {
		t.Errorf("name below a taken folder is %q, want %q", got, want)
	}
}

func FuzzUnique(f *testing.F) {
	f.Add("a\nA\na (2)\na/b")
	f.Add("CON\ncon\nx.\nx_")
	f.Add("caf\u00e9/a\ncafe\u0301")
	f.Fuzz(func(t *testing.T, list string) {
		var unique Unique
		files, folders := map[string]string{}, map[string]string{}
		for path := range strings.SplitSeq(list, "\n") {
			name := unique.Name(path)
			if Safe(name) != name {
				t.Fatalf("%q is not safe", name)
			}
			key := fold(name)
			if earlier, taken := files[key]; taken {
				t.Fatalf("%q after %q", name, earlier)
			}
			files[key] = name
			for _, ancestor := range ancestors([]byte(key)) {
				folders[string(ancestor)] = name
			}
		}
		for key, name := range files {
			if below, taken := folders[key]; taken {
				t.Fatalf("%q is a file and a folder of %q", name, below)
			}
		}
	})
}
