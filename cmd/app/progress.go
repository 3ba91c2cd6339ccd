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
	ownBarFrom  = 1 << 20         // bytes of a file that gets a bar of its own
	maxOwnBars  = 12
	barNameSize = 32
)

// progress shows people how far a sending or fetching is: bars on a terminal,
// a line now and then elsewhere, nothing when quiet. What it counts as done is
// what the other side holds for certain.
type progress struct {
	out   io.Writer
	now   func() time.Time
	quiet bool
	bars  *mpb.Progress // nil where nobody watches
	total *mpb.Bar

	mu          sync.Mutex
	bytes, held int64
	onTheWay    int64
	files, done int
	sizes       map[string]int64
	own         map[string]*ownBar
	samples     []sample
	said        time.Time
}

type ownBar struct {
	bar          *mpb.Bar
	held, moving int64
}

type sample struct {
	at    time.Time
	moved int64
}

// newProgress begins to show. sizes are the files by path.
func newProgress(out io.Writer, quiet bool, sizes map[string]int64) *progress {
	p := &progress{out: out, now: time.Now, quiet: quiet, sizes: sizes, files: len(sizes), own: map[string]*ownBar{}}
	for _, n := range sizes {
		p.bytes += n
	}
	p.said = p.now()
	if !quiet && isTerminal(out) {
		p.bars = mpb.New(mpb.WithOutput(out), mpb.WithWidth(40), mpb.WithAutoRefresh())
		p.total = p.bars.New(max(1, p.bytes), mpb.BarStyle(), mpb.BarPriority(1<<20),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return p.line() })))
	}
	return p
}

func (p *progress) watch() client.Watch {
	return client.Watch{
		Moving: p.moving,
		Held:   p.arrived,
		Done:   p.finished,
		Anew:   func(path string, why error) { p.say("%s: %v; doing it again", path, why) },
	}
}

// say prints a line for people, above the bars if there are any.
func (p *progress) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...) + "\n"
	if p.bars != nil {
		if _, err := p.bars.Write([]byte(line)); err == nil {
			return
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprint(p.out, line)
}

func (p *progress) moving(path string, n int64) {
	p.mu.Lock()
	p.onTheWay += n
	b := p.own[path]
	if p.bars != nil && b == nil && n > 0 && p.sizes[path] >= ownBarFrom && len(p.own) < maxOwnBars {
		b = &ownBar{bar: p.bars.New(p.sizes[path], mpb.BarStyle(), mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(shorten(path), decor.WC{W: barNameSize, C: decor.DindentRight})),
			mpb.AppendDecorators(decor.Percentage()))}
		p.own[path] = b
	}
	p.mu.Unlock()
	p.draw(b, 0, n)
}

func (p *progress) arrived(path string, n int64) {
	p.mu.Lock()
	p.held += n
	held, b := p.held, p.own[path]
	plain := p.bars == nil && !p.quiet && p.now().Sub(p.said) >= plainEvery
	if plain {
		p.said = p.now()
	}
	p.mu.Unlock()
	p.draw(b, n, 0)
	if p.total != nil {
		p.total.SetCurrent(min(held, max(0, p.bytes-1))) // the end is told by close
	}
	if plain {
		p.say("%s", p.line())
	}
}

// draw moves a file's own bar. It never reaches the end by itself, since a bar
// that did is gone.
func (p *progress) draw(b *ownBar, held, moving int64) {
	if b == nil {
		return
	}
	p.mu.Lock()
	b.held, b.moving = b.held+held, b.moving+moving
	n := b.held + b.moving
	p.mu.Unlock()
	b.bar.SetCurrent(max(0, n))
}

func (p *progress) finished(path string) {
	p.mu.Lock()
	p.done++
	b := p.own[path]
	delete(p.own, path)
	p.mu.Unlock()
	if b != nil {
		b.bar.Abort(true)
	}
}

// close ends the bars and leaves the last line standing.
func (p *progress) close() {
	if p.bars == nil {
		return
	}
	p.mu.Lock()
	own := p.own
	p.own = map[string]*ownBar{}
	p.mu.Unlock()
	for _, b := range own {
		b.bar.Abort(true)
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
	r := []rune(path)
	if len(r) <= barNameSize {
		return path + strings.Repeat(" ", barNameSize-len(r))
	}
	return "…" + string(r[len(r)-barNameSize+1:])
}
