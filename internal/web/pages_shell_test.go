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
	_, rest, _ := strings.Cut(page, `<pre class="shell"`)
	_, rest, _ = strings.Cut(rest, ">")
	text, _, found := strings.Cut(rest, "</pre>")
	if !found {
		e.t.Fatalf("%s shows no commands", path)
	}
	var lines []string
	for line := range strings.Lines(html.UnescapeString(text)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "curl ") || strings.HasPrefix(line, "app ") || strings.Contains(line, "=http") {
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

	send := e.shellLines("/u/wedding")[1:]
	var started api.Started
	shell(t, dir, &started, send[0], send[1])
	set := send[0] + "; TRANSFER=" + started.ID + " TOKEN=" + started.UploadToken
	var declared api.Declared
	shell(t, dir, &declared, set, send[2])
	shell(t, dir, nil, set, "FILE="+declared.Files[0].ID, send[3])
	var done api.Completed
	shell(t, dir, &done, set, send[4])

	path := strings.TrimPrefix(done.Share.URL, e.base)
	fetch := e.shellLines(path)[1:]
	shell(t, dir, nil, fetch[0], strings.ReplaceAll(fetch[1], "YOUR-CODE", done.Share.Code))
	access := e.unlockShare(sent{token: strings.TrimPrefix(path, "/d/"), done: done}).AccessToken
	e.wantGoesOn(dir, "files.zip", e.do("GET", "/api/v1"+path+"/archive.zip", access, nil).body, fetch[0], fetch[2])
	var list api.ShareView
	shell(t, dir, &list, fetch[0], fetch[3])
	get := strings.NewReplacer("NAME", "part.jpg", "/ID", "/"+list.Files[0].ID).Replace(fetch[4])
	e.wantGoesOn(dir, "part.jpg", photo, fetch[0], get)
}

// wantGoesOn runs a command that fetches a file after a broken connection left
// the beginning of it.
func (e *env) wantGoesOn(dir, name string, want []byte, lines ...string) {
	e.t.Helper()
	e.must(os.WriteFile(filepath.Join(dir, name), want[:len(want)/3], 0o600))
	shell(e.t, dir, nil, lines...)
	got, err := os.ReadFile(filepath.Join(dir, name))
	e.must(err)
	if !bytes.Equal(got, want) {
		e.t.Errorf("%d bytes of %s came, not the %d that are there", len(got), name, len(want))
	}
}

// TestLinesForTheProgramWork runs those with the program itself.
func TestLinesForTheProgramWork(t *testing.T) {
	t.Parallel()
	e := newEnv(t, nil)
	dir, photo := t.TempDir(), pattern(54321)
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", filepath.Join(dir, "app"), "../../cmd/app")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the program: %v\n%s", err, out)
	}
	fill(t, dir, []string{"FOLDER/Card/photo.jpg"}, func(string) []byte { return photo })
	set := "export HOME=$PWD PATH=$PWD:$PATH; unset XDG_STATE_HOME"
	var done struct{ Share struct{ URL, Code string } }
	shell(t, dir, &done, set, e.shellLines("/u/wedding")[0]+" --json")
	get := e.shellLines(strings.TrimPrefix(done.Share.URL, e.base))[0]
	shell(t, dir, nil, set, "mkdir got; cd got", strings.ReplaceAll(get, "YOUR-CODE", done.Share.Code))
	got, err := os.ReadFile(filepath.Join(dir, "got/FOLDER/Card/photo.jpg"))
	e.must(err)
	if !bytes.Equal(got, photo) {
		t.Errorf("%d bytes came back, not the %d that were sent", len(got), len(photo))
	}
}
