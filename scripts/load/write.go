package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// benchWrite measures what the disk alone costs: the same bytes as plain files
// of a part's size, each made durable. It runs twice and counts the second run,
// since memory that the page cache touches for the first time is dear on a
// virtual machine.
func benchWrite(ctx context.Context, p plan) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	var used, took time.Duration
	for range 2 {
		cmd := exec.CommandContext(ctx, self, "write", filepath.Join(p.dir, "bare"), strconv.Itoa(int(p.gib*1024/10)))
		began := time.Now()
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("write plain files: %w: %s", err, out)
		}
		took = time.Since(began)
		used = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	figure("CPU for a GiB of plain files, 4 in flight", fmt.Sprintf("%.2f s", used.Seconds()/p.gib), "")
	figure("throughput of plain files", fmt.Sprintf("%.0f MiB/s", p.gib*1024/took.Seconds()), "")
	return nil
}

// write is the bare writer, as a process of its own.
func write(dir, count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	data := make([]byte, part)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	errs := make([]error, 4)
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for i := w; i < n && errs[w] == nil; i += len(errs) {
				errs[w] = writeFile(filepath.Join(dir, strconv.Itoa(i)), data)
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func writeFile(name string, data []byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	for at := 0; at < len(data); at += 64 << 10 {
		if _, err := f.Write(data[at : at+64<<10]); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return errors.Join(f.Sync(), f.Close())
}
