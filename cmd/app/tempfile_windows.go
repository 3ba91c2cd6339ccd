package main

import (
	"os"
	"time"
)

// tempFile is a temporary file. It cannot lose its name while it is open.
type tempFile struct{ *os.File }

func newTempFile() (*tempFile, error) {
	f, err := os.CreateTemp("", "lenzeye-send-*")
	if err != nil {
		return nil, err
	}
	return &tempFile{f}, nil
}

// again opens the file once more, for reading at offsets.
func (t *tempFile) again(string) (*os.File, error) { return os.Open(t.Name()) }

func (t *tempFile) setDate(to time.Time) error { return os.Chtimes(t.Name(), to, to) }

func (t *tempFile) remove() {
	_ = t.Close() // what it held has been sent, or is lost anyway
	_ = os.Remove(t.Name())
}
