package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"slices"

	"github.com/lenzeye/lenzeye/internal/client"
	"github.com/lenzeye/lenzeye/internal/config"
)

// sendInput is the standard input as something to send. The zero value is not it.
type sendInput struct {
	isInput bool
	stream  io.Reader // with --size: the input itself
	sum     hash.Hash // of the stream, as it goes by
	file    *os.File  // with --size: one part at a time; without: all of it
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
	file, err := os.CreateTemp("", "lenzeye-send-*")
	if err != nil {
		return in, fmt.Errorf("make a temporary file: %w", err)
	}
	in.isInput, in.file = true, file
	in.source = &client.Source{Path: r.flags.name, Modified: r.now()}
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
		in.stream = io.TeeReader(readerUntil{ctx, r.inv.io.in}, in.sum)
		fmt.Fprintln(r.inv.io.err, "The standard input is sent as it comes: if this ends early, it cannot go on in a second run.")
		return nil
	}
	if _, err := io.Copy(in.file, readerUntil{ctx, r.inv.io.in}); err != nil {
		return fmt.Errorf("read the standard input into %s: %w", in.file.Name(), err)
	}
	info, err := in.file.Stat()
	if err != nil {
		return fmt.Errorf("read the standard input: %w", err)
	}
	name := in.file.Name()
	in.source.Size, in.source.Modified = info.Size(), info.ModTime()
	in.source.Open = func() (*os.File, error) { return os.Open(name) }
	return nil
}

// plan is the input as the only file of a sending.
func (in *sendInput) plan() *sendPlan {
	return &sendPlan{sources: []*client.Source{in.source}, roots: []string{"-", in.source.Path}}
}

func (in *sendInput) close() {
	if in.file != nil {
		_ = in.file.Close() // what it held has been sent, or is lost anyway
		_ = os.Remove(in.file.Name())
	}
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
