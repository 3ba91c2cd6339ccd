package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

// sendingTo makes a run in the middle of its work, against a server of a test.
func sendingTo(t *testing.T, handler http.HandlerFunc) (r *sendRun, said *bytes.Buffer) {
	t.Helper()
	s := httptest.NewServer(handler)
	t.Cleanup(s.Close)
	c, err := client.New(s.URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	said = &bytes.Buffer{}
	return &sendRun{inv: &invocation{io: stdio{out: said, err: said}}, plan: &sendPlan{}, now: time.Now,
		client: c, upload: c.Upload("x", "y")}, said
}

func respond(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	if _, ok := body.(api.Problem); ok {
		w.Header().Set("Content-Type", api.ProblemType)
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// TestCompletesWhileItGetsFewer takes out what is in the way of the end as long as
// there is less of it each time, and gives up where there is not.
func TestCompletesWhileItGetsFewer(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct {
		each int64 // files that each hundred taken out makes fewer
		err  bool
	}{"fewer": {100, false}, "never": {0, true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			left, asked := int64(1000), 0
			r, _ := sendingTo(t, func(w http.ResponseWriter, req *http.Request) {
				switch {
				case req.Method == http.MethodDelete:
					w.WriteHeader(http.StatusNoContent)
				case left > 0:
					asked++
					count := left
					respond(w, http.StatusConflict, api.Problem{Code: api.TransferIncomplete, UnfinishedCount: &count, Files: []api.File{{ID: "f", Path: "gone"}}})
					left -= row.each
				default:
					respond(w, http.StatusOK, api.Completed{Files: 7})
				}
			})
			done, err := r.complete(t.Context(), &client.Sending{Upload: r.upload}, &sendInput{})
			if (err != nil) != row.err || err == nil && done.Files != 7 || row.err && asked != completeTries {
				t.Errorf("%+v %v after %d times", done, err, asked)
			}
			if err != nil {
				var mistake userError
				if err = blame(err); errors.As(err, &mistake) {
					t.Errorf("a transfer that is not all there is called the user's fault: %v", err)
				}
			}
		})
	}
}

// TestGivesUpOnWhatOthersHold ends at once where the only files that are missing
// are those that this run could not send to a transfer of several.
func TestGivesUpOnWhatOthersHold(t *testing.T) {
	t.Parallel()
	asked := 0
	r, _ := sendingTo(t, func(w http.ResponseWriter, _ *http.Request) {
		asked++
		respond(w, http.StatusConflict, api.Problem{Code: api.TransferIncomplete, Files: []api.File{{ID: "f", Path: "theirs"}}})
	})
	r.link.TransferID = "x"
	r.plan.sources = []*client.Source{{Path: "theirs"}}
	r.left = []client.Failure{{Path: "theirs", Err: client.ErrOthers}}
	if _, err := r.complete(t.Context(), &client.Sending{Upload: r.upload, Shared: true}, &sendInput{}); err == nil || asked != 1 {
		t.Errorf("%v after %d calls", err, asked)
	}
}

// TestFewerThanSent says so where a complete transfer counts fewer files than were
// sent to it.
func TestFewerThanSent(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "W")
	tree(t, dir, "a", "b")
	for count, fewer := range map[int64]bool{1: true, 2: false, 3: false} {
		r, said := sendingTo(t, func(w http.ResponseWriter, req *http.Request) {
			switch {
			case strings.HasSuffix(req.URL.Path, "/files"):
				var in api.Declare
				if err := json.NewDecoder(req.Body).Decode(&in); err != nil {
					t.Error(err)
				}
				var out api.Declared
				for i, f := range in.Files {
					out.Files = append(out.Files, api.DeclaredFile{Index: i, File: api.File{ID: f.Path, Path: f.Path, Size: int64(f.Size), PartSize: 10 << 20, PartCount: 1}})
				}
				respond(w, http.StatusOK, out)
			case req.Method == http.MethodPut:
				body, err := io.ReadAll(req.Body)
				if err != nil {
					t.Error(err)
				}
				respond(w, http.StatusOK, api.Receipt{Part: api.Part{Number: 1, Size: int64(len(body)), CRC32: api.CRC32(crc32.ChecksumIEEE(body))}})
			default:
				respond(w, http.StatusOK, api.Completed{Files: count})
			}
		})
		r.plan, _, _ = planned(t, dir)
		if _, err := r.deliver(t.Context(), &sendInput{}); err != nil {
			t.Fatalf("%v: %s", err, said)
		}
		if err := r.verdict(0); (err != nil) != fewer {
			t.Errorf("%d files: %v", count, err)
		}
	}
}

// TestBlame holds refusals to whose fault they are.
func TestBlame(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err  error
		user bool
	}{
		{&api.Problem{Status: 409, Code: api.TransferIncomplete}, false},
		{&api.Problem{Status: 409, Code: api.StillSealing}, false},
		{&api.Problem{Status: 409, Code: api.FileNotReady}, false},
		{&api.Problem{Status: 409, Code: api.TransferEnded}, true},
		{&api.Problem{Status: 413, Code: api.QuotaExceeded}, true},
		{&api.Problem{Status: 503, Code: api.Busy}, false},
		{&client.StatusError{Status: 404}, true},
		{&client.StatusError{Status: 301}, true},
		{&client.StatusError{Status: 502}, false},
		{errors.New("anything"), false},
	} {
		var mistake userError
		if got := errors.As(blame(fmt.Errorf("send: %w", row.err)), &mistake); got != row.user {
			t.Errorf("%v: the user's %v", row.err, got)
		}
	}
}

// TestPatienceAsked: what is typed counts from the first try on.
func TestPatienceAsked(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		args []string
		want time.Duration
	}{{nil, 0}, {[]string{"--patience", "1h"}, time.Hour}, {[]string{"--patience", "5m"}, 5 * time.Minute}} {
		cmd := newSend(&invocation{})
		if err := cmd.ParseFlags(row.args); err != nil || patienceAsked(cmd) != row.want {
			t.Errorf("%q: %s %v", row.args, patienceAsked(cmd), err)
		}
	}
}

// TestReceiptWithGaps writes a receipt of files of which some are others by now:
// they have no SHA-256, and the run does not call itself a success.
func TestReceiptWithGaps(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "W")
	tree(t, dir, "changed", "same")
	crc := api.CRC32(crc32.ChecksumIEEE([]byte("same")))
	files := []api.File{{Path: "W/changed", CRC32: &crc}, {Path: "W/gone", CRC32: &crc}, {Path: "W/same", CRC32: &crc, Size: 4}}
	r, said := sendingTo(t, func(w http.ResponseWriter, _ *http.Request) { respond(w, http.StatusOK, api.Files{Files: files}) })
	r.plan, _, _ = planned(t, dir)
	r.flags.receipt = filepath.Join(t.TempDir(), "receipt.json")
	undigested, err := r.receipt(t.Context(), &sendInput{}, &api.Completed{})
	if err != nil || undigested != 2 {
		t.Fatalf("%d %v, said %s", undigested, err, said)
	}
	text, err := os.ReadFile(r.flags.receipt)
	if err != nil {
		t.Fatal(err)
	}
	var got struct{ List []receiptFile }
	if err := json.Unmarshal(text, &got); err != nil || len(got.List) != 3 {
		t.Fatalf("%s: %v", text, err)
	}
	if got.List[0].SHA256 != nil || got.List[1].SHA256 != nil || got.List[2].SHA256 == nil {
		t.Errorf("%s", text)
	}
	for _, want := range []string{"W/changed: its SHA-256 is not in the receipt: it was changed", "W/gone: its SHA-256 is not"} {
		if !strings.Contains(said.String(), want) {
			t.Errorf("%q does not say %q", said, want)
		}
	}
	if err := r.verdict(undigested); err == nil || !strings.Contains(err.Error(), "2 files without a SHA-256") {
		t.Errorf("the end of it: %v", err)
	}
	r.link.TransferID = "shared" // what others sent has none, and that is no failure
	if undigested, err = r.receipt(t.Context(), &sendInput{}, &api.Completed{}); err != nil || undigested != 1 {
		t.Errorf("shared: %d %v", undigested, err)
	}
}

// TestReceiptTakesItsPlace leaves the receipt of before where the new one fails,
// and writes into what is no file as it stands.
func TestReceiptTakesItsPlace(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "r.json")
	link(t, name, filepath.Join(dir, "link.json"))
	for _, row := range []struct {
		at, text string
		err      error
		want     string
	}{
		{name, "first", nil, "first"}, {name, "half", errors.New("cut"), "first"}, {filepath.Join(dir, "link.json"), "second", nil, "second"},
		{os.DevNull, "nothing", nil, "second"},
	} {
		f, place, err := createBeside(row.at)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(row.text); err != nil {
			t.Fatal(err)
		}
		if err := place(row.err); !errors.Is(err, row.err) {
			t.Errorf("%s: %v", row.text, err)
		}
		if got, err := os.ReadFile(name); err != nil || string(got) != row.want {
			t.Errorf("after %s: %q %v", row.text, got, err)
		}
	}
	var left []string
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if diff := cmp.Diff([]string{"link.json", "r.json"}, left); diff != "" || err != nil {
		t.Errorf("left over: %s %v", diff, err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Errorf("%s was replaced: %v", os.DevNull, err)
	}
}
