package archive

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"testing"
	"time"
	"unsafe"
)

func TestHeaderLengths(t *testing.T) {
	t.Parallel()
	recent := time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name           string
		h              header
		local, central int64
		needs          byte // of the central record
	}{
		{"plain", header{name: "abc", modified: recent}, 30 + 3 + 9, 46 + 3 + 9, 10},
		{"no time", header{name: "abc"}, 30 + 3, 46 + 3, 10},
		{"largest plain size", header{size: max32 - 1, modified: recent}, 30 + 9, 46 + 9, 10},
		{"large", header{size: max32, modified: recent}, 30 + 9 + 20, 46 + 9 + 20, 45},
		{"farthest plain offset", header{offset: max32 - 1}, 30, 46, 10},
		{"far", header{offset: max32}, 30, 46 + 12, 45},
		{"large and far", header{size: 1 << 40, offset: 1 << 41}, 30 + 20, 46 + 28, 45},
	}
	for _, test := range tests {
		local, central := test.h.appendLocal(nil), test.h.appendCentral(nil)
		if test.h.localLen() != test.local || int64(len(local)) != test.local {
			t.Errorf("%s: local header of %d bytes, computed %d, want %d", test.name, len(local), test.h.localLen(), test.local)
		}
		if test.h.centralLen() != test.central || int64(len(central)) != test.central {
			t.Errorf("%s: central record of %d bytes, computed %d, want %d", test.name, len(central), test.h.centralLen(), test.central)
		}
		if central[6] != test.needs {
			t.Errorf("%s: version %d needed, want %d", test.name, central[6], test.needs)
		}
		if int64(binary.LittleEndian.Uint16(local[28:])) != test.h.localExtra() || int64(binary.LittleEndian.Uint16(central[30:])) != test.h.centralExtra() {
			t.Errorf("%s: lengths of the extra fields are wrong", test.name)
		}
	}
}

// TestLocalZip64 reads the field that programs find only where they read an
// archive from its start.
func TestLocalZip64(t *testing.T) {
	t.Parallel()
	h := header{name: "x", size: max32 + 5, offset: 1 << 40}
	b := h.appendLocal(nil)
	le := binary.LittleEndian
	if le.Uint32(b[18:]) != max32 || le.Uint32(b[22:]) != max32 || b[4] != needsZip64 {
		t.Errorf("sizes %x and %x, version %d", le.Uint32(b[18:]), le.Uint32(b[22:]), b[4])
	}
	extra := b[localFixed+1:]
	if le.Uint16(extra) != zip64ID || le.Uint16(extra[2:]) != 16 || le.Uint64(extra[4:]) != max32+5 || le.Uint64(extra[12:]) != max32+5 {
		t.Errorf("zip64 field is %x", extra)
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	date := func(y int, m time.Month, d, hour, minute, s int) time.Time {
		return time.Date(y, m, d, hour, minute, s, 0, time.UTC)
	}
	tests := []struct {
		modified, want time.Time
		stamped        bool
	}{
		{date(2024, 6, 15, 14, 30, 21), date(2024, 6, 15, 14, 30, 20), true},
		{date(1979, 12, 31, 23, 59, 59), date(1980, 1, 1, 0, 0, 0), true},
		{date(1970, 1, 1, 0, 0, 0), date(1980, 1, 1, 0, 0, 0), true},
		{date(1969, 12, 31, 23, 59, 59), date(1980, 1, 1, 0, 0, 0), false},
		{date(2038, 1, 19, 3, 14, 7), date(2038, 1, 19, 3, 14, 6), true},
		{date(2038, 1, 19, 3, 14, 8), date(2038, 1, 19, 3, 14, 8), false},
		{date(2107, 12, 31, 23, 59, 59), date(2107, 12, 31, 23, 59, 58), false},
		{date(2108, 1, 1, 0, 0, 0), date(2107, 12, 31, 23, 59, 58), false},
		{time.Time{}, date(1980, 1, 1, 0, 0, 0), false},
		{time.Unix(1<<60, 0), date(2107, 12, 31, 23, 59, 58), false},
		{time.Date(2024, 1, 1, 0, 30, 0, 0, time.FixedZone("", 3600)), date(2023, 12, 31, 23, 30, 0), true},
	}
	for _, test := range tests {
		clock, day := dosTime(test.modified)
		got := date(int(day>>9)+1980, time.Month(day>>5&15), int(day&31), int(clock>>11), int(clock>>5&63), int(clock&31)*2)
		if !got.Equal(test.want) {
			t.Errorf("%v became %v, want %v", test.modified, got, test.want)
		}
		if h := (header{modified: test.modified}); h.hasTimestamp() != test.stamped {
			t.Errorf("%v: extended timestamp %v, want %v", test.modified, h.hasTimestamp(), test.stamped)
		}
	}
}

func TestEndRecords(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name                string
		count, size, offset int64
		zip64               bool
	}{
		{"empty", 0, 0, 0, false},
		{"most plain", max16 - 1, max32 - 1, max32 - 1, false},
		{"many files", max16, 1, 1, true},
		{"large directory", 1, max32, 1, true},
		{"far directory", 1, 1, max32, true},
	}
	for _, test := range tests {
		b := endRecords(test.count, test.size, test.offset)
		want := endLen
		if test.zip64 {
			want += end64Len + locatorLen
			le := binary.LittleEndian
			if le.Uint64(b[32:]) != uint64(test.count) || le.Uint64(b[40:]) != uint64(test.size) || le.Uint64(b[48:]) != uint64(test.offset) {
				t.Errorf("%s: the ZIP64 record holds other values", test.name)
			}
			if le.Uint64(b[64:]) != uint64(test.offset+test.size) {
				t.Errorf("%s: the locator points elsewhere", test.name)
			}
		}
		if len(b) != want {
			t.Errorf("%s: %d bytes, want %d", test.name, len(b), want)
		}
	}
}

func TestEmptyArchive(t *testing.T) {
	t.Parallel()
	s := newShelf()
	all := whole(t, newPlan(t, s), s)
	z, err := zip.NewReader(bytes.NewReader(all), int64(len(all)))
	if err != nil || len(z.File) != 0 {
		t.Fatalf("read %v, error %v", z, err)
	}
}

// TestCheckpointSize holds the figures of the package's doc.
func TestCheckpointSize(t *testing.T) {
	t.Parallel()
	if got := unsafe.Sizeof(checkpoint{}); got != checkpointSize {
		t.Errorf("a checkpoint has %d bytes, not %d", got, checkpointSize)
	}
	if got := unsafe.Sizeof(Plan{}); got > planSize || got < planSize-16 {
		t.Errorf("a plan has %d bytes, not about %d", got, planSize)
	}
}
