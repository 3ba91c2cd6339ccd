package blob

import (
	"testing"

	"github.com/lenzeye/lenzeye/internal/testenv"
)

// harness is one kind of store under the suite.
type harness struct {
	name string
	open func(t *testing.T) *Store
	part int // smallest part that is not the last, in bytes
	// notices a key in use, of which the contract says that it is a mistake
	notices bool
}

func harnesses() []harness {
	return []harness{
		{"memory", func(*testing.T) *Store { return OpenMem(MemOptions{}) }, 1000, true},
		{"strict memory", func(*testing.T) *Store { return OpenMem(MemOptions{MinPart: 5 << 20}) }, 5 << 20, true},
		{"directory", func(t *testing.T) *Store { return openTestDir(t, t.TempDir()) }, 70_001, true},
		{"strict directory", func(t *testing.T) *Store {
			s, err := OpenDir(DirOptions{Root: t.TempDir(), MinPart: 5 << 20})
			return closing(t, s, err)
		}, 5 << 20, true},
		{"bucket", func(t *testing.T) *Store { return openTestBucket(t, s3Options(testenv.S3(t))) }, 5 << 20, false},
	}
}

func s3Options(s testenv.S3Server) S3Options {
	return S3Options{
		Bucket: s.Bucket, Endpoint: s.Endpoint, Region: s.Region, AccessKey: s.AccessKey, SecretKey: s.SecretKey,
	}
}

func openTestBucket(t *testing.T, o S3Options) *Store {
	t.Helper()
	s, err := OpenS3(o)
	return closing(t, s, err)
}

func openTestDir(t *testing.T, root string) *Store {
	t.Helper()
	s, err := OpenDir(DirOptions{Root: root})
	return closing(t, s, err)
}

func closing(t *testing.T, s *Store, err error) *Store {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// suite is what a store is used through in a case; its helpers fail the test.
type suite struct {
	*testing.T
	*Store
	part int
}

func TestConformance(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name string
		run  func(s suite)
	}{
		{"put, head, range, delete", testPut},
		{"small objects", testSmall},
		{"ranges past the end", testPastEnd},
		{"bodies of the wrong length", testWrongLength},
		{"bodies that fail", testFailingBody},
		{"parts in any order", testShuffledParts},
		{"gaps in part numbers", testGaps},
		{"a repeated part counts", testRepeat},
		{"a cut repeat leaves the earlier part", testCutRepeat},
		{"complete with what is not held", testMismatch},
		{"small parts", testSmallParts},
		{"after complete", testAfterComplete},
		{"after abort", testAfterAbort},
		{"uploads are apart", testUploadsApart},
		{"pages of uploads", testUploadPages},
		{"pages of objects", testListPages},
		{"pages of parts", testPartPages},
		{"bad keys", testBadKeys},
		{"bad arguments", testBadArguments},
		{"cancelled", testCancelled},
		{"parts at once", testConcurrentParts},
		{"attempts that overlap", testOverlap},
		{"check", func(s suite) { s.must(s.Check(s.Context())) }},
	}
	for _, h := range harnesses() {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			for _, c := range cases {
				t.Run(c.name, func(t *testing.T) {
					t.Parallel()
					c.run(suite{T: t, Store: h.open(t), part: h.part})
				})
			}
		})
	}
}
