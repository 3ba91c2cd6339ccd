package main

import (
	"bytes"
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
	room    int64            // bytes of whole objects that are kept after all, to be read
	kept    map[string][]byte
}

func openBucket() (*bucket, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	b := &bucket{url: "http://" + l.Addr().String(), sizes: map[string]int64{}, kept: map[string][]byte{}}
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
		b.get(w, r)
	}
}

// get reads an object that is kept. Everything else is a list, and empty, in the
// form by which the program tells a store from a server that is none.
func (b *bucket) get(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	kept := b.kept[r.URL.Path]
	b.mu.Unlock()
	if kept == nil {
		xml(w, "<ListBucketResult><Name>bench</Name><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>")
		return
	}
	w.Header().Set("ETag", `"part"`)
	http.ServeContent(w, r, "", time.Now(), bytes.NewReader(kept))
}

func (b *bucket) put(w http.ResponseWriter, r *http.Request) {
	to := io.Discard
	var keep *bytes.Buffer
	if b.takes(r) {
		keep = bytes.NewBuffer(make([]byte, 0, r.ContentLength))
		to = keep
	}
	n, err := io.CopyBuffer(to, r.Body, make([]byte, 256<<10))
	if err != nil || n != r.ContentLength {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	b.mu.Lock()
	b.sizes[r.URL.Path] += n
	if keep != nil {
		b.kept[r.URL.Path] = keep.Bytes()
	}
	b.mu.Unlock()
	w.Header().Set("ETag", `"part"`)
}

// keep makes room for so many bytes of objects.
func (b *bucket) keep(room int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.room = room
}

// takes tells whether there is room to keep an object, and takes it.
func (b *bucket) takes(r *http.Request) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r.URL.Query().Has("partNumber") || r.ContentLength > b.room {
		return false
	}
	b.room -= r.ContentLength
	return true
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
