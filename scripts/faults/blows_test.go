package faults_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// way is one of the three ways of the folder.
type way struct {
	name    string
	command func() *exec.Cmd
	bytes   int64       // all that has to pass; 0: those of the folder
	mends   bool        // it ends where the line or the server fails, and is run again
	whole   func() bool // with mends: all is there
}

// blow is one thing that goes wrong.
type blow int

const (
	killServer blow = iota
	killClient
	cutLine
	blowKinds
)

// way runs a command again and again until it has done its work. Blows fall when
// shares of the bytes have passed, in an order that the seed decides. It gives
// what the last command printed.
func (r *terminal) way(ctx context.Context, w way) (out []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	if w.bytes == 0 {
		w.bytes = r.bytes
	}
	var blows []blow
	for kind := range blowKinds {
		for range r.blows {
			blows = append(blows, kind)
		}
	}
	r.random.Shuffle(len(blows), func(i, j int) { blows[i], blows[j] = blows[j], blows[i] })
	began, from := time.Now(), r.meter.count()
	look := time.NewTicker(100 * time.Millisecond)
	defer look.Stop()
	told := account{fallen: map[blow]int{}}
	struck := 0
	for {
		told.runs++
		c, err := start(w.command())
		if err != nil {
			return nil, err
		}
		for running := true; running; told.peak = max(told.peak, peakMemory(c.cmd.Process.Pid)) {
			due := make(<-chan struct{})
			if struck < len(blows) {
				due = r.meter.at(from + w.bytes*int64(struck+1)/int64(len(blows)+1))
			}
			select {
			case <-c.gone:
				running = false
			case <-look.C:
			case <-due:
				kind := blows[struck]
				struck++
				told.fallen[kind]++
				if err := r.strike(ctx, kind, c); err != nil {
					return nil, err
				}
			}
		}
		done, err := r.ended(w, c)
		if err != nil {
			return nil, fmt.Errorf("%s, run %d: %w", w.name, told.runs, err)
		}
		if done {
			told.took, told.passed = time.Since(began), r.meter.count()-from
			r.tell(w, told)
			return c.out.Bytes(), nil
		}
		if !rest(ctx, 100*time.Millisecond) {
			return nil, fmt.Errorf("%s does not come to an end in %d runs", w.name, told.runs)
		}
	}
}

// account is what one way took.
type account struct {
	fallen       map[blow]int
	runs         int
	took         time.Duration
	passed, peak int64 // bytes on the line, and of memory of the command
}

func (r *terminal) tell(w way, a account) {
	fmt.Fprintf(&r.report, "%s: %v, run %d times, server killed %d times, client killed %d times, line cut or ill %d times; "+
		"%.0f %% of the bytes passed; peak memory of the command %.1f MiB\n", w.name, a.took.Round(100*time.Millisecond), a.runs,
		a.fallen[killServer], a.fallen[killClient], a.fallen[cutLine], 100*float64(a.passed)/float64(w.bytes), float64(a.peak)/(1<<20))
	const most = 64 << 20 // of the program's own commands
	if a.peak > most && w.whole == nil {
		r.t.Errorf("%s took %d bytes of memory, want at most %d", w.name, a.peak, most)
	}
	for kind := range blowKinds {
		if a.fallen[kind] == 0 {
			r.t.Errorf("%s was over before every kind of blow had fallen: %v", w.name, a.fallen)
		}
	}
}

// ended tells whether a command that is gone has done its work. One that was not
// killed has to succeed, save where it leaves going on to who runs it.
func (r *terminal) ended(w way, c *typed) (done bool, err error) {
	switch {
	case c.err == nil:
		return w.whole == nil || w.whole(), nil
	case c.killed:
		return w.whole != nil && w.whole(), nil
	case w.mends:
		if w.whole() {
			return true, nil
		}
		switch code := c.cmd.ProcessState.ExitCode(); code {
		case 7, 18, 22, 28, 52, 56: // no connection, cut, refused, stalled, nothing, reset
			return false, nil
		}
	}
	return false, fmt.Errorf("%w: %s", c.err, c.errs.String())
}

func (r *terminal) strike(ctx context.Context, kind blow, c *typed) (err error) {
	switch kind {
	case killServer:
		_ = r.life.cmd.Process.Kill() // it lives, or the start below tells why not
		<-r.life.gone
		r.book.add(kills, 1)
		r.life, err = r.app.start(serve)
	case killClient:
		c.killed = true
		_ = c.cmd.Process.Kill() // an error: it has just ended by itself
		<-c.gone
	case cutLine:
		all := ailments()
		ill := all[r.random.IntN(len(all))]
		r.book.fault(ill.name)
		if err := r.net.renew(r.line, ill); err != nil {
			return err
		}
		if ill.kind != "" {
			rest(ctx, time.Duration(100+r.random.IntN(700))*time.Millisecond)
			err = r.net.renew(r.line, ailment{})
		}
	}
	return err
}

// typed is a command that runs.
type typed struct {
	cmd       *exec.Cmd
	out, errs bytes.Buffer
	gone      chan struct{} // closed when it has ended, with err
	err       error
	killed    bool
}

func start(cmd *exec.Cmd) (*typed, error) {
	c := &typed{cmd: cmd, gone: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = &c.out, &c.errs
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		c.err = cmd.Wait()
		close(c.gone)
	}()
	return c, nil
}

// peakMemory is the most memory that a process had so far, in bytes, 0 where that
// cannot be seen. What the system tells of an ended child counts its parent's too.
func peakMemory(pid int) int64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}
