package blob

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

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
	locked, _ := faulty(t, refuse(403, "AuthenticationLockout"))
	for name, c := range map[string]struct {
		edit    func(o *S3Options)
		setting Setting
		says    string
		row     string
	}{
		"locked out":   {func(o *S3Options) { o.Endpoint = locked.URL }, SettingKeys, "locked for some minutes", "credentials"},
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

// TestReach tells what ends a start from what may pass.
func TestReach(t *testing.T) {
	t.Parallel()
	hidden, _ := faulty(t, on(func(r *http.Request) bool { return r.Method == http.MethodGet || r.Method == http.MethodHead }, refuse(403, "AccessDenied")))
	ill, _ := faulty(t, refuse(503, "ServiceUnavailable"))
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { deaf.Close() })
	untrusted := httptest.NewUnstartedServer(http.NotFoundHandler())
	untrusted.Config.ErrorLog = log.New(io.Discard, "", 0)
	untrusted.StartTLS()
	t.Cleanup(untrusted.Close)
	for name, c := range map[string]struct {
		edit    func(o *S3Options)
		setting Setting // "": none is wrong
		silent  bool
	}{
		"there":         {func(*S3Options) {}, "", false},
		"ill":           {func(o *S3Options) { o.Endpoint = ill.URL }, "", false},
		"no permission": {func(o *S3Options) { o.Endpoint = hidden.URL }, SettingKeys, false},
		"a closed port": {func(o *S3Options) { o.Endpoint = "http://127.0.0.1:1" }, SettingEndpoint, true},
		"a silent host": {func(o *S3Options) {
			o.Endpoint, o.ConnectTimeout = "http://"+deaf.Addr().String(), 300*time.Millisecond
		}, SettingEndpoint, true},
		"no such host":  {func(o *S3Options) { o.Endpoint = "http://nobody.invalid" }, SettingEndpoint, false},
		"no TLS there":  {func(o *S3Options) { o.Endpoint = strings.Replace(o.Endpoint, "http:", "https:", 1) }, SettingEndpoint, false},
		"only TLS":      {func(o *S3Options) { o.Endpoint = strings.Replace(untrusted.URL, "https:", "http:", 1) }, SettingEndpoint, false},
		"untrusted TLS": {func(o *S3Options) { o.Endpoint = untrusted.URL }, SettingEndpoint, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newWire(t).options
			c.edit(&o)
			err := Reach(t.Context(), o)
			wrong, isSetting := errors.AsType[*SettingError](err)
			switch {
			case name == "there":
				if err != nil {
					t.Error(err)
				}
			case c.setting == "":
				if isSetting || !errors.Is(err, ErrUnavailable) {
					t.Errorf("%v", err)
				}
			case !isSetting || wrong.Setting != c.setting || wrong.Silent != c.silent:
				t.Errorf("%v, silent %v", err, isSetting && wrong.Silent)
			}
		})
	}
}
