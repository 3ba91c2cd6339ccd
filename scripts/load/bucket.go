package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// bucket answers as S3 does and keeps only sizes, so that what is measured is
// the way to it.
type bucket struct {
	url    string
	server *http.Server

	mu      sync.Mutex
	uploads int
	sizes   map[string]int64 // by object's path; parts add up
}

func openBucket() (*bucket, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &bucket{url: "http://" + l.Addr().String(), sizes: map[string]int64{}}
	b.server = &http.Server{Handler: b, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = b.server.Serve(l) }()
	return b, nil
}

func (b *bucket) close() { _ = b.server.Close() }

// env points the program at this bucket.
func (b *bucket) env() []string {
	return []string{
		"WASABI_BUCKET_NAME=bench", "WASABI_ENDPOINT_URL=" + b.url, "WASABI_REGION=us-east-1",
		"WASABI_ACCESS_KEY=bench", "WASABI_SECRET_KEY=benchbench",
	}
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodPut:
		b.put(w, r)
	case r.Method == http.MethodPost && q.Has("uploads"):
		b.mu.Lock()
		b.uploads++
		id := b.uploads
		b.mu.Unlock()
		xml(w, fmt.Sprintf("<InitiateMultipartUploadResult><UploadId>%d</UploadId></InitiateMultipartUploadResult>", id))
	case r.Method == http.MethodPost:
		_, _ = io.Copy(io.Discard, r.Body)
		xml(w, `<CompleteMultipartUploadResult><ETag>"whole"</ETag></CompleteMultipartUploadResult>`)
	case r.Method == http.MethodHead:
		b.head(w, r)
	case r.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	default:
		xml(w, "<ListBucketResult></ListBucketResult>")
	}
}

func (b *bucket) put(w http.ResponseWriter, r *http.Request) {
	n, err := io.CopyBuffer(io.Discard, r.Body, make([]byte, 256<<10))
	if err != nil || n != r.ContentLength {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	b.sizes[r.URL.Path] += n
	b.mu.Unlock()
	w.Header().Set("ETag", `"part"`)
}

func (b *bucket) head(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	size, ok := b.sizes[r.URL.Path]
	b.mu.Unlock()
	if !ok && len(r.URL.Path) > len("/bench/") {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("ETag", `"whole"`)
	w.Header().Set("Last-Modified", time.Now().UTC().Format(http.TimeFormat))
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
}

func xml(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/xml")
	_, _ = io.WriteString(w, `<?xml version="1.0" encoding="UTF-8"?>`+body)
}
