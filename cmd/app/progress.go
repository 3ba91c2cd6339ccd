package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/lenzeye/lenzeye/internal/client"
)

const (
	plainEvery  = 5 * time.Second // between lines where nobody watches
	rateWindow  = 10              // seconds over which the rate is measured
	ownBarAfter = 400 * time.Millisecond
	maxOwnBars  = 12
	barNameSize = 32
)

// progress shows people how far a sending or fetching is: bars on a terminal,
// a line now and then elsewhere, nothing when quiet. What it counts as done is
// what the other side holds for certain.
//
// The bars' own loop asks for line while it draws, and every call of theirs waits
// for that loop: none is made while mu is held.
type progress struct {
	out   io.Writer
	now   func() time.Time
	quiet bool
	bars  *mpb.Progress // nil where nobody watches
	total *mpb.Bar

	mu          sync.Mutex
	plain       bool // lines, since there are no bars or the terminal is gone
	bytes, held int64
	onTheWay    int64
	files, done int
	flying      map[string]*flight
	ownBars     int
	samples     []sample
	said        time.Time
}

// flight is a file under way. It gets a bar of its own when it takes a while.
type flight struct {
	size, held, moving int64
	since              time.Time // when its first byte moved
	hasBar             bool      // or is about to get it
	bar                *mpb.Bar
}

// current is where the bar stands. It never reaches the end by itself, since a
// bar that did is gone.
func (f *flight) current() int64 { return max(0, min(f.held+f.moving, f.size-1)) }

type sample struct {
	at    time.Time
	moved int64
}

// newProgress begins to show so many files and bytes.
func newProgress(out io.Writer, quiet bool, files int, bytes int64) *progress {
	p := &progress{out: out, now: time.Now, quiet: quiet, plain: !quiet, files: files, bytes: bytes, flying: map[string]*flight{}}
	p.said = p.now()
	if !quiet && isTerminal(out) {
		p.draw(mpb.New(mpb.WithOutput(out), mpb.WithWidth(40), mpb.WithAutoRefresh()))
	}
	return p
}

// draw shows bars from now on.
func (p *progress) draw(bars *mpb.Progress) {
	total, err := bars.Add(max(1, p.bytes), mpb.BarStyle().Build(), mpb.BarPriority(1<<20),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return p.line() })))
	if err == nil {
		p.bars, p.total, p.plain = bars, total, false
	}
}

func (p *progress) watch() client.Watch {
	return client.Watch{
		Began:  p.began,
		Ended:  p.ended,
		Moving: p.moving,
		Held:   p.arrived,
		Done:   p.finished,
		Anew:   func(path string, why error) { p.say("%s: %v; doing it again", path, why) },
	}
}

// say prints a line for people, above the bars if there are any.
func (p *progress) say(format string, args ...any) {
	line := printable(fmt.Sprintf(format, args...)) + "\n"
	if p.bars != nil {
		if _, err := p.bars.Write([]byte(line)); err == nil {
			return
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprint(p.out, line)
}

func (p *progress) began(path string, size int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.flying[path] = &flight{size: size}
}

func (p *progress) ended(path string) {
	p.mu.Lock()
	f := p.flying[path]
	delete(p.flying, path)
	var bar *mpb.Bar
	if f != nil && f.hasBar {
		p.ownBars--
		bar = f.bar
	}
	p.mu.Unlock()
	if bar != nil {
		bar.Abort(true)
	}
}

func (p *progress) moving(path string, n int64) {
	p.mu.Lock()
	p.onTheWay += n
	f := p.flying[path]
	if f == nil {
		p.mu.Unlock()
		return
	}
	now := p.now()
	if f.since.IsZero() {
		f.since = now
	}
	f.moving += n
	due := p.bars != nil && !p.plain && !f.hasBar && n > 0 && now.Sub(f.since) >= ownBarAfter && p.ownBars < maxOwnBars
	if due {
		f.hasBar = true
		p.ownBars++
	}
	bar, current := f.bar, f.current()
	p.mu.Unlock()
	switch {
	case due:
		p.addBar(path, f)
	case bar != nil:
		bar.SetCurrent(current)
	}
}

// addBar gives a file a bar, unless it has ended meanwhile. Bars that can be drawn
// no more, as on a terminal that was closed, give way to lines.
func (p *progress) addBar(path string, f *flight) {
	bar, err := p.bars.Add(f.size, mpb.BarStyle().Build(), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(shorten(path), decor.WC{W: barNameSize, C: decor.DindentRight})),
		mpb.AppendDecorators(decor.Percentage()))
	p.mu.Lock()
	if err != nil {
		p.plain = true
		p.mu.Unlock()
		return
	}
	f.bar = bar
	over, current := p.flying[path] != f, f.current()
	p.mu.Unlock()
	bar.SetCurrent(current)
	if over {
		bar.Abort(true)
	}
}

func (p *progress) arrived(path string, n int64) {
	p.mu.Lock()
	p.held += n
	held := p.held
	var bar *mpb.Bar
	var current int64
	if f := p.flying[path]; f != nil {
		f.held += n
		bar, current = f.bar, f.current()
	}
	due := p.plain && p.now().Sub(p.said) >= plainEvery
	if due {
		p.said = p.now()
	}
	p.mu.Unlock()
	if bar != nil {
		bar.SetCurrent(current)
	}
	if p.total != nil {
		p.total.SetCurrent(max(0, min(held, p.bytes-1))) // the end is told by close
	}
	if due {
		p.say("%s", p.line())
	}
}

func (p *progress) finished(string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
}

// close ends the bars and leaves the last line standing.
func (p *progress) close() {
	if p.bars == nil {
		return
	}
	var open []*mpb.Bar
	p.mu.Lock()
	for _, f := range p.flying {
		if f.bar != nil {
			open = append(open, f.bar)
		}
	}
	p.flying = map[string]*flight{}
	p.mu.Unlock()
	for _, bar := range open {
		bar.Abort(true)
	}
	p.total.Abort(false)
	p.bars.Wait()
	p.bars = nil
}

// line says in words how far it is.
func (p *progress) line() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if n := len(p.samples); n == 0 || now.Sub(p.samples[n-1].at) >= time.Second {
		p.samples = append(p.samples, sample{now, p.held + p.onTheWay})
		p.samples = p.samples[max(0, len(p.samples)-rateWindow):]
	}
	text := fmt.Sprintf("%d of %d files, %s of %s", p.done, p.files, bytesText(p.held), bytesText(p.bytes))
	since := p.samples[0]
	if d, moved := now.Sub(since.at), p.held+p.onTheWay-since.moved; d > 0 && moved > 0 {
		rate := float64(moved) / d.Seconds()
		left := time.Duration(float64(p.bytes-p.held) / rate * float64(time.Second))
		text += fmt.Sprintf(", %s/s, %s left", bytesText(int64(rate)), left.Round(time.Second))
	}
	return text
}

// bytesText writes a number of bytes for people, in the units of disks.
func bytesText(n int64) string {
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, unit := float64(n)/1000, "kB"
	for _, next := range []string{"MB", "GB", "TB", "PB"} {
		if v < 999.95 {
			break
		}
		v, unit = v/1000, next
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}

func filesText(n int64) string {
	if n == 1 {
		return "1 file"
	}
	return fmt.Sprintf("%d files", n)
}

// shorten keeps the end of a path, which tells files apart.
func shorten(path string) string {
	path = printable(path)
	r := []rune(path)
	if len(r) <= barNameSize {
		return path + strings.Repeat(" ", barNameSize-len(r))
	}
	return "…" + string(r[len(r)-barNameSize+1:])
}
