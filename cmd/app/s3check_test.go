package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/lenzeye/lenzeye/internal/testenv"
)

// cmdBucket configures an empty bucket of a test server: bucket.
func cmdBucket(t *testing.T) func(ts *testscript.TestScript, neg bool, args []string) {
	return func(ts *testscript.TestScript, _ bool, _ []string) {
		for _, line := range bucketEnv(testenv.S3(t)) {
			name, value, _ := strings.Cut(line, "=")
			ts.Setenv(name, value)
		}
	}
}

func bucketEnv(s testenv.S3Server) []string {
	return []string{
		"WASABI_BUCKET_NAME=" + s.Bucket, "WASABI_ENDPOINT_URL=" + s.Endpoint, "WASABI_REGION=" + s.Region,
		"WASABI_ACCESS_KEY=" + s.AccessKey, "WASABI_SECRET_KEY=" + s.SecretKey,
	}
}

// TestS3CheckInterrupted ends the program with kill -INT at twenty random
// moments. Nothing may be left in the bucket, as an object or an upload.
func TestS3CheckInterrupted(t *testing.T) {
	t.Parallel()
	slots := make(chan struct{}, 4)
	for i := range 20 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			slots <- struct{}{}
			defer func() { <-slots }()
			bucket := testenv.S3(t)
			interruptCheck(t, bucket, rand.N(1500*time.Millisecond))
			holdsNothing(t, bucket)
		})
	}
}

func interruptCheck(t *testing.T, bucket testenv.S3Server, after time.Duration) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "app", "s3-check", "--stall", "1s")
	cmd.Dir = t.TempDir()
	cmd.Env = append(bucketEnv(bucket), "PATH="+os.Getenv("PATH"), "HOME="+cmd.Dir)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	var err error
	moment := time.NewTimer(after)
	defer moment.Stop()
	select {
	case err = <-ended:
	case <-moment.C:
		for range 2 { // as timeout does, and other programs that start programs
			if err := cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
				t.Error(err)
			}
		}
		err = <-ended
	}
	// A signal that comes before the program listens to it ends it at once.
	if code := cmd.ProcessState.ExitCode(); code != exitOK && code != exitInterrupted && out.String()+errs.String() != "" {
		t.Errorf("after %s: %v\n%s%s", after, err, out.String(), errs.String())
	}
	if strings.Contains(errs.String(), "left in the bucket") {
		t.Errorf("after %s: %s", after, errs.String())
	}
}

// holdsNothing looks at everything that a bucket has, whatever its key is like.
func holdsNothing(t *testing.T, bucket testenv.S3Server) {
	t.Helper()
	client := s3.New(s3.Options{
		Region: bucket.Region, BaseEndpoint: &bucket.Endpoint, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(bucket.AccessKey, bucket.SecretKey, ""),
	})
	ctx := context.WithoutCancel(t.Context())
	objects, err := client.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: &bucket.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, o := range objects.Contents {
		t.Errorf("left: object %s", aws.ToString(o.Key))
	}
	uploads, err := client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &bucket.Bucket})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range uploads.Uploads {
		t.Errorf("left: upload %s", aws.ToString(u.Key))
	}
}
