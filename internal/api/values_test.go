package api_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
)

func TestWire(t *testing.T) {
	t.Parallel()
	at := api.NewTime(time.Date(2026, 12, 31, 23, 59, 59, 999_999_999, time.FixedZone("", 3600)))
	crc := api.CRC32(0xbeef)
	tests := map[string]struct {
		v    any
		want string
	}{
		"time":         {at, `"2026-12-31T22:59:59.999Z"`},
		"whole second": {api.NewTime(time.Unix(0, 0)), `"1970-01-01T00:00:00.000Z"`},
		"crc":          {crc, `"0000beef"`},
		"no crc":       {api.CRCOf(nil), `null`},
		"no time":      {api.TimeOf(nil), `null`},
		"absent patch": {api.MePatch{}, `{}`},
		"null patch":   {api.MePatch{Name: api.Clear[string]()}, `{"name":null}`},
		"set patch":    {api.MePatch{Name: api.Change("x")}, `{"name":"x"}`},
		"declared": {api.DeclaredFile{Index: 2, File: api.File{ID: "i", Received: [][2]int{{1, 3}}, CRC32: &crc}},
			`{"index":2,"id":"i","path":"","size":0,"modified":null,"type":"","part_size":0,"part_count":0,"received":[[1,3]],"state":"","crc32":"0000beef","sealing":""}`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := json.Marshal(tc.v)
			if err != nil || string(got) != tc.want {
				t.Errorf("got %s, %v\nwant %s", got, err, tc.want)
			}
		})
	}
}

func TestCRC32Reads(t *testing.T) {
	t.Parallel()
	var c api.CRC32
	if err := json.Unmarshal([]byte(`"0000beef"`), &c); err != nil || c != 0xbeef {
		t.Errorf("got %x, %v", uint32(c), err)
	}
	for _, bad := range []string{`"beef"`, `"0000beeg"`, `48879`, `"+000beef"`} {
		if err := json.Unmarshal([]byte(bad), &c); err == nil {
			t.Errorf("%s was read as %x", bad, uint32(c))
		}
	}
}

func TestCodesAreOnce(t *testing.T) {
	t.Parallel()
	seen := map[api.Code]bool{}
	for _, c := range api.Codes() {
		if seen[c.Code] || c.Status < 400 || c.Status > 599 || c.Title == "" {
			t.Errorf("row %+v", c)
		}
		seen[c.Code] = true
	}
}
