package web

import (
	"mime"
	"net/http"
	"path"
	"strings"
	"testing"
	"unicode/utf8"
)

func FuzzContentDigest(f *testing.F) {
	f.Add("sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:")
	f.Add("md5=:x:, sha-512=:;a=b, sha-256")
	f.Fuzz(func(t *testing.T, header string) {
		digests, err := contentDigests([]string{header})
		for _, d := range digests {
			if err != nil || len(d.Want) != d.Hash.Size() {
				t.Errorf("%q: %d bytes, %v", header, len(d.Want), err)
			}
		}
	})
}

func FuzzAttachment(f *testing.F) {
	f.Add("a/größe \"1\".jpg")
	f.Add("x; filename=y\r\nX: y")
	f.Fuzz(func(t *testing.T, name string) {
		if !utf8.ValidString(name) {
			return
		}
		v := attachment(name)
		for _, b := range []byte(v) {
			if b < 0x20 || b > 0x7e {
				t.Fatalf("%q holds byte %#x", v, b)
			}
		}
		kind, params, err := mime.ParseMediaType(v)
		if err != nil || kind != "attachment" || params["filename"] != path.Base(name) {
			t.Errorf("%q reads as %q %q, %v", v, kind, params["filename"], err)
		}
	})
}

func FuzzForwarded(f *testing.F) {
	f.Add("1.2.3.4")
	f.Add("[2001:db8::1]:443")
	f.Fuzz(func(t *testing.T, hop string) {
		if a, ok := parseHop(hop); ok && (!a.IsValid() || strings.Contains(a.String(), "%")) {
			t.Errorf("%q is %v", hop, a)
		}
	})
}

func TestBearer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		values []string
		secret string
		given  bool
	}{
		{nil, "", false},
		{[]string{"Bearer abc"}, "abc", true},
		{[]string{"bearer  abc "}, "abc", true},
		{[]string{"Basic abc"}, "", true},
		{[]string{""}, "", true},
		{[]string{"Bearer"}, "", true},
		{[]string{"Bearer a", "Bearer b"}, "", true},
	}
	for _, tc := range tests {
		r := &http.Request{Header: http.Header{"Authorization": tc.values}}
		if tc.values == nil {
			r.Header = http.Header{}
		}
		if secret, given := bearer(r); secret != tc.secret || given != tc.given {
			t.Errorf("%q: %q, %v", tc.values, secret, given)
		}
	}
}
