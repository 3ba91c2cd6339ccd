package db_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/db"
)

func TestMicros(t *testing.T) {
	t.Parallel()
	zone := time.FixedZone("west", -3*3600)
	at := time.Date(2026, 11, 23, 1, 2, 3, 456_789_999, zone)
	got := db.Time(db.Micros(at))
	if !got.Equal(at.Truncate(time.Microsecond)) || got.Location() != time.UTC {
		t.Errorf("%v became %v", at, got)
	}
	if back := db.NullTime(db.NullMicros(&at)); back == nil || !back.Equal(got) {
		t.Errorf("nullable: %v", back)
	}
	if db.NullMicros(nil) != nil || db.NullTime(nil) != nil {
		t.Error("nil did not stay nil")
	}
}

func TestIDsAreCanonicalAndAscend(t *testing.T) {
	t.Parallel()
	last := ""
	for range 10_000 {
		id := db.NewID()
		if id <= last {
			t.Fatalf("%s after %s", id, last)
		}
		if id[14] != '7' {
			t.Fatalf("%s is not of version 7", id)
		}
		last = id
	}
	if got, err := db.ParseID(last); err != nil || got != last {
		t.Errorf("%q, %v", got, err)
	}
}

func TestParseIDRefuses(t *testing.T) {
	t.Parallel()
	id := db.NewID()
	for name, s := range map[string]string{
		"empty":      "",
		"capitals":   strings.ToUpper("0198c5f2-0000-7000-8000-00000000abcd"),
		"braces":     "{" + id + "}",
		"urn":        "urn:uuid:" + id,
		"no hyphens": strings.ReplaceAll(id, "-", ""),
		"nil":        "00000000-0000-0000-0000-000000000000",
		"short":      id[:35],
		"long":       id + "0",
		"not hex":    "x" + id[1:],
		"space":      " " + id,
		"injection":  "' OR 1=1 --",
		"huge":       strings.Repeat("a", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := db.ParseID(s); err == nil {
				t.Error("was accepted")
			} else if len(err.Error()) > 100 {
				t.Errorf("the error has %d bytes", len(err.Error()))
			}
			if b, err := db.IDBytes(s); err == nil || b != [16]byte{} {
				t.Errorf("bytes %x, %v", b, err)
			}
		})
	}
}

func TestIDBytes(t *testing.T) {
	t.Parallel()
	got, err := db.IDBytes("00112233-4455-7677-8899-aabbccddeeff")
	want := [16]byte{0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x76, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
