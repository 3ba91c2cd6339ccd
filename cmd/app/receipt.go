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
	"math"
	"os"
	"path/filepath"

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
// after it had been sent, and when another sent it.
type receiptFile struct {
	Path     string     `json:"path"`
	Size     int64      `json:"size"`
	CRC32    *api.CRC32 `json:"crc32"`
	SHA256   *string    `json:"sha256"`
	Modified *api.Time  `json:"modified"`
}

// receipt writes the file of --receipt: what the server says it holds, with the
// SHA-256 of our own bytes where their CRC-32 is the same. It counts those files
// for which there is none. A receipt of before stays until the new one is whole.
func (r *sendRun) receipt(ctx context.Context, input *sendInput, done *api.Completed) (undigested int, err error) {
	if r.flags.receipt == "" {
		return 0, nil
	}
	f, place, err := createBeside(r.flags.receipt)
	if err != nil {
		return 0, userError{fmt.Errorf("all is sent, but the receipt cannot be written%s: %w", r.again(input), err)}
	}
	out := bufio.NewWriter(f)
	undigested, err = r.writeReceipt(ctx, out, input, done)
	if err = place(errors.Join(err, out.Flush())); err != nil {
		return 0, fmt.Errorf("all is sent, but the receipt is not whole%s: %w", r.again(input), err)
	}
	if !r.flags.json {
		_, err = fmt.Fprintf(r.inv.io.out, "Receipt   %s\n", r.flags.receipt)
	}
	return undigested, err
}

// again says how to have a receipt after all, where a second run can write it.
func (r *sendRun) again(input *sendInput) string {
	if !r.goesOn(input) {
		return ""
	}
	return " (run this again to have it)"
}

// checkReceipt sees before anything is sent that a receipt can stand where it is
// wanted, as far as that can be seen without a trace.
func checkReceipt(name string) error {
	switch name {
	case "":
		return nil
	case "-":
		return userError{errors.New("--receipt -: the output has the link and the code, so name a file")}
	}
	info, err := os.Stat(filepath.Dir(name))
	if err == nil && !info.IsDir() {
		err = errors.New("what is around it is no folder")
	}
	if err == nil {
		if info, statErr := os.Stat(name); statErr == nil && info.IsDir() {
			err = errors.New("it is a folder")
		}
	}
	if err != nil {
		return userError{fmt.Errorf("--receipt %s: %w", name, reason(err))}
	}
	return nil
}

// createBeside makes a file that takes the place of name when place is called with
// no error, and goes otherwise. What is no regular file, like a pipe, is written
// to as it stands.
func createBeside(name string) (f *os.File, place func(error) error, err error) {
	if to, err := filepath.EvalSymlinks(name); err == nil {
		name = to
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(name, os.O_WRONLY, 0)
		return f, func(err error) error { return errors.Join(err, f.Close()) }, err
	}
	if f, err = os.CreateTemp(filepath.Dir(name), ".lenzeye-receipt-*"); err != nil { // mode 0600
		return nil, nil, err
	}
	return f, func(err error) error {
		if err == nil {
			err = f.Sync()
		}
		err = errors.Join(err, f.Close())
		if err == nil {
			err = os.Rename(f.Name(), name)
		}
		if err != nil {
			return errors.Join(err, os.Remove(f.Name()))
		}
		return nil
	}, nil
}

// writeReceipt writes one object with a line for each file, without holding all
// of it in memory.
func (r *sendRun) writeReceipt(ctx context.Context, out io.Writer, input *sendInput, done *api.Completed) (undigested int, err error) {
	head, err := json.Marshal(receiptHead{
		TransferID: r.upload.ID, Link: r.link.Base + "/u/" + r.link.Slug, Share: done.Share.URL, WrittenAt: api.NewTime(r.now()),
		Files: done.Files, Bytes: done.Bytes,
	})
	if err != nil {
		return 0, err
	}
	fmt.Fprintf(out, "%s,\"list\":[", head[:len(head)-1])
	separator := "\n"
	for f, err := range r.upload.Files(ctx) {
		if err != nil {
			return 0, err
		}
		line := receiptFile{Path: f.Path, Size: f.Size, CRC32: f.CRC32, Modified: f.Modified}
		src, _ := r.plan.find(f.Path)
		if src != nil || !r.isShared() { // else another sender's
			line.SHA256, err = digest(ctx, src, f, input)
		}
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
		if err != nil {
			undigested++
			r.say("%s: its SHA-256 is not in the receipt: %v", f.Path, err)
		}
		text, err := json.Marshal(line)
		if err != nil {
			return 0, err
		}
		if _, err := fmt.Fprintf(out, "%s%s", separator, text); err != nil {
			return 0, err
		}
		separator = ",\n"
	}
	_, err = io.WriteString(out, "\n]}\n")
	return undigested, err
}

// digest is the SHA-256 of a file that was sent.
func digest(ctx context.Context, src *client.Source, f api.File, input *sendInput) (*string, error) {
	if src == nil {
		return nil, errors.New("it is not among the files of this run")
	}
	if input.sum != nil {
		return hexOf(input.sum.Sum(nil)), nil
	}
	file, err := src.Open(src.Path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	long, short := sha256.New(), crc32.NewIEEE()
	if _, err := io.Copy(io.MultiWriter(long, short), readerUntil{ctx, io.NewSectionReader(file, 0, math.MaxInt64)}); err != nil {
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
