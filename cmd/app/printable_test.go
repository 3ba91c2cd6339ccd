package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/api"
)

func TestPrintable(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "",
		"W/ü नमस्ते 👩\u200d👧.CR3": "W/ü नमस्ते 👩\u200d👧.CR3",
		"a\tb":                "a\tb",
		"a\nb":                `a\nb`,
		"\x1b]0;x\x07\x1b[2J": `\x1b]0;x\a\x1b[2J`,
		"\u009b2J\u007f":      `\u009b2J\x7f`,
		"a\u202egpj.exe":      `a\u202egpj.exe`,
		"bad\xff":             "bad\ufffd",
	} {
		if got := printable(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := printableLines("a\n\x1bb"); got != "a\n"+`\x1bb` {
		t.Errorf("%q", got)
	}
}

// TestNothingIsObeyed has a server whose every word tries to move the terminal's
// cursor: in a list, in a refusal, and in names.
func TestNothingIsObeyed(t *testing.T) {
	t.Parallel()
	const evil = "\x1b[2J\u009b1m\rx"
	crc := api.CRC32(0)
	calls := http.NewServeMux()
	calls.HandleFunc("POST /api/v1/d/{token}/unlock", func(w http.ResponseWriter, _ *http.Request) { respond(w, 200, api.Unlocked{AccessToken: "y"}) })
	calls.HandleFunc("GET /api/v1/d/{token}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("token") == "refused" {
			respond(w, 410, api.Problem{Status: 410, Code: "share_" + evil, Detail: evil, Title: evil})
			return
		}
		respond(w, 200, api.ShareView{Title: evil, Files: []api.SharedFile{{ID: "1", Path: "a" + evil, CRC32: &crc}, {ID: "2", Path: "b" + evil, Size: 1, CRC32: &crc}}})
	})
	calls.HandleFunc("GET /api/v1/d/{token}/files/{id}", func(w http.ResponseWriter, _ *http.Request) {
		respond(w, 404, api.Problem{Status: 404, Code: api.NotFound, Detail: evil})
	})
	s := httptest.NewServer(calls)
	defer s.Close()
	for args, want := range map[string]int{"good --list": exitOK, "good": exitOurs, "refused": exitUser, "good --only b*": exitOurs, "good --only b* -o -": exitUser} {
		var out bytes.Buffer
		token, more, _ := strings.Cut(args, " ")
		line := append([]string{"get", s.URL + "/d/" + token, "--code", "K7QM-2XW9", "-o", t.TempDir()}, strings.Fields(more)...)
		code := run(t.Context(), line, []string{"XDG_STATE_HOME=" + t.TempDir()}, stdio{in: strings.NewReader(""), out: &out, err: &out})
		if code != want || out.Len() == 0 || strings.ContainsAny(out.String(), "\x1b\u009b\r") {
			t.Errorf("%s: exit code %d: %q", args, code, out.String())
		}
	}
}
