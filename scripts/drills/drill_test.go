package drills_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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
	p.run(t, "reconcile")
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
	p.bash(t, filepath.Dir(dump), page(t, "pg_dump ")[0])
	p.send(t, folder(t, "second"))
	at := store{t: t, bucket: bucket.Bucket, client: clientOf(bucket)}
	objects := at.copies()

	kill()
	database := databaseOf(t, dsn)
	p.bash(t, "/", `dropdb --force `+database)
	if out, err := p.command(t.Context(), "migrate", "version").CombinedOutput(); err == nil {
		t.Fatalf("the database is still there: %s", out)
	}
	for key := range objects {
		at.remove(key)
	}

	for key, content := range objects {
		at.put(key, content)
	}
	lines := page(t, "createdb ")
	if len(lines) != 4 || lines[3] != "app serve & app reconcile" {
		t.Fatalf("docs/operations.md restores by %q", lines)
	}
	for _, line := range lines[:3] {
		p.bash(t, filepath.Dir(dump), strings.Replace(line, "createdb lenzeye", "createdb "+database, 1))
	}
	p.serve(t)
	p.run(t, "reconcile")
	p.wantSame(t, sentFirst, first)
	again := folder(t, "second")
	p.wantSame(t, p.send(t, again), again)
}

// page gives the lines of docs/operations.md that are typed together, from the one
// that begins like this.
func page(t *testing.T, begins string) []string {
	t.Helper()
	text, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n    "+begins)
	if !found {
		t.Fatalf("docs/operations.md has no line %q", begins)
	}
	block, _, _ := strings.Cut(begins+rest, "\n\n")
	var lines []string
	for line := range strings.Lines(block) {
		command, _, _ := strings.Cut(line, "   #")
		lines = append(lines, strings.TrimSpace(command))
	}
	return lines
}

// bash runs a line as an operator would: the program and PostgreSQL's tools are on
// the PATH, and know the server and the database from the environment.
func (p program) bash(t *testing.T, dir, line string) {
	t.Helper()
	var dsn string
	for _, kv := range p.env {
		if url, found := strings.CutPrefix(kv, "DATABASE_URL="); found {
			dsn = url
		}
	}
	at, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cmd := p.command(t.Context())
	cmd.Path, cmd.Args, cmd.Dir = "/bin/bash", []string{"bash", "-euo", "pipefail", "-c", line}, dir
	cmd.Env = append(cmd.Env, "PATH="+filepath.Dir(p.bin)+":"+filepath.Dir(postgresTool(t, "pg_dump"))+":"+os.Getenv("PATH"),
		"PGHOST="+at.Hostname(), "PGPORT="+at.Port(), "PGUSER="+at.User.Username())
	do(t, cmd)
}

func databaseOf(t *testing.T, dsn string) string {
	t.Helper()
	at, err := url.Parse(dsn)
	if err != nil || len(at.Path) < 2 {
		t.Fatalf("%s: %v", dsn, err)
	}
	return at.Path[1:]
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
