package faults_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lenzeye/lenzeye/internal/testenv"
)

// upload is an unfinished upload in a store.
type upload struct{ key, id string }

// blobs lists a store past the program's own code.
type blobs struct {
	list func(ctx context.Context) (objects []string, uploads []upload, err error)
}

// directoryBlobs reads the folders that the documentation of package blob
// names: v1/<account>/<object> and uploads/<account>.<object>.<id>.
func directoryBlobs(root string) blobs {
	return blobs{func(context.Context) (objects []string, uploads []upload, err error) {
		paths, err := filepath.Glob(filepath.Join(root, "v1", "*", "*"))
		if err != nil {
			return nil, nil, err
		}
		for _, path := range paths {
			below, err := filepath.Rel(root, path)
			if err != nil {
				return nil, nil, err
			}
			objects = append(objects, filepath.ToSlash(below))
		}
		entries, err := os.ReadDir(filepath.Join(root, "uploads"))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, nil, err
		}
		for _, e := range entries {
			name := strings.SplitN(e.Name(), ".", 3)
			if len(name) != 3 {
				return nil, nil, errors.New("uploads holds " + e.Name())
			}
			uploads = append(uploads, upload{"v1/" + name[0] + "/" + name[1], name[2]})
		}
		return objects, uploads, nil
	}}
}

// bucketBlobs asks the bucket's server itself.
func bucketBlobs(at testenv.S3Server) blobs {
	client := s3.New(s3.Options{
		BaseEndpoint: &at.Endpoint, Region: at.Region, UsePathStyle: true,
		Credentials: credentials.NewStaticCredentialsProvider(at.AccessKey, at.SecretKey, ""),
	})
	return blobs{func(ctx context.Context) (objects []string, uploads []upload, err error) {
		list := s3.NewListObjectsV2Paginator(client, &s3.ListObjectsV2Input{Bucket: &at.Bucket})
		for list.HasMorePages() {
			page, err := list.NextPage(ctx)
			if err != nil {
				return nil, nil, err
			}
			for _, o := range page.Contents {
				objects = append(objects, aws.ToString(o.Key))
			}
		}
		unfinished := s3.NewListMultipartUploadsPaginator(client, &s3.ListMultipartUploadsInput{Bucket: &at.Bucket})
		for unfinished.HasMorePages() {
			page, err := unfinished.NextPage(ctx)
			if err != nil {
				return nil, nil, err
			}
			for _, u := range page.Uploads {
				uploads = append(uploads, upload{aws.ToString(u.Key), aws.ToString(u.UploadId)})
			}
		}
		return objects, uploads, nil
	}}
}
