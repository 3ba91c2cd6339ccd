package blob

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/google/go-cmp/cmp"
)

const checkOrigin = "https://studio.example"

// checking is a check of the bucket behind a wire, in a hurry.
func (w *wire) checking(t *testing.T, edit func(o *CheckOptions)) *BucketCheck {
	t.Helper()
	o := CheckOptions{S3: w.options, Origin: checkOrigin, Stall: 100 * time.Millisecond, Size: 1 << 20}
	if edit != nil {
		edit(&o)
	}
	c, err := OpenBucketCheck(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// results are the rows by name, those of one result or all.
func results(r Report, of ...Result) map[string]Result {
	rows := map[string]Result{}
	for _, row := range r.Rows {
		if len(of) == 0 || slices.Contains(of, row.Result) {
			rows[row.Capability] = row.Result
		}
	}
	return rows
}

func (r Report) row(t *testing.T, name string) Row {
	t.Helper()
	i := slices.IndexFunc(r.Rows, func(row Row) bool { return row.Capability == name })
	if i < 0 {
		t.Fatalf("no row %s", name)
	}
	return r.Rows[i]
}

// isEmpty looks past the check and the proxy at everything that the bucket has.
func isEmpty(t *testing.T, o S3Options) {
	t.Helper()
	b := newBucket(o.withDefaults())
	defer func() { _ = b.close() }() // never fails
	ctx := context.WithoutCancel(t.Context())
	objects, err := b.calls.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &b.name})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects.Contents {
		t.Errorf("left: object %s of %d bytes", aws.ToString(o.Key), aws.ToInt64(o.Size))
	}
	uploads, err := b.calls.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &b.name})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uploads.Uploads {
		t.Errorf("left: upload %s", aws.ToString(u.Key))
	}
}

func TestCheckPasses(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	direct := w.options
	w.start()
	var steps []string
	c := w.checking(t, func(o *CheckOptions) {
		o.Progress = func(_, _ int, name string) { steps = append(steps, name) }
	})
	report := c.Run(t.Context())
	for _, r := range report.Rows {
		t.Logf("%-18s %-5t %-10s %-8s %s | %s", r.Capability, r.Needed, r.Result, shortTime(r.Took), r.Found, r.Advice)
	}
	if !report.Passed() || report.Problem != nil || len(report.Left) > 0 {
		t.Errorf("%+v", report)
	}
	want := map[string]Result{"cors": ResultNo, "addressing": ResultNo, "lifecycle": ResultWarning}
	if diff := cmp.Diff(want, results(report, ResultNo, ResultWarning, ResultFailed, ResultSkipped)); diff != "" {
		t.Error(diff)
	}
	if row := report.row(t, "lifecycle"); row.Found != notSupported {
		t.Errorf("lifecycle: %q", row.Found)
	}
	if diff := cmp.Diff(CheckNames(), steps); diff != "" {
		t.Error(diff)
	}
	isEmpty(t, direct)
	for _, r := range w.seen {
		if p := strings.TrimPrefix(r.URL.Path, "/"+w.options.Bucket); len(p) > 1 && !strings.HasPrefix(p[1:], c.Prefix()) {
			t.Errorf("%s %s is outside of %s", r.Method, r.URL.Path, c.Prefix())
		}
	}
}

func TestOpenBucketCheck(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(o *CheckOptions){
		"no bucket":      func(o *CheckOptions) { o.S3.Bucket = "" },
		"unknown needed": func(o *CheckOptions) { o.Require = []string{"presign", "corrs"} },
		"negative size":  func(o *CheckOptions) { o.Size = -1 },
		"large size":     func(o *CheckOptions) { o.Size = MaxPartSize + 1 },
		"negative stall": func(o *CheckOptions) { o.Stall = -1 },
	} {
		o := CheckOptions{S3: S3Options{Bucket: "b", Region: "r", AccessKey: "a", SecretKey: "s"}}
		edit(&o)
		if _, err := OpenBucketCheck(o); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestCheckThroughTLS is the way to every real bucket: checksums go in trailers
// there, and a silent body is heard through the encryption.
func TestCheckThroughTLS(t *testing.T) {
	t.Parallel()
	w := newWire(t)
	direct := w.options
	w.StartTLS()
	w.options.Endpoint = strings.Replace(w.URL, "127.0.0.1", "localhost", 1)
	c := w.checking(t, nil)
	pool := x509.NewCertPool()
	pool.AddCert(w.Certificate())
	for _, transport := range slices.Concat(c.b.transports, c.probe.transports) {
		// The server's certificate is not for localhost.
		transport.TLSClientConfig = &tls.Config{RootCAs: pool, ServerName: "example.com"}
	}
	report := c.Run(t.Context())
	want := map[string]Result{"cors": ResultNo, "addressing": ResultNo, "lifecycle": ResultWarning}
	if diff := cmp.Diff(want, results(report, ResultNo, ResultWarning, ResultFailed, ResultSkipped)); diff != "" || !report.Passed() {
		t.Error(diff)
	}
	if row := report.row(t, "checksums"); row.Found != "in a trailer" {
		t.Errorf("%+v", row)
	}
	if row := report.row(t, "addressing"); !strings.Contains(row.Found, "path style works, virtual-host style does not") {
		t.Errorf("%+v", row)
	}
	isEmpty(t, direct)
	strange := w.checking(t, nil).Run(t.Context())
	if p := strange.Problem; p == nil || p.Setting != SettingEndpoint || !strings.Contains(p.Cause, "certificate") {
		t.Errorf("without trust: %+v", p)
	}
}
