package client

import (
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/api"
)

// TestDeclaredIsSmallAndWhole keeps all that the server says of a file, in little
// space where it says little.
func TestDeclaredIsSmallAndWhole(t *testing.T) {
	t.Parallel()
	crc := api.CRC32(7)
	const uuid = "01a2239f-ca16-7647-93ce-77ae4edb8e12"
	for name, row := range map[string]struct {
		file  api.File
		want  standing
		small bool
	}{
		"new":       {api.File{ID: uuid, Size: 5, PartSize: 10, PartCount: 1, State: "receiving"}, standing{partSize: 5, parts: 1}, true},
		"empty":     {api.File{ID: uuid, State: "stored"}, standing{all: true}, true},
		"stored":    {api.File{ID: uuid, Size: 5, PartSize: 10, PartCount: 1, State: "stored", CRC32: &crc, Received: [][2]int{{1, 1}}}, standing{partSize: 5, parts: 1, all: true, crc: 7, hasCRC: true}, true},
		"damaged":   {api.File{ID: uuid, Size: 5, PartSize: 10, PartCount: 1, State: "damaged"}, standing{partSize: 5, parts: 1, damaged: true}, true},
		"large":     {api.File{ID: uuid, Size: 25, PartSize: 10, PartCount: 3, State: "receiving"}, standing{partSize: 10, parts: 3}, false},
		"half":      {api.File{ID: uuid, Size: 25, PartSize: 10, PartCount: 3, State: "receiving", Received: [][2]int{{2, 3}}}, standing{partSize: 10, parts: 3, received: [][2]int{{2, 3}}}, false},
		"other ids": {api.File{ID: "01A2239F-CA16-7647-93CE-77AE4EDB8E12", Size: 5, PartSize: 10, PartCount: 1, State: "receiving"}, standing{id: "01A2239F-CA16-7647-93CE-77AE4EDB8E12", partSize: 10, parts: 1}, false},
		"short ids": {api.File{ID: "f", Size: 5, PartSize: 10, PartCount: 1, State: "receiving"}, standing{id: "f", partSize: 10, parts: 1}, false},
	} {
		d := declaredFrom(&Source{Size: row.file.Size}, row.file)
		if diff := cmp.Diff(row.want, d.stands(), cmp.AllowUnexported(standing{})); diff != "" || d.id() != row.file.ID || (d.more == nil) != row.small {
			t.Errorf("%s: %s, id %s, apart %v", name, diff, d.id(), d.more != nil)
		}
	}
	if size := unsafe.Sizeof(declared{}) + unsafe.Sizeof(Source{}); size > 112 {
		t.Errorf("a file that waits takes %d bytes beside its path", size)
	}
}
