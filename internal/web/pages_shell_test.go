package web

import (
	"bytes"
	"encoding/json"
	"html"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lenzeye/lenzeye/internal/api"
)

// shellLines are the commands that a page shows to those without script.
func (e *env) shellLines(path string) []string {
	e.t.Helper()
	page := string(e.do("GET", path, "", nil).body)
	_, rest, _ := strings.Cut(page, `<pre class="shell">`)
	text, _, found := strings.Cut(rest, "</pre>")
	if !found {
		e.t.Fatalf("%s shows no commands", path)
	}
	var lines []string
	for line := range strings.Lines(html.UnescapeString(text)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "curl ") || strings.Contains(line, "=http") {
			lines = append(lines, line)
		}
	}
	return lines
}

// shell runs one line after setting variables, and reads its JSON into v.
func shell(t *testing.T, dir string, v any, lines ...string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), "bash", "-euc", strings.Join(lines, "\n"))
	command.Dir = dir
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v", lines, err)
	}
	if v == nil {
		return
	}
	if err := json.Unmarshal(out, v); err != nil {
		t.Fatalf("%s: %v: %s", lines, err, out)
	}
}

// TestCommandLinesOfThePagesWork does with a shell what the pages tell.
func TestCommandLinesOfThePagesWork(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	dir, photo := t.TempDir(), pattern(12345)
	fill(t, dir, []string{"photo.jpg"}, func(string) []byte { return photo })

	send := e.shellLines("/u/wedding")
	var started api.Started
	shell(t, dir, &started, send[0], send[1])
	set := send[0] + "; TRANSFER=" + started.ID + " TOKEN=" + started.UploadToken
	var declared api.Declared
	shell(t, dir, &declared, set, send[2])
	shell(t, dir, nil, set, "FILE="+declared.Files[0].ID, send[3])
	var done api.Completed
	shell(t, dir, &done, set, send[4])

	fetch := e.shellLines(strings.TrimPrefix(done.Share.URL, e.base))
	shell(t, dir, nil, fetch[0], strings.ReplaceAll(fetch[1], "YOUR-CODE", done.Share.Code))
	var list api.ShareView
	shell(t, dir, &list, fetch[0], fetch[2])
	part := filepath.Join(dir, "part.jpg")
	e.must(os.WriteFile(part, photo[:1000], 0o600)) // as a broken connection leaves it
	get := strings.NewReplacer("NAME", part, "/ID", "/"+list.Files[0].ID).Replace(fetch[3])
	shell(t, dir, nil, fetch[0], get)
	got, err := os.ReadFile(part)
	e.must(err)
	if !bytes.Equal(got, photo) {
		t.Errorf("%d bytes came back, not the %d that were sent", len(got), len(photo))
	}
}
