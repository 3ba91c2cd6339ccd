package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vbauerster/mpb/v8"
)

// sends goes through many files at once, as a sending does.
func sends(p *progress, workers, files int) {
	w := p.watch()
	var all sync.WaitGroup
	for n := range workers {
		all.Go(func() {
			for i := range files {
				path := fmt.Sprintf("%d/%d", n, i)
				w.Began(path, 2<<20)
				w.Moving(path, 1<<20)
				w.Moving(path, 1<<20)
				w.Moving(path, -2<<20)
				w.Held(path, 2<<20)
				if i%7 > 0 { // some fail
					w.Done(path)
				}
				w.Ended(path)
			}
		})
	}
	all.Wait()
}

// clock is a time that goes on by a second whenever somebody looks.
func clock() func() time.Time {
	var mu sync.Mutex
	now := time.UnixMilli(0)
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(time.Second)
		return now
	}
}

// within ends the test where work does not end.
func within(t *testing.T, what string, work func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		work()
	}()
	select {
	case <-done:
	case <-time.After(5 * time.Minute):
		t.Fatalf("%s does not end", what)
	}
}

// TestBarsHoldNobodyUp has many files get bars while these are drawn as fast as
// can be, which asks for the line of the whole.
func TestBarsHoldNobodyUp(t *testing.T) {
	t.Parallel()
	const workers, files = 8, 400
	p := newProgress(io.Discard, false, workers*files, workers*files<<21)
	p.now = clock()
	p.draw(mpb.New(mpb.WithOutput(io.Discard), mpb.WithAutoRefresh(), mpb.WithRefreshRate(100*time.Microsecond)))
	within(t, "a sending with bars", func() { sends(p, workers, files) })
	if p.ownBars != 0 || len(p.flying) != 0 || p.held != p.bytes || p.onTheWay != 0 || p.done != workers*(files-58) {
		t.Errorf("left: %d bars, %d files; held %d of %d, %d on the way, %d done", p.ownBars, len(p.flying), p.held, p.bytes, p.onTheWay, p.done)
	}
	within(t, "the end of the bars", p.close)
}

// goneTerminal takes nothing any more.
type goneTerminal struct{}

func (goneTerminal) Write([]byte) (int, error) { return 0, errors.New("the terminal is gone") }

// TestBarsGiveWay goes on with lines where bars cannot be drawn any more.
func TestBarsGiveWay(t *testing.T) {
	t.Parallel()
	var lines bytes.Buffer
	p := newProgress(&lines, false, 800, 800<<21)
	p.now, p.said = clock(), time.Time{}
	bars := mpb.New(mpb.WithOutput(goneTerminal{}), mpb.WithAutoRefresh(), mpb.WithRefreshRate(time.Millisecond))
	p.draw(bars)
	within(t, "the bars' own end", func() {
		for {
			if _, err := bars.Write([]byte("x")); err != nil {
				return
			}
		}
	})
	within(t, "a sending without bars", func() { sends(p, 8, 100) })
	within(t, "the end", p.close)
	if !strings.Contains(lines.String(), "of 800 files") {
		t.Errorf("no line was printed: %q", lines.String())
	}
}

// TestOwnBars gives files that take a while a bar, at most so many, and also
// those that come after others have failed.
func TestOwnBars(t *testing.T) {
	t.Parallel()
	p := newProgress(io.Discard, false, 100, 100<<20)
	now := time.UnixMilli(0)
	p.now = func() time.Time { return now }
	p.draw(mpb.New(mpb.WithOutput(io.Discard), mpb.WithAutoRefresh()))
	defer p.close()
	w := p.watch()
	for i := range 30 {
		path := fmt.Sprint(i)
		w.Began(path, 100)
		w.Held(path, 40) // of an earlier run
		w.Moving(path, 10)
	}
	if p.ownBars != 0 {
		t.Errorf("%d bars at once", p.ownBars)
	}
	now = now.Add(ownBarAfter)
	for i := range 30 {
		w.Moving(fmt.Sprint(i), 10)
	}
	if p.ownBars != maxOwnBars || p.flying["0"].bar == nil || p.flying["0"].bar.Current() != 60 {
		t.Errorf("%d bars, the first at %d", p.ownBars, p.flying["0"].bar.Current())
	}
	w.Ended("0") // without Done
	w.Moving("29", 10)
	if p.flying["29"].bar == nil || p.ownBars != maxOwnBars {
		t.Errorf("a bar that is free went to nobody: %d bars", p.ownBars)
	}
	w.Moving("29", 40) // all of it, and its answer is still to come
	if got := p.flying["29"].bar.Current(); got != 99 {
		t.Errorf("the bar stands at %d", got)
	}
}

// TestPlainLines prints a line every five seconds where nobody watches, with the
// rate of the last seconds, and none when quiet.
func TestPlainLines(t *testing.T) {
	t.Parallel()
	var out, quiet bytes.Buffer
	now := time.UnixMilli(0)
	silent := newProgress(&quiet, true, 2, 100e6)
	p := newProgress(&out, false, 2, 100e6)
	for _, p := range []*progress{silent, p} {
		p.now, p.said = func() time.Time { return now }, now
		p.line() // the rate counts from here
		w := p.watch()
		w.Began("a", 60e6)
		for range 11 {
			now = now.Add(time.Second)
			w.Held("a", 5e6)
		}
		w.Done("a")
		now = now.Add(4 * time.Second)
		w.Held("b", 1e6)
	}
	want := "0 of 2 files, 25.0 MB of 100.0 MB, 5.0 MB/s, 15s left\n" +
		"0 of 2 files, 50.0 MB of 100.0 MB, 5.0 MB/s, 10s left\n" +
		"1 of 2 files, 56.0 MB of 100.0 MB, 3.7 MB/s, 12s left\n"
	if out.String() != want || quiet.Len() > 0 {
		t.Errorf("%q, want %q; quiet: %q", out.String(), want, quiet.String())
	}
}
