package blob

import (
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

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

// faultCase is a fault and what a check makes of it.
type faultCase struct {
	fault  fault
	rows   map[string]Result // besides the usual ones
	row    string
	found  string
	advice string
}

func rowsFailed(names ...string) map[string]Result {
	rows := map[string]Result{}
	for _, name := range names {
		rows[name] = ResultFailed
	}
	return rows
}

// faultsOfServers are what keeps a bucket from passing, or from an option.
func faultsOfServers() map[string]faultCase {
	return map[string]faultCase{
		"no deletes": {
			on(isOp(OpDelete), refuse(403, "AccessDenied")),
			rowsFailed("delete", "cleanup"),
			"delete", "403 AccessDenied", "Allow s3:DeleteObject on arn:aws:s3:::test-",
		},
		"no aborts": {
			on(isOp(OpAbort), refuse(403, "AccessDenied")),
			map[string]Result{"abort": ResultFailed, "abort-again": ResultSkipped, "cleanup": ResultFailed},
			"abort", "403 AccessDenied", "Allow s3:AbortMultipartUpload on arn:aws:s3:::test-",
		},
		"no list": {
			on(func(r *http.Request) bool { return opOf(r) == OpList }, refuse(403, "AccessDenied")),
			rowsFailed("bucket", "read-after-write", "head", "list", "put-cut", "keys", "delete", "stall"), "bucket", "AccessDenied", "Allow s3:ListBucket",
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
			secondComplete(), rowsFailed("complete-again"), "complete-again", "400 InvalidRequest", "use another one",
		},
		"no multipart": {
			on(isOp(OpCreateUpload), refuse(501, "NotImplemented")),
			map[string]Result{"multipart": ResultFailed, "parts-any-order": ResultSkipped, "part-repeated": ResultSkipped,
				"part-cut": ResultSkipped, "parts-listed": ResultSkipped, "uploads-listed": ResultSkipped, "complete": ResultSkipped,
				"complete-again": ResultSkipped, "abort": ResultSkipped, "abort-again": ResultSkipped, "presign": ResultSkipped, "cors": ResultSkipped},
			"multipart", "501 NotImplemented", "use another one",
		},
	}
}

// faultsOfSettings are what a bucket is set to.
func faultsOfSettings() map[string]faultCase {
	return map[string]faultCase{
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
	}
}

func TestCheckFaults(t *testing.T) {
	t.Parallel()
	all := faultsOfServers()
	maps.Copy(all, faultsOfSettings())
	for name, c := range all {
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
