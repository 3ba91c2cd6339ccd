package faults_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

var (
	flagCLI   = flag.Bool("cli", false, "a folder of 2,630 files, --gb in all, by app send, app get, and curl with unzip")
	flagBlows = flag.Int("blows", 8, "with --cli: kills of the server, kills of the client and cuts of the line, each so often on each of the three ways")
)

// terminal is one run of the commands that people type.
type terminal struct {
	*run
	t      *testing.T
	random *rand.Rand
	meter  *meter
	line   *line // between the commands and the program
	life   *life
	files  int
	bytes  int64
	blows  int
	limit  string // bytes a second for app and curl, empty for none
	want   folderSums
	share  completed
	token  string // to fetch with
	report strings.Builder
}

// TestTerminal proves what people rely on at a terminal: a folder goes and comes
// back whole, file by file and as one ZIP, although the server, the client and
// the line between them die several times on each way, by running the same
// command again.
func TestTerminal(t *testing.T) {
	t.Parallel()
	var bin string
	for _, one := range terminalPlans(t) {
		if bin == "" {
			bin = build(t, one)
		}
		t.Run(one.engine+" and "+one.store, func(t *testing.T) {
			t.Parallel()
			r := &terminal{t: t, files: 220, bytes: 48e6, blows: 2, limit: "24M", random: rand.New(rand.NewPCG(one.seed, 9))}
			if *flagCLI {
				r.files, r.bytes, r.blows, r.limit = largeFiles, one.bytes, *flagBlows, ""
			}
			r.run = newRun(t, one, bin)
			r.line = r.net.find("guests")
			r.meter = newMeter(t, r.line.near)
			r.all()
		})
	}
}

// terminalPlans are both combinations in small, or the one that is asked for.
func terminalPlans(t *testing.T) []plan {
	t.Helper()
	seed := *flagSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	a := plan{engine: sqlite, store: directory, load: large, seed: seed, race: *flagRace, bytes: int64(*flagGB * 1e9)}
	b := a
	b.engine, b.store = postgres, bucket
	if !*flagCLI {
		return []plan{a, b}
	}
	p := a
	p.engine, p.store = *flagEngine, *flagStore
	if p.store == "" {
		p.store = map[string]string{sqlite: directory, postgres: bucket}[p.engine]
	}
	if err := p.check(); err != nil {
		t.Fatal(err)
	}
	return []plan{p}
}

func (r *terminal) all() {
	r.t.Helper()
	ctx := r.t.Context()
	err := r.ways(ctx)
	if err == nil {
		err = r.settle(ctx, r.life.stop)
	}
	r.t.Logf("%s and %s, %d files, %.1f GB, seed %d, %v\n%s%s", r.plan.engine, r.plan.store, r.files, float64(r.bytes)/1e9, r.plan.seed,
		time.Since(r.book.began).Round(time.Second), r.report.String(), r.zeros())
	if err != nil {
		r.t.Errorf("%v\n%s", err, r.app.tail())
	}
	for _, found := range append(r.book.failures(), r.app.outcries(r.t)...) {
		r.t.Error(found)
	}
}

// zeros are the counts that a run of commands can tell.
func (r *terminal) zeros() string {
	var out strings.Builder
	for _, what := range []string{filesDiffer, orphanBlobs, orphanSends, quotaDrift, strayStates} {
		fmt.Fprintf(&out, "%s: %d\n", what, r.book.count(what))
	}
	return out.String()
}

// ways sends the folder and fetches it, each time deleting what is compared, so
// that no more than two of it are on the disk beside what the program stores.
func (r *terminal) ways(ctx context.Context) (err error) {
	folder := r.at("Wedding")
	if r.want, err = makeFolder(folder, r.plan.seed, r.files, r.bytes); err != nil {
		return err
	}
	if r.life, err = r.app.start(serve); err != nil {
		return err
	}
	if err := r.app.ready(ctx); err != nil {
		return err
	}
	if err := r.send(ctx, folder); err != nil {
		return err
	}
	if err := os.RemoveAll(folder); err != nil {
		return err
	}
	if err := r.get(ctx); err != nil {
		return err
	}
	return r.zip(ctx)
}

func (r *terminal) at(name string) string { return filepath.Join(r.app.dir, name) }

func (r *terminal) send(ctx context.Context, folder string) error {
	out, err := r.way(ctx, way{
		name: "app send",
		command: func() *exec.Cmd {
			return r.command(r.app.bin, append([]string{"send", folder, "--to", "http://" + r.meter.near() + "/u/" + r.slug, "--json",
				"--from", "anna@example.com", "--receipt", r.at("receipt.json")}, r.limits("--limit", "MB/s")...)...)
		},
	})
	if err != nil {
		return err
	}
	var sent struct {
		Share   struct{ URL, Code string }
		Files   int
		NotSent []any `json:"not_sent"`
	}
	if err := json.Unmarshal(out, &sent); err != nil {
		return fmt.Errorf("what app send printed: %w: %s", err, out)
	}
	if sent.Files != r.files || len(sent.NotSent) > 0 {
		r.book.wrong(filesDiffer, 1, "app send says %d files, not sent %v", sent.Files, sent.NotSent)
	}
	r.share.Share.URL, r.share.Share.Code = sent.Share.URL, sent.Share.Code
	return r.receipt()
}

// receipt holds the receipt to what was sent.
func (r *terminal) receipt() error {
	text, err := os.ReadFile(r.at("receipt.json"))
	if err != nil {
		return err
	}
	var got struct {
		List []struct{ Path, SHA256 string }
	}
	if err := json.Unmarshal(text, &got); err != nil {
		return fmt.Errorf("the receipt: %w", err)
	}
	if len(got.List) != r.files {
		r.book.wrong(filesDiffer, 1, "the receipt names %d files", len(got.List))
	}
	for _, f := range got.List {
		below, _ := strings.CutPrefix(f.Path, "Wedding/")
		if want := fmt.Sprintf("%x", r.want[below]); f.SHA256 != want {
			r.book.wrong(filesDiffer, 1, "the receipt gives %q the SHA-256 %s, want %s", f.Path, f.SHA256, want)
		}
	}
	return nil
}

func (r *terminal) get(ctx context.Context) error {
	_, token, _ := strings.Cut(r.share.Share.URL, "/d/")
	_, err := r.way(ctx, way{
		name: "app get",
		command: func() *exec.Cmd {
			return r.command(r.app.bin, append([]string{"get", "http://" + r.meter.near() + "/d/" + token, "--json",
				"--code", r.share.Share.Code, "-o", r.at("got")}, r.limits("--limit", "MB/s")...)...)
		},
	})
	if err != nil {
		return err
	}
	return r.compare("app get", r.at("got"))
}

// zip fetches the ZIP by curl, run again until all is there, compares it with one
// that is fetched in peace, and unpacks it.
func (r *terminal) zip(ctx context.Context) error {
	path, size, err := r.archive(ctx)
	if err != nil {
		return err
	}
	name := r.at("all.zip")
	_, err = r.way(ctx, way{
		name: "curl", mends: true, bytes: size,
		command: func() *exec.Cmd {
			return r.command("curl", append([]string{"-fsS", "-C", "-", "--speed-limit", "1", "--speed-time", "10", "-o", name,
				"-H", "Authorization: Bearer " + r.token, "http://" + r.meter.near() + path}, r.limits("--limit-rate", "M")...)...)
		},
		whole: func() bool {
			info, err := os.Stat(name)
			return err == nil && info.Size() >= size
		},
	})
	if err != nil {
		return err
	}
	if err := r.compareZIP(ctx, path, name); err != nil {
		return err
	}
	cmd := r.command("unzip", "-q", name, "-d", r.at("unzipped"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("unzip: %w: %.2000s", err, out)
	}
	if err := os.Remove(name); err != nil {
		return err
	}
	return r.compare("unzip", r.at("unzipped"))
}

// archive unlocks the share and tells how long its ZIP is.
func (r *terminal) archive(ctx context.Context) (path string, size int64, err error) {
	s := &sending{run: r.run, c: newClient("http://"+r.app.addr, r.book)}
	defer s.c.http.CloseIdleConnections()
	if err := s.share.found(r.share); err != nil {
		return "", 0, err
	}
	if err := errors.Join(r.app.ready(ctx), s.unlock(ctx)); err != nil {
		return "", 0, err
	}
	path, r.token = s.share.path+"/archive.zip", s.share.token
	resp, err := r.ask(ctx, http.MethodHead, path)
	if err != nil {
		return "", 0, err
	}
	return path, resp.ContentLength, resp.Body.Close()
}

func (r *terminal) ask(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+r.app.addr+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Authorization", "Bearer "+r.token)
	resp, err := http.DefaultClient.Do(req)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.Join(fmt.Errorf("%s %s: %s", method, path, resp.Status), resp.Body.Close())
	}
	return resp, err
}

func (r *terminal) compareZIP(ctx context.Context, path, name string) error {
	if err := r.app.ready(ctx); err != nil {
		return err
	}
	resp, err := r.ask(ctx, http.MethodGet, path)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	once, pieces := sha256.New(), sha256.New()
	_, err1 := io.Copy(once, resp.Body)
	_, err2 := io.Copy(pieces, f)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("compare the ZIP: %w", err)
	}
	if finalSum(once) != finalSum(pieces) {
		r.book.wrong(filesDiffer, 1, "the ZIP of curl's pieces is not the ZIP in one piece")
	}
	return nil
}

// compare holds what came back to what was sent, and deletes it.
func (r *terminal) compare(who, root string) error {
	found, err := r.want.differ(filepath.Join(root, "Wedding"))
	for _, f := range found {
		r.book.wrong(filesDiffer, 1, "%s: %s", who, f)
	}
	return errors.Join(err, os.RemoveAll(root))
}

// limits make a small run last long enough for every blow.
func (r *terminal) limits(flag, unit string) []string {
	if r.limit == "" {
		return nil
	}
	return []string{flag, strings.TrimSuffix(r.limit, "M") + unit}
}

// command is what somebody types on a machine of their own.
func (r *terminal) command(program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(r.t.Context(), program, args...)
	cmd.Dir = r.app.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.at("home"), "LC_ALL=C.UTF-8", "TMPDIR=" + os.TempDir()}
	cmd.SysProcAttr = endsWithTest()
	return cmd
}
