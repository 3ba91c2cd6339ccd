package testenv

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

var s3Server = sync.OnceValues(startS3)

// S3Server says how to reach a bucket, in path style.
type S3Server struct {
	Endpoint  string // http://127.0.0.1:port
	Region    string
	AccessKey string
	SecretKey string
	Bucket    string
	Folders   []string // where the server keeps the bucket: its bytes, and what it notes of them
}

type s3 struct {
	*server
	S3Server
	data   string
	beside string // what the gateway knows of its objects
}

// S3 returns an empty bucket of its own on a versitygw, of the version that
// scripts/tools/go.mod names. The bucket is deleted with the test.
func S3(t testing.TB) S3Server {
	t.Helper()
	s, err := s3Server()
	if err != nil {
		t.Fatal(err)
	}
	bucket := s.S3Server
	bucket.Bucket = "test-" + secret()
	bucket.Folders = []string{filepath.Join(s.data, bucket.Bucket), filepath.Join(s.beside, bucket.Bucket)}
	if err := bucket.create(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// A bucket is a folder of the gateway, and uploads under way are in it.
		for _, folder := range bucket.Folders {
			if err := os.RemoveAll(folder); err != nil {
				t.Error(err)
			}
		}
	})
	return bucket
}

func startS3() (*s3, error) {
	path, err := versitygw()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir, err := newFolder(account{})
	if err != nil {
		return nil, err
	}
	addr := fmt.Sprintf("127.0.0.1:%d", port)
	s := &s3{data: filepath.Join(dir, "data"), S3Server: S3Server{
		Endpoint: "http://" + addr, Region: "us-east-1", AccessKey: secret()[:20], SecretKey: secret(), Bucket: "ready",
	}}
	// What the gateway knows of a part and of an object lies beside them: an
	// extended attribute of ext4 cannot hold the list of a thousand parts.
	s.beside = filepath.Join(dir, "metadata")
	for _, folder := range []string{s.data, s.beside} {
		if err := os.Mkdir(folder, 0o700); err != nil {
			return nil, err
		}
	}
	env := []string{"ROOT_ACCESS_KEY=" + s.AccessKey, "ROOT_SECRET_KEY=" + s.SecretKey}
	s.server, err = start(account{}, dir, "KILL", env, path, "-q", "--port", addr, "--region", s.Region, "posix", "--sidecar", s.beside, s.data)
	if err != nil {
		return nil, err
	}
	return s, s.untilReady(s.create)
}

// create makes the bucket, with a request signed as in
// https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.
func (s S3Server) create(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, s.Endpoint+"/"+s.Bucket, nil)
	if err != nil {
		return err
	}
	now, empty := time.Now().UTC(), hexSHA256("")
	day, second := now.Format("20060102"), now.Format("20060102T150405Z")
	scope := day + "/" + s.Region + "/s3/aws4_request"
	const signed = "host;x-amz-content-sha256;x-amz-date"
	canonical := "PUT\n/" + s.Bucket + "\n\nhost:" + req.Host + "\nx-amz-content-sha256:" + empty + "\nx-amz-date:" + second +
		"\n\n" + signed + "\n" + empty
	key := []byte("AWS4" + s.SecretKey)
	for _, step := range []string{day, s.Region, "s3", "aws4_request", "AWS4-HMAC-SHA256\n" + second + "\n" + scope + "\n" + hexSHA256(canonical)} {
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(step))
		key = mac.Sum(nil)
	}
	req.Header.Set("X-Amz-Content-Sha256", empty)
	req.Header.Set("X-Amz-Date", second)
	req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+s.AccessKey+"/"+scope+",SignedHeaders="+signed+",Signature="+hex.EncodeToString(key))
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, 4096))
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("create bucket: %s: %s", res.Status, text)
	}
	return nil
}

func hexSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
