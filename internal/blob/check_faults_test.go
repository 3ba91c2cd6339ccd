package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// faulty is a wire whose server passes through a fault of one kind, for good.
func faulty(t *testing.T, f fault) (w *wire, direct S3Options) {
	t.Helper()
	w = newWire(t)
	direct = w.options
	w.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { f(rw, r, w.proxy) })
	w.start()
	return w, direct
}

// on is a fault of some requests only.
func on(which func(*http.Request) bool, f fault) fault {
	return func(w http.ResponseWriter, r *http.Request, server http.Handler) {
		if which(r) {
			f(w, r, server)
			return
		}
		pass(w, r, server)
	}
}

func isOp(ops ...Op) func(*http.Request) bool {
	return func(r *http.Request) bool { return slices.Contains(ops, opOf(r)) && !r.URL.Query().Has("lifecycle") }
}

func hasQuery(name string) func(*http.Request) bool {
	return func(r *http.Request) bool { return r.URL.Query().Has(name) }
}

func answering(status int, body string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body) // a client that is gone is not our concern
	}
}

// usual are the rows of the test server that are not ok by themselves.
func usual(changed map[string]Result) map[string]Result {
	rows := map[string]Result{"cors": ResultNo, "addressing": ResultNo, "lifecycle": ResultWarning}
	for name, r := range changed {
		rows[name] = r
		if r == ResultOK {
			delete(rows, name)
		}
	}
	return rows
}

// carriesChecksum tells what servers refuse that do not know the new checksums.
func carriesChecksum(r *http.Request) bool {
	for name := range r.Header {
		if n := strings.ToLower(name); strings.HasPrefix(n, "x-amz-checksum") || n == "x-amz-sdk-checksum-algorithm" || n == "x-amz-trailer" {
			return true
		}
	}
	return strings.Contains(r.Header.Get("Content-Encoding"), "aws-chunked")
}

// secondComplete refuses every repeat of a complete.
func secondComplete() fault {
	var mu sync.Mutex
	done := map[string]bool{}
	return on(isOp(OpComplete), func(w http.ResponseWriter, r *http.Request, server http.Handler) {
		mu.Lock()
		again := done[r.URL.RawQuery]
		done[r.URL.RawQuery] = true
		mu.Unlock()
		if again {
			refuse(http.StatusBadRequest, "InvalidRequest")(w, r, server)
			return
		}
		pass(w, r, server)
	})
}

// forgetful does not find an object on the first look after it was written.
func forgetful() fault {
	var mu sync.Mutex
	looked := map[string]bool{}
	return on(isOp(OpHead), func(w http.ResponseWriter, r *http.Request, server http.Handler) {
		mu.Lock()
		again := looked[r.URL.Path]
		looked[r.URL.Path] = true
		mu.Unlock()
		if !again {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		pass(w, r, server)
	})
}

const (
	lifecycleOf7 = `<LifecycleConfiguration><Rule><ID>tidy</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status>` +
		`<AbortIncompleteMultipartUpload><DaysAfterInitiation>7</DaysAfterInitiation></AbortIncompleteMultipartUpload></Rule></LifecycleConfiguration>`
	lifecycleDeleting = `<LifecycleConfiguration><Rule><ID>old</ID><Filter><Prefix></Prefix></Filter><Status>Enabled</Status>` +
		`<Expiration><Days>30</Days></Expiration></Rule></LifecycleConfiguration>`
	versioningOn = `<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>`
	lockOn       = `<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>`
)

func TestCheckFaults(t *testing.T) {
	t.Parallel()
	failed := func(names ...string) map[string]Result {
		rows := map[string]Result{}
		for _, name := range names {
			rows[name] = ResultFailed
		}
		return rows
	}
	for name, c := range map[string]struct {
		fault  fault
		rows   map[string]Result // besides the usual ones
		row    string
		found  string
		advice string
	}{
		"no deletes": {
			on(isOp(OpDelete), refuse(403, "AccessDenied")),
			failed("delete", "cleanup"),
			"delete", "403 AccessDenied", "Allow s3:DeleteObject on arn:aws:s3:::test-",
		},
		"no aborts": {
			on(isOp(OpAbort), refuse(403, "AccessDenied")),
			map[string]Result{"abort": ResultFailed, "abort-again": ResultSkipped, "cleanup": ResultFailed},
			"abort", "403 AccessDenied", "Allow s3:AbortMultipartUpload on arn:aws:s3:::test-",
		},
		"no list": {
			on(func(r *http.Request) bool { return opOf(r) == OpList }, refuse(403, "AccessDenied")),
			failed("bucket", "read-after-write", "head", "list", "put-cut", "keys", "delete", "stall"), "bucket", "AccessDenied", "Allow s3:ListBucket",
		},
		"refuses checksums": {
			on(carriesChecksum, refuse(400, "InvalidArgument")),
			map[string]Result{"checksums": ResultNo}, "checksums", "400 InvalidArgument", "Nothing",
		},
		"forgets": {
			forgetful(), map[string]Result{"read-after-write": ResultFailed, "head": ResultFailed, "complete": ResultFailed, "complete-again": ResultSkipped, "checksums": ResultNo},
			"read-after-write", "right after it was written: the object is not found", "proxy or cache",
		},
		"complete once": {
			secondComplete(), failed("complete-again"), "complete-again", "400 InvalidRequest", "use another one",
		},
		"lifecycle of 7 days": {
			on(hasQuery("lifecycle"), answering(200, lifecycleOf7)), nil,
			"lifecycle", "end after 7 days", "app s3-check --fix-lifecycle",
		},
		"lifecycle that deletes": {
			on(hasQuery("lifecycle"), answering(200, lifecycleDeleting)), nil,
			"lifecycle", `the rule "old" deletes stored files`, "Settings > Lifecycle",
		},
		"no lifecycle rules": {
			on(hasQuery("lifecycle"), refuse(404, "NoSuchLifecycleConfiguration")), map[string]Result{"lifecycle": ResultOK},
			"lifecycle", "the sweep", "",
		},
		"versioning": {
			on(hasQuery("versioning"), answering(200, versioningOn)), map[string]Result{"versioning": ResultWarning},
			"versioning", "old version", "Status=Suspended --endpoint-url http://127.0.0.1",
		},
		"object lock": {
			on(hasQuery("object-lock"), answering(200, lockOn)), map[string]Result{"object-lock": ResultWarning},
			"object-lock", "until the lock", "Create Bucket",
		},
		"no multipart": {
			on(isOp(OpCreateUpload), refuse(501, "NotImplemented")),
			map[string]Result{"multipart": ResultFailed, "parts-any-order": ResultSkipped, "part-repeated": ResultSkipped,
				"part-cut": ResultSkipped, "parts-listed": ResultSkipped, "uploads-listed": ResultSkipped, "complete": ResultSkipped,
				"complete-again": ResultSkipped, "abort": ResultSkipped, "abort-again": ResultSkipped, "presign": ResultSkipped, "cors": ResultSkipped},
			"multipart", "501 NotImplemented", "use another one",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, direct := faulty(t, c.fault)
			report := w.checking(t, nil).Run(t.Context())
			if diff := cmp.Diff(usual(c.rows), results(report, ResultNo, ResultWarning, ResultFailed, ResultSkipped)); diff != "" {
				t.Errorf("rows: %s", diff)
			}
			row := report.row(t, c.row)
			if !strings.Contains(row.Found, c.found) || !strings.Contains(row.Advice, c.advice) {
				t.Errorf("%s: %q, %q", c.row, row.Found, row.Advice)
			}
			if report.row(t, "cleanup").Result == ResultOK {
				isEmpty(t, direct)
			} else if len(report.Left) == 0 {
				t.Error("what is left is not named")
			}
		})
	}
}

// TestCheckStoresCuts has a server that takes what arrived of a cut or stalled
// body for the whole.
func TestCheckStoresCuts(t *testing.T) {
	t.Parallel()
	var store *Store
	keepsCuts := on(isOp(OpPut, OpPutPart), func(w http.ResponseWriter, r *http.Request, server http.Handler) {
		got, err := io.ReadAll(r.Body)
		if err == nil {
			r.Body = io.NopCloser(bytes.NewReader(got))
			server.ServeHTTP(w, r)
			return
		}
		ctx := context.WithoutCancel(r.Context())
		_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if n, err := strconv.Atoi(r.URL.Query().Get("partNumber")); err == nil {
			_, err = store.PutPart(ctx, Upload{Key: key, ID: r.URL.Query().Get("uploadId")}, n, bytes.NewReader(got), int64(len(got)))
			if err != nil {
				t.Error(err)
			}
		} else if _, err := store.Put(ctx, key, bytes.NewReader(got), int64(len(got))); err != nil {
			t.Error(err)
		}
		panic(http.ErrAbortHandler)
	})
	w, direct := faulty(t, keepsCuts)
	store = openTestBucket(t, direct)
	report := w.checking(t, nil).Run(t.Context())
	want := usual(map[string]Result{"put-cut": ResultFailed, "part-cut": ResultFailed, "parts-listed": ResultFailed, "complete": ResultFailed, "complete-again": ResultSkipped, "stall": ResultFailed})
	if diff := cmp.Diff(want, results(report, ResultNo, ResultWarning, ResultFailed, ResultSkipped)); diff != "" {
		t.Errorf("rows: %s", diff)
	}
	isEmpty(t, direct)
}

// TestCheckStall tells how long a server waits for a silent body.
func TestCheckStall(t *testing.T) {
	t.Parallel()
	for name, giveUp := range map[string]fault{
		"says so": refuse(400, "RequestTimeout"),
		"closes":  func(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			impatient := on(isOp(OpPut), func(w http.ResponseWriter, r *http.Request, server http.Handler) {
				if r.ContentLength != checkCut {
					pass(w, r, server)
					return
				}
				control := http.NewResponseController(w)
				if err := control.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
					t.Error(err)
				}
				if _, err := io.Copy(io.Discard, r.Body); err != nil {
					giveUp(w, r, server)
				}
			})
			w, _ := faulty(t, impatient)
			report := w.checking(t, func(o *CheckOptions) { o.Stall = time.Minute }).Run(t.Context())
			if row := report.row(t, "stall"); row.Result != ResultOK || !strings.Contains(row.Found, "gave up after") {
				t.Errorf("%+v", row)
			}
		})
	}
}

// TestCheckSilence has a server that stops answering in the middle.
func TestCheckSilence(t *testing.T) {
	t.Parallel()
	var silent atomic.Bool
	hang := func(_ http.ResponseWriter, r *http.Request, _ http.Handler) { <-r.Context().Done() }
	w, _ := faulty(t, func(rw http.ResponseWriter, r *http.Request, server http.Handler) {
		if opOf(r) == OpRange {
			silent.Store(true)
		}
		if silent.Load() {
			hang(rw, r, server)
			return
		}
		pass(rw, r, server)
	})
	w.options.Attempts = 1
	c := w.checking(t, func(o *CheckOptions) {
		o.Timeout, o.S3.ConnectTimeout, o.S3.ReadTimeout = 200*time.Millisecond, 200*time.Millisecond, 300*time.Millisecond
	})
	report := c.Run(t.Context())
	row := report.row(t, "read-after-write")
	if row.Result != ResultFailed || !strings.Contains(row.Found, "no answer within 200ms") || report.Passed() {
		t.Errorf("%+v", row)
	}
	if row := report.row(t, "multipart"); row.Result != ResultSkipped || row.Found != "the bucket stopped answering" {
		t.Errorf("%+v", row)
	}
	if row := report.row(t, "cleanup"); row.Result != ResultFailed || len(report.Left) == 0 {
		t.Errorf("%+v, %v", row, report.Left)
	}
}

func TestCheckSettings(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(web.Close)
	welcome := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>welcome</html>") }))
	t.Cleanup(welcome.Close)
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deaf.Close() })
	skewed, _ := faulty(t, func(w http.ResponseWriter, r *http.Request, server http.Handler) {
		w.Header().Set("Date", time.Now().Add(47*time.Minute).UTC().Format(http.TimeFormat))
		refuse(403, "RequestTimeTooSkewed")(w, r, server)
	})
	for name, c := range map[string]struct {
		edit    func(o *S3Options)
		setting Setting
		says    string
		row     string
	}{
		"bucket":       {func(o *S3Options) { o.Bucket = "nobody-has-this" }, SettingBucket, `no bucket "nobody-has-this"`, "bucket"},
		"region":       {func(o *S3Options) { o.Region = "eu-west-1" }, SettingRegion, `not in region "eu-west-1"`, "bucket"},
		"access key":   {func(o *S3Options) { o.AccessKey = "hidden-words" }, SettingAccessKey, "unknown", "credentials"},
		"secret key":   {func(o *S3Options) { o.SecretKey = "hidden-words" }, SettingSecretKey, "does not belong", "credentials"},
		"clock":        {func(o *S3Options) { o.Endpoint = skewed.URL }, SettingClock, "behind the bucket's", "credentials"},
		"port":         {func(o *S3Options) { o.Endpoint = "http://127.0.0.1:1" }, SettingEndpoint, "connection refused", "endpoint"},
		"host":         {func(o *S3Options) { o.Endpoint = "http://nobody.invalid" }, SettingEndpoint, "nobody.invalid", "endpoint"},
		"no TLS":       {func(o *S3Options) { o.Endpoint = strings.Replace(o.Endpoint, "http:", "https:", 1) }, SettingEndpoint, "HTTP", "endpoint"},
		"a web server": {func(o *S3Options) { o.Endpoint = web.URL }, SettingEndpoint, "does not speak S3", "endpoint"},
		"a portal":     {func(o *S3Options) { o.Endpoint = welcome.URL }, SettingEndpoint, "does not speak S3", "endpoint"},
		"a silent host": {func(o *S3Options) {
			o.Endpoint, o.ConnectTimeout = "http://"+deaf.Addr().String(), 300*time.Millisecond
		}, SettingEndpoint, "no answer within 300ms", "endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWire(t)
			start := time.Now()
			report := w.checking(t, func(o *CheckOptions) { c.edit(&o.S3) }).Run(t.Context())
			if took := time.Since(start); took > 10*time.Second {
				t.Errorf("took %s", took)
			}
			if report.Passed() || report.Problem == nil {
				t.Fatalf("%+v", report)
			}
			if p := report.Problem; p.Setting != c.setting || !strings.Contains(p.Cause, c.says) || strings.Contains(p.Cause, "hidden-words") {
				t.Errorf("%+v", p)
			}
			if diff := cmp.Diff(map[string]Result{c.row: ResultFailed}, results(report, ResultFailed)); diff != "" {
				t.Error(diff)
			}
			if row := report.row(t, c.row); row.Advice == "" {
				t.Errorf("no advice: %+v", row)
			}
		})
	}
}

func TestCheckRequire(t *testing.T) {
	t.Parallel()
	w := newWire(t).start()
	report := w.checking(t, func(o *CheckOptions) { o.Require = []string{"cors", "lifecycle", "presign"} }).Run(t.Context())
	want := map[string]Result{"cors": ResultFailed, "lifecycle": ResultFailed}
	if diff := cmp.Diff(want, results(report, ResultFailed)); diff != "" || report.Passed() || !report.row(t, "presign").Needed {
		t.Errorf("%s %+v", diff, report)
	}
}

// TestCheckSecrets has a server that says what it was told.
func TestCheckSecrets(t *testing.T) {
	t.Parallel()
	var o S3Options
	w, o := faulty(t, on(isOp(OpPut), func(rw http.ResponseWriter, r *http.Request, server http.Handler) {
		answering(400, "<Error><Code>InvalidRequest</Code><Message>"+o.SecretKey+o.AccessKey+strings.Repeat("long ", 1000)+"</Message></Error>")(rw, r, server)
	}))
	report := w.checking(t, nil).Run(t.Context())
	if row := report.row(t, "put"); row.Result != ResultFailed || !strings.Contains(row.Found, "[redacted]") {
		t.Errorf("%+v", row)
	}
	for _, row := range report.Rows {
		if text := row.Found + row.Advice; strings.Contains(text, o.SecretKey) || strings.Contains(text, o.AccessKey) || len(text) > 1000 {
			t.Errorf("%s: %s", row.Capability, text)
		}
	}
}

// TestCheckInterrupted cancels at twenty moments, before and after a request
// was dealt with, and looks for what is left.
func TestCheckInterrupted(t *testing.T) {
	t.Parallel()
	for i := range 20 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			stopped := errors.New("Ctrl-C")
			at := 3 + rand.Int64N(150)
			var count atomic.Int64
			w, direct := faulty(t, func(rw http.ResponseWriter, r *http.Request, server http.Handler) {
				n := count.Add(1)
				if n == at && i%2 == 0 {
					cancel(stopped)
				}
				pass(rw, r, server)
				if n == at {
					cancel(stopped)
				}
			})
			report := w.checking(t, nil).Run(ctx)
			if ctx.Err() != nil && report.Passed() && at < 100 {
				t.Errorf("passes, cancelled at request %d of %d", at, count.Load())
			}
			if len(report.Left) > 0 {
				t.Errorf("cancelled at request %d: %v", at, report.Left)
			}
			isEmpty(t, direct)
		})
	}
}

// TestCheckLeftovers takes away what a killed check left, and not what one
// does that is at work.
func TestCheckLeftovers(t *testing.T) {
	t.Parallel()
	var aged atomic.Bool
	dates := regexp.MustCompile(`<(LastModified|Initiated)>[^<]*<`)
	w, direct := faulty(t, on(isOp(OpList, OpUploads), func(rw http.ResponseWriter, r *http.Request, server http.Handler) {
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, r)
		body := answer.Body.String()
		if aged.Load() {
			body = dates.ReplaceAllString(body, "<$1>"+time.Now().Add(-2*time.Hour).UTC().Format(time.RFC3339)+"<")
		}
		answering(answer.Code, body)(rw, r, server)
	}))
	killed := w.checking(t, nil)
	key, err := killed.put(t.Context(), strings.NewReader("a"), 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := killed.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if report := w.checking(t, nil).Run(t.Context()); !report.Passed() {
		t.Errorf("%+v", report.row(t, "cleanup"))
	}
	if _, err := killed.store.Head(t.Context(), key); err != nil {
		t.Errorf("took away what another check is doing: %v", err)
	}
	aged.Store(true)
	report := w.checking(t, nil).Run(t.Context())
	if row := report.row(t, "cleanup"); row.Result != ResultOK || !strings.Contains(row.Found, "2 things of a check that was killed") {
		t.Errorf("%+v", row)
	}
	isEmpty(t, direct)
}

// TestCheckVersions has a bucket that keeps every version. The check takes them
// away where it may, and says where it may not.
func TestCheckVersions(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		listed fault // in place of the versions
		want   Result
		found  string
	}{
		"allowed": {nil, ResultOK, "nothing is left"},
		"denied":  {refuse(403, "AccessDenied"), ResultFailed, "403 AccessDenied"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := &versions{kept: map[string]bool{}, listed: c.listed}
			w, _ := faulty(t, v.serve)
			report := w.checking(t, nil).Run(t.Context())
			if row := report.row(t, "cleanup"); row.Result != c.want || !strings.Contains(row.Found, c.found) {
				t.Errorf("%+v", row)
			}
			if left := len(v.kept); (left == 0) != (c.want == ResultOK) {
				t.Errorf("%d versions are left", left)
			}
		})
	}
}

// versions makes a server look like one with versioning: what was put stays
// until its version is deleted.
type versions struct {
	listed fault
	mu     sync.Mutex
	kept   map[string]bool
}

func (v *versions) serve(w http.ResponseWriter, r *http.Request, server http.Handler) {
	query := r.URL.Query()
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case query.Has("versioning"):
		answering(http.StatusOK, versioningOn)(w, r, server)
	case query.Has("versions") && v.listed != nil:
		v.listed(w, r, server)
	case query.Has("versions"):
		var list strings.Builder
		for key := range v.kept {
			list.WriteString("<Version><Key>" + strings.ReplaceAll(key, "&", "&amp;") + "</Key><VersionId>one</VersionId></Version>")
		}
		answering(http.StatusOK, "<ListVersionsResult>"+list.String()+"</ListVersionsResult>")(w, r, server)
	case query.Get("versionId") == "one" && r.Method == http.MethodDelete:
		delete(v.kept, key)
		w.WriteHeader(http.StatusNoContent)
	case opOf(r) == OpPut && r.ContentLength != checkCut:
		v.kept[key] = true
		server.ServeHTTP(w, r)
	default:
		v.mu.Unlock() // a body may be silent for long
		defer v.mu.Lock()
		server.ServeHTTP(w, r)
	}
}
