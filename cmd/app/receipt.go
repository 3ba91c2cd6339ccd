package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/client"
)

// receiptHead begins a receipt. The code is not in it: a receipt gets passed on.
type receiptHead struct {
	TransferID string   `json:"transfer_id"`
	Link       string   `json:"link"`
	Share      string   `json:"share"`
	WrittenAt  api.Time `json:"written_at"`
	Files      int64    `json:"files"`
	Bytes      int64    `json:"bytes"`
}

// receiptFile is a file of a receipt. SHA256 is null when the file was changed
// after it had been sent.
type receiptFile struct {
	Path     string     `json:"path"`
	Size     int64      `json:"size"`
	CRC32    *api.CRC32 `json:"crc32"`
	SHA256   *string    `json:"sha256"`
	Modified *api.Time  `json:"modified"`
}

// receipt writes the file of --receipt: what the server says it holds, with the
// SHA-256 of our own bytes where their CRC-32 is the same.
func (r *sendRun) receipt(ctx context.Context, input *sendInput, done *api.Completed) error {
	if r.flags.receipt == "" {
		return nil
	}
	f, err := os.OpenFile(r.flags.receipt, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return userError{fmt.Errorf("all is sent, but the receipt cannot be written (run this again to have it): %w", err)}
	}
	out := bufio.NewWriter(f)
	err = r.writeReceipt(ctx, out, input, done)
	if err = errors.Join(err, out.Flush(), f.Close()); err != nil {
		return fmt.Errorf("all is sent, but the receipt is not whole (run this again to have it): %w", err)
	}
	return nil
}

// writeReceipt writes one object with a line for each file, without holding all
// of it in memory.
func (r *sendRun) writeReceipt(ctx context.Context, out io.Writer, input *sendInput, done *api.Completed) error {
	head, err := json.Marshal(receiptHead{
		TransferID: r.upload.ID, Link: r.link.Base + "/u/" + r.link.Slug, Share: done.Share.URL, WrittenAt: api.NewTime(r.now()),
		Files: done.Files, Bytes: done.Bytes,
	})
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s,\"list\":[", head[:len(head)-1])
	sources := make(map[string]*client.Source, len(r.plan.sources))
	for _, src := range r.plan.sources {
		sources[src.Path] = src
	}
	separator := "\n"
	for f, err := range r.upload.Files(ctx) {
		if err != nil {
			return err
		}
		line := receiptFile{Path: f.Path, Size: f.Size, CRC32: f.CRC32, Modified: f.Modified}
		if line.SHA256, err = digest(ctx, sources[f.Path], f, input); err != nil {
			r.say("%s: its SHA-256 is not in the receipt: %v", f.Path, err)
		}
		text, err := json.Marshal(line)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(out, "%s%s", separator, text); err != nil {
			return err
		}
		separator = ",\n"
	}
	_, err = io.WriteString(out, "\n]}\n")
	return err
}

// digest is the SHA-256 of a file that was sent.
func digest(ctx context.Context, src *client.Source, f api.File, input *sendInput) (*string, error) {
	if src == nil {
		return nil, errors.New("it was sent by an earlier run and is gone")
	}
	if input.sum != nil {
		return hexOf(input.sum.Sum(nil)), nil
	}
	file, err := src.Open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	long, short := sha256.New(), crc32.NewIEEE()
	if _, err := io.Copy(io.MultiWriter(long, short), readerUntil{ctx, file}); err != nil {
		return nil, err
	}
	if f.CRC32 == nil || short.Sum32() != uint32(*f.CRC32) {
		return nil, errors.New("it was changed after it had been sent")
	}
	return hexOf(long.Sum(nil)), nil
}

func hexOf(sum []byte) *string {
	text := hex.EncodeToString(sum)
	return &text
}
