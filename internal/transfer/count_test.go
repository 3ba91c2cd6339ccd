package transfer

import (
	"bytes"
	"testing"

	"github.com/lenzeye/lenzeye/internal/db"
)

// TestCommitWithoutReply: whether a part counts is not known, so the row is
// looked at. The blob stays in any case, since a row may name it.
func TestCommitWithoutReply(t *testing.T) {
	t.Parallel()
	eachEngine(t, func(t *testing.T, f *fixture) {
		b := f.begin(t, LinkFields{})
		for _, partSize := range []int64{100, 40} {
			file := f.declareCut(t, b, "file", 100, partSize)
			f.putSome(t, b, file, partsFrom(2, file)...)
			body := partOf(file, 1)
			u, err := f.BeginPart(t.Context(), b.Access, file.ID, 1, int64(len(body)))
			if err != nil {
				t.Fatal(err)
			}
			a := attempt{number: 1, size: int64(len(body)), crc32: crcOf(body), blobKey: u.file.blobKey, uploadID: u.file.uploadID}

			_, err = u.lookAgain(t.Context(), a, db.ErrOutcomeUnknown)
			if !isAny(err, ErrDatabaseUnavailable, ErrStorageUnavailable) {
				t.Errorf("the commit did not happen: %v", err)
			}
			f.putSome(t, b, file, 1)
			a.blobKey = f.row(t, file.ID).blobKey
			r, err := u.lookAgain(t.Context(), a, db.ErrOutcomeUnknown)
			if err != nil || r.State != Stored || r.Part.CRC32 != crcOf(body) {
				t.Errorf("the commit happened: %+v, %v", r, err)
			}
			a.crc32 = crcOf(other(body))
			_, err = u.lookAgain(t.Context(), a, db.ErrOutcomeUnknown)
			wantErr(t, "another's commit happened", err, ErrPartConflict)
			if got := f.read(t, file.ID); !bytes.Equal(got, content(file)) {
				t.Error("I1: the file came back different")
			}
			if err := f.DeleteFile(t.Context(), b.Access, file.ID); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// partsFrom are a file's part numbers from first on.
func partsFrom(first int, file File) (numbers []int) {
	for n := first; n <= file.PartCount; n++ {
		numbers = append(numbers, n)
	}
	return numbers
}
