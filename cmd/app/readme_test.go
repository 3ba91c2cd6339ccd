package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestReadmeWalk runs the lines of the README's walk against a server, and
// holds the answers that it shows to the real ones.
func TestReadmeWalk(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, walk, found := strings.Cut(string(text), "\n## Send and fetch with curl\n")
	if !found {
		t.Fatal("the README has no walk with curl")
	}
	walk, _, _ = strings.Cut(walk, "\n## ")
	script := strings.Join(blocks(walk, "sh"), "\n")
	link, token := greeted(t)
	for name, value := range map[string]string{"link": link, "studio": token} {
		line := regexp.MustCompile(`(?m)^` + name + `=\S+$`)
		if n := len(line.FindAllString(script, -1)); n != 1 {
			t.Fatalf("the walk sets %s %d times, want once", name, n)
		}
		script = line.ReplaceAllString(script, name+"="+value)
	}

	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "bash", "-euo", "pipefail", "-c", script)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("the README's walk: %v\n%s\n%s", err, out.String(), errs.String())
	}
	sameFiles(t, dir, "shoot.raw", "whole.raw", "cut.raw")
	sameAnswers(t, blocks(walk, "json"), strings.Split(out.String(), "\n"))
}

// blocks gives the fenced blocks of a language.
func blocks(markdown, language string) (all []string) {
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatch(markdown, -1) {
		all = append(all, m[1])
	}
	return all
}

// greeted starts a server for the length of the test and gives what it prints
// for a newcomer: the upload link and the API token.
func greeted(t *testing.T) (link, token string) {
	t.Helper()
	args := []string{"serve", "--http.addr", "127.0.0.1:0", "--storage.min-free", "0", "--data.dir", filepath.Join(t.TempDir(), "data")}
	ctx, stop := context.WithCancel(t.Context())
	read, write := io.Pipe()
	var log bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, args, []string{"APP_ENVIRONMENT=local"}, stdio{in: strings.NewReader(""), out: write, err: &log})
		write.Close()
	}()
	t.Cleanup(func() {
		stop()
		read.Close() // nobody may wait for a reader that gave up
		if code := <-ended; code != exitOK || t.Failed() {
			t.Errorf("serve ended with %d and said:\n%s", code, log.String())
		}
	})
	found := regexp.MustCompile(`(http://\S+/u/\S+)|(lza_\S+)`)
	lines := bufio.NewScanner(read)
	for (link == "" || token == "") && lines.Scan() {
		if m := found.FindStringSubmatch(lines.Text()); m != nil {
			link, token = link+m[1], token+m[2]
		}
	}
	if link == "" || token == "" {
		t.Fatalf("serve printed the link %q and the token %q", link, token)
	}
	go func() { _, _ = io.Copy(io.Discard, read) }() // until the program closes its end
	return link, token
}

func sameFiles(t *testing.T, dir, first string, others ...string) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join(dir, first))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range others {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(want, got) {
			t.Errorf("%s and %s differ", first, name)
		}
	}
}

// sameAnswers wants each shown answer among the printed ones, in their order,
// with exactly its fields.
func sameAnswers(t *testing.T, shown, printed []string) {
	t.Helper()
	if len(shown) < 5 {
		t.Fatalf("the README shows %d answers, which is too few", len(shown))
	}
	var real []string
	for _, line := range printed {
		if strings.HasPrefix(line, "{") {
			real = append(real, shape(t, line))
		}
	}
	for _, answer := range shown {
		want := shape(t, answer)
		at := slices.Index(real, want)
		if at < 0 {
			t.Errorf("no answer has these fields (any more), %s:\n%s\nleft are:\n%s", want, answer, strings.Join(real, "\n"))
			continue
		}
		real = real[at+1:]
	}
}

// shape is JSON with its fields in order and without its values.
func shape(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	var describe func(any) string
	describe = func(v any) string {
		switch v := v.(type) {
		case map[string]any:
			fields := []string{}
			for name, field := range v {
				fields = append(fields, name+":"+describe(field))
			}
			slices.Sort(fields)
			return fmt.Sprint(fields)
		case []any:
			items := []string{}
			for _, item := range v {
				items = append(items, describe(item))
			}
			return fmt.Sprint("list", items)
		case nil:
			return "null"
		default:
			return fmt.Sprintf("%T", v)
		}
	}
	return describe(v)
}
