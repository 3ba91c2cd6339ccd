package drills_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lenzeye/lenzeye/internal/testenv"
)

// TestDrill proves that what operators are told to do brings everything back.
func TestDrill(t *testing.T) {
	t.Parallel()
	bin := build(t)
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		drillSQLite(t, program{bin: bin, dir: t.TempDir(), addr: freeAddress(t)})
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		drillPostgres(t, program{bin: bin, dir: t.TempDir(), addr: freeAddress(t)})
	})
}

// folder makes what a guest sends: empty, small, and of more parts than one.
func folder(t *testing.T, name string) string {
	t.Helper()
	at := filepath.Join(t.TempDir(), name)
	for file, size := range map[string]int{"none.raw": 0, "one.raw": 1, "a/small.raw": 300_000, "a/b/parts.raw": 11<<20 + 5} {
		path := filepath.Join(at, filepath.FromSlash(file))
		content := make([]byte, size)
		_, _ = rand.Read(content)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return at
}

func drillSQLite(t *testing.T, p program) {
	p.run(t, "seed", "--slug", "drill")
	kill := p.serve(t)
	first, second := folder(t, "first"), folder(t, "second")
	sentFirst := p.send(t, first)
	safe := t.TempDir()

	// While it serves: the database, then the blobs; the keys apart.
	p.run(t, "backup", filepath.Join(safe, "lenzeye.db"))
	sentSecond := p.send(t, second) // after the backup: it will be lost
	copyTree(t, p.data("blobs"), filepath.Join(safe, "blobs"))
	copyTree(t, p.data("master.keys"), filepath.Join(safe, "master.keys"))

	kill()
	if err := os.RemoveAll(p.data("")); err != nil {
		t.Fatal(err)
	}

	if err := os.MkdirAll(p.data(""), 0o700); err != nil {
		t.Fatal(err)
	}
	copyTree(t, filepath.Join(safe, "blobs"), p.data("blobs"))
	copyTree(t, filepath.Join(safe, "master.keys"), p.data("master.keys"))
	p.run(t, "restore", filepath.Join(safe, "lenzeye.db"))
	p.serve(t)
	p.wantSame(t, sentFirst, first)
	if out, err := p.command(t.Context(), "get", sentSecond.Share.URL, "--code", sentSecond.Share.Code, "-o", t.TempDir()).CombinedOutput(); err == nil {
		t.Errorf("what came after the backup is there: %s", out)
	}
	p.wantSame(t, p.send(t, second), second) // the guest sends it again
}

func drillPostgres(t *testing.T, p program) {
	dsn, bucket := testenv.Postgres(t), testenv.S3(t)
	p.env = []string{"DATABASE_URL=" + dsn, "WASABI_BUCKET_NAME=" + bucket.Bucket, "WASABI_ENDPOINT_URL=" + bucket.Endpoint,
		"WASABI_REGION=" + bucket.Region, "WASABI_ACCESS_KEY=" + bucket.AccessKey, "WASABI_SECRET_KEY=" + bucket.SecretKey}
	p.run(t, "migrate", "up")
	p.run(t, "seed", "--slug", "drill")
	kill := p.serve(t)
	first := folder(t, "first")
	sentFirst := p.send(t, first)

	// While it serves: the database, then the bucket.
	dump := filepath.Join(t.TempDir(), "lenzeye.dump")
	do(t, exec.CommandContext(t.Context(), postgresTool(t, "pg_dump"), "--format=custom", "--file="+dump, dsn))
	p.send(t, folder(t, "second"))
	at := store{t: t, bucket: bucket.Bucket, client: clientOf(bucket)}
	objects := at.copies()

	kill()
	p.run(t, "migrate", "drop", "--yes")
	for key := range objects {
		at.remove(key)
	}

	for key, content := range objects {
		at.put(key, content)
	}
	do(t, exec.CommandContext(t.Context(), postgresTool(t, "pg_restore"), "--no-owner", "--exit-on-error", "--dbname="+dsn, dump))
	do(t, exec.CommandContext(t.Context(), postgresTool(t, "psql"), dsn, "-c", "DELETE FROM chores WHERE name = 'transfer.orphans'"))
	p.run(t, "migrate", "version")
	p.serve(t)
	p.wantSame(t, sentFirst, first)
	again := folder(t, "second")
	p.wantSame(t, p.send(t, again), again)
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	do(t, exec.CommandContext(t.Context(), "cp", "-a", from, to))
}

// postgresTool finds a tool that Debian keeps off the PATH.
func postgresTool(t *testing.T, name string) string {
	t.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if err == nil && len(found) > 0 {
		return found[len(found)-1] // of the version that testenv starts
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// store is the bucket, past the program.
type store struct {
	t      *testing.T
	bucket string
	client *s3.Client
}

func clientOf(b testenv.S3Server) *s3.Client {
	return s3.New(s3.Options{
		Region: b.Region, BaseEndpoint: &b.Endpoint, UsePathStyle: true,
		Credentials:                credentials.NewStaticCredentialsProvider(b.AccessKey, b.SecretKey, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
	})
}

// copies reads every object.
func (s store) copies() map[string][]byte {
	s.t.Helper()
	all := map[string][]byte{}
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		for _, o := range page.Contents {
			all[*o.Key] = s.read(s.t.Context(), o.Key)
		}
	}
	if len(all) == 0 {
		s.t.Fatal("the bucket is empty, so the drill proves nothing")
	}
	return all
}

func (s store) read(ctx context.Context, key *string) []byte {
	s.t.Helper()
	got, err := s.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: key})
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = got.Body.Close() }()
	content, err := io.ReadAll(got.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return content
}

func (s store) remove(key string) {
	s.t.Helper()
	if _, err := s.client.DeleteObject(s.t.Context(), &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &key}); err != nil {
		s.t.Fatal(err)
	}
}

func (s store) put(key string, content []byte) {
	s.t.Helper()
	_, err := s.client.PutObject(s.t.Context(), &s3.PutObjectInput{Bucket: &s.bucket, Key: &key, Body: bytes.NewReader(content)})
	if err != nil {
		s.t.Fatal(err)
	}
}
