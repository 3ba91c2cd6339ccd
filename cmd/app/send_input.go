package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/lenzeye/lenzeye/internal/client"
	"github.com/lenzeye/lenzeye/internal/config"
)

// sendInput is the standard input as something to send. The zero value is not it.
type sendInput struct {
	isInput bool
	stream  io.Reader // with --size: the input itself
	input   *io.PipeReader
	sum     hash.Hash // of the stream, as it goes by
	file    *tempFile // with --size: one part at a time; without: all of it
	source  *client.Source
}

// readInput takes the standard input where the only path is -. Without --size it
// reads it to its end, into a temporary file.
func (r *sendRun) readInput(ctx context.Context, paths []string) (*sendInput, error) {
	in := &sendInput{}
	if !slices.Contains(paths, "-") {
		if r.flags.name != "" || r.flags.size != "" {
			return in, userError{errors.New("--name and --size are for the standard input: give - as the only path")}
		}
		return in, nil
	}
	if len(paths) > 1 {
		return in, userError{errors.New("- for the standard input goes alone")}
	}
	if err := checkInputName(r.flags.name); err != nil {
		return in, err
	}
	file, err := newTempFile()
	if err != nil {
		return in, fmt.Errorf("make a temporary file: %w", err)
	}
	in.isInput, in.file, in.input = true, file, interruptible(ctx, r.inv.io.in)
	in.source = &client.Source{Path: r.flags.name, Modified: r.now(), Open: file.again}
	if err := in.fill(ctx, r); err != nil {
		in.close()
		return in, err
	}
	return in, nil
}

func (in *sendInput) fill(ctx context.Context, r *sendRun) error {
	if r.flags.size != "" {
		size, err := config.ParseByteSize(r.flags.size)
		if err != nil {
			return userError{fmt.Errorf("--size %s: %w", r.flags.size, err)}
		}
		in.source.Size, in.sum = int64(size), sha256.New()
		in.stream = &untilEnd{Reader: io.TeeReader(in.input, in.sum), left: int64(size), say: r.say}
		fmt.Fprintln(r.inv.io.err, "The standard input is sent as it comes: if this ends early, it cannot go on in a second run.")
		return nil
	}
	if _, err := io.Copy(in.file, in.input); err != nil {
		return fmt.Errorf("keep the standard input in %s: %w", filepath.Dir(in.file.Name()), err)
	}
	return in.look()
}

// untilEnd says what is waited for when all has come that was announced and the
// input still does not end.
type untilEnd struct {
	io.Reader
	left int64
	say  func(format string, args ...any)
}

func (u *untilEnd) Read(p []byte) (int, error) {
	if u.left <= 0 {
		said := make(chan struct{})
		told := time.AfterFunc(2*time.Second, func() {
			defer close(said)
			u.say("All of --size is sent; waiting for the standard input to end.")
		})
		defer func() {
			if !told.Stop() {
				<-said // what it is said to may be gone next
			}
		}()
	}
	n, err := u.Reader.Read(p)
	u.left -= int64(n)
	return n, err
}

// look takes size and date from the temporary file.
func (in *sendInput) look() error {
	info, err := in.file.Stat()
	if err != nil {
		return fmt.Errorf("read the standard input: %w", err)
	}
	in.source.Size, in.source.Modified = info.Size(), info.ModTime()
	return nil
}

// date is what the input's date has to be in a later run, nil if it has none to
// keep.
func (in *sendInput) date() *time.Time {
	if !in.isInput || in.stream != nil {
		return nil
	}
	return &in.source.Modified
}

// keepDate gives the input the date that it had in an earlier run, since the path,
// size and date tell the server which file this is. Its bytes are compared anyway.
func (in *sendInput) keepDate(kept *time.Time) error {
	if kept == nil || in.date() == nil {
		return nil
	}
	if err := in.file.setDate(*kept); err != nil {
		return fmt.Errorf("go on with the standard input: %w", err)
	}
	return in.look()
}

// plan is the input as the only file of a sending.
func (in *sendInput) plan() *sendPlan {
	return &sendPlan{sources: []*client.Source{in.source}, roots: []string{"-", in.source.Path}}
}

func (in *sendInput) close() {
	if in.file != nil {
		in.file.remove()
	}
}

// interruptible reads from r until ctx ends, also while r is silent.
func interruptible(ctx context.Context, r io.Reader) *io.PipeReader {
	out, in := io.Pipe()
	go func() { // ends with the process, since such a read cannot be ended
		_, err := io.Copy(in, r)
		_ = in.CloseWithError(err) // never fails; without an error it is the end
	}()
	context.AfterFunc(ctx, func() { _ = in.CloseWithError(ctx.Err()) }) // never fails
	return out
}

// readerUntil ends reading when ctx ends, at the latest with the next bytes.
type readerUntil struct {
	ctx context.Context
	r   io.Reader
}

func (r readerUntil) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}
