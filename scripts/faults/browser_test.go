package faults_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

var (
	flagBrowser = flag.Bool("browser", false, "a folder of 2,630 files, --gb in all, and one file of --film GB, through the page in Chromium")
	flagLine    = flag.Float64("line", 125, "with --browser: MB a second that pass between guests and program while page and command are compared, 0 for any number")
	flagFilm    = flag.Float64("film", 5, "with --browser: GB of the one file beside the folder")
)

// What goes wrong while a page sends.
const (
	reloadTab blow = blowKinds + iota
	restartBrowser
	crashBrowser
)

// atOnce is how many bytes pass before the browser is killed for the first time:
// what to go on with must be on the disk by then.
const atOnce = 100_000

// guestPage is a folder and a large file on their way through the page.
type guestPage struct {
	*terminal
	browser *chromium
	folder  string
	film    string
	fallen  map[blow]int
	seen    []memory
}

// TestBrowser proves of the page what TestTerminal proves of the commands: all of a
// folder and a large file arrive as they are although the server and the browser
// are killed, the tab is reloaded and the line is cut, and what has arrived is not
// sent again. In peace it takes memory that does not grow, and is compared with
// `app send` in rate.
func TestBrowser(t *testing.T) {
	t.Parallel()
	p := plan{engine: sqlite, store: directory, load: large, seed: *flagSeed, race: *flagRace, bytes: 24e6}
	r := &terminal{t: t, files: 220, blows: 1, want: folderSums{}}
	film := int64(60e6)
	if *flagBrowser {
		p.engine, p.store, p.bytes, film = *flagEngine, *flagStore, int64(*flagGB*1e9), int64(*flagFilm*1e9)
		r.files, r.blows = largeFiles, *flagBlows
		if p.store == "" {
			p.store = map[string]string{sqlite: directory, postgres: bucket}[p.engine]
		}
	}
	if p.seed == 0 {
		p.seed = rand.Uint64()
	}
	if err := p.check(); err != nil {
		t.Fatal(err)
	}
	r.random, r.bytes = rand.New(rand.NewPCG(p.seed, 11)), p.bytes+film
	r.run = newRun(t, p, build(t, p))
	r.line = r.net.find("guests")
	r.meter = newMeter(t, r.line.near)
	b := &guestPage{terminal: r, folder: r.at("Wedding"), film: r.at("film.mov"), fallen: map[blow]int{}}
	b.browser = newChromium(t, r.at("profile"))
	err := b.all(t.Context(), film)
	t.Logf("%s and %s, %d files of %.1f GB and one of %.1f GB, seed %d\n%s%s", p.engine, p.store, r.files, float64(p.bytes)/1e9, float64(film)/1e9,
		p.seed, r.report.String(), r.zeros())
	if err != nil {
		t.Errorf("%v\n%s", err, r.app.tail())
	}
	for _, found := range append(r.book.failures(), r.app.outcries(t)...) {
		t.Error(found)
	}
}

func (b *guestPage) all(ctx context.Context, film int64) (err error) {
	if b.want, err = makeFolder(b.folder, b.plan.seed, b.files, b.plan.bytes); err != nil {
		return err
	}
	if b.want["film.mov"], err = makeFile(b.film, newMaker(b.plan.seed, 7, film), film); err != nil {
		return err
	}
	if b.life, err = b.app.start(serve); err != nil {
		return err
	}
	if err := errors.Join(b.app.ready(ctx), b.browser.open(ctx)); err != nil {
		return err
	}
	if err := b.clear(ctx); err != nil { // what seeding makes
		return err
	}
	command, err := b.byCommand(ctx)
	if err != nil {
		return fmt.Errorf("app send: %w", err)
	}
	page, err := b.inPeace(ctx)
	if err != nil {
		return fmt.Errorf("in peace: %w", err)
	}
	share := command.Seconds() / page.Seconds()
	b.tellNow("app send: %v; the page: %v, %.0f %% of its rate\n", command.Round(10*time.Millisecond), page.Round(10*time.Millisecond), 100*share)
	if *flagBrowser && share < 0.7 {
		b.t.Errorf("the page sends at %.0f %% of the rate of app send, want 70 %%", 100*share)
	}
	if err := b.underBlows(ctx); err != nil {
		return fmt.Errorf("under blows: %w", err)
	}
	return b.settle(ctx, b.life.stop)
}

// tellNow says what a run that takes long has come to.
func (b *guestPage) tellNow(format string, values ...any) {
	line := fmt.Sprintf(format, values...)
	b.report.WriteString(line)
	b.t.Log(strings.TrimSpace(line))
}

// narrow makes the line as wide as --line says, so that page and command are compared
// on a line such as people have, and not by what else shares the processor with them.
func (b *guestPage) narrow() (widen func()) {
	if *flagBrowser {
		b.meter.narrow(*flagLine * 1e6)
	}
	return func() { b.meter.narrow(0) }
}

// byCommand sends all by the command, and forgets it.
func (b *guestPage) byCommand(ctx context.Context) (time.Duration, error) {
	widen := b.narrow()
	defer widen()
	began := time.Now()
	cmd := b.command(b.app.bin, "send", b.folder, b.film, "--to", "http://"+b.meter.near()+"/u/"+b.slug, "--from", "anna@example.com", "--json")
	if out, err := cmd.Output(); err != nil {
		return 0, fmt.Errorf("%w: %s", err, out)
	}
	took := time.Since(began)
	b.tellNow("app send: %v\n", took.Round(10*time.Millisecond))
	return took, b.forget(ctx)
}

// inPeace sends all by the page while nothing goes wrong, looks at its memory, and
// compares what arrived.
func (b *guestPage) inPeace(ctx context.Context) (time.Duration, error) {
	if err := b.choose(ctx); err != nil {
		return 0, err
	}
	widen := b.narrow()
	defer widen()
	began := time.Now()
	if err := b.press(); err != nil {
		return 0, err
	}
	for done := false; !done; {
		m, err := b.browser.memory()
		if err != nil {
			return 0, err
		}
		b.seen = append(b.seen, m)
		if done, err = b.done(); err != nil {
			return 0, err
		}
		if !done && !rest(ctx, 200*time.Millisecond) {
			return 0, ctx.Err()
		}
	}
	took := time.Since(began)
	widen()
	spent, err := b.browser.metrics(b.browser.ctx)
	if err != nil {
		return 0, err
	}
	b.tellNow("main thread of the page: %.1f s of tasks, %.1f s of them script\n", spent["TaskDuration"], spent["ScriptDuration"])
	b.flat()
	return took, errors.Join(b.fetch(ctx), b.forget(ctx))
}

// underBlows sends all by the page while everything goes wrong, and compares.
func (b *guestPage) underBlows(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	var blows []blow
	for range b.blows {
		blows = append(blows, killServer, cutLine, reloadTab, restartBrowser, crashBrowser)
	}
	b.random.Shuffle(len(blows), func(i, j int) { blows[i], blows[j] = blows[j], blows[i] })
	blows = slices.Insert(blows, 0, crashBrowser)
	began, from := time.Now(), b.meter.count()
	if err := b.choose(ctx); err != nil {
		return err
	}
	loaded := b.meter.count()
	if err := b.press(); err != nil {
		return err
	}
	for struck := 0; ; {
		due := make(<-chan struct{})
		switch {
		case struck == 0:
			due = b.meter.at(loaded + atOnce)
		case struck < len(blows):
			due = b.meter.at(from + b.bytes*int64(struck+1)/int64(len(blows)+1))
		}
		look := time.NewTimer(200 * time.Millisecond)
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not come to an end: %w", ctx.Err())
		case <-due:
			if err := b.hit(ctx, blows[struck]); err != nil {
				return err
			}
			struck++
		case <-look.C:
			done, err := b.done()
			if err != nil {
				return err
			}
			if done {
				b.account(time.Since(began), b.meter.count()-from, len(blows)-struck)
				return errors.Join(b.fetch(ctx), b.wantOne(ctx))
			}
		}
	}
}

func (b *guestPage) account(took time.Duration, passed int64, left int) {
	b.tellNow("under blows: %v, server killed %d times, line cut or ill %d times, tab reloaded %d times, browser restarted %d times and killed %d times; "+
		"%.0f %% of the bytes passed\n", took.Round(100*time.Millisecond), b.fallen[killServer], b.fallen[cutLine], b.fallen[reloadTab],
		b.fallen[restartBrowser], b.fallen[crashBrowser], 100*float64(passed)/float64(b.bytes))
	if left > 0 {
		b.t.Errorf("the page was done before %d blows had fallen", left)
	}
}

func (b *guestPage) hit(ctx context.Context, kind blow) error {
	b.fallen[kind]++
	b.t.Logf("blow %d after %v", kind, time.Since(b.book.began).Round(time.Second))
	switch kind {
	case killServer, cutLine:
		return b.strike(ctx, kind, nil)
	case reloadTab:
		return errors.Join(b.choose(ctx), b.press())
	default:
		if err := b.browser.close(kind == crashBrowser); err != nil {
			return err
		}
		return errors.Join(b.browser.open(ctx), b.choose(ctx), b.press())
	}
}

// choose opens the page and chooses the folder and the film, for the first time or
// again.
func (b *guestPage) choose(ctx context.Context) error {
	err := errors.New("not tried")
	for began := time.Now(); err != nil && time.Since(began) < stepLimit; { // the server may be starting
		err = b.browser.do(chromedp.Navigate("http://" + b.meter.near() + "/u/" + b.slug))
		if err == nil {
			err = b.browser.holds(visible("#drop") + " || " + visible("#done"))
		}
		if err != nil && !rest(ctx, 100*time.Millisecond) {
			break
		}
	}
	if err != nil {
		return err
	}
	if done, err := b.done(); err != nil || done {
		return err
	}
	const pick = "input[data-pick]"
	return errors.Join(
		b.browser.do(chromedp.SetUploadFiles(chromedp.CSS(pick+":not([webkitdirectory])"), []string{b.film})),
		b.browser.holds(visible("#send")),
		b.browser.do(chromedp.SetUploadFiles(chromedp.CSS(pick+"[webkitdirectory]"), []string{b.folder})),
		b.browser.holds(fmt.Sprintf(`document.getElementById("chosen").innerText.includes(%q)`, grouped(b.files+1))))
}

func grouped(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%d,%03d", n/1000, n%1000)
}

// press starts, or goes on.
func (b *guestPage) press() error {
	if done, err := b.done(); err != nil || done {
		return err
	}
	asked, err := b.browser.eval(visible("#email"))
	if err != nil {
		return err
	}
	if asked == "true" {
		if err := b.browser.do(chromedp.SetValue(chromedp.CSS("#email"), "anna@example.com")); err != nil {
			return err
		}
	}
	return b.browser.do(chromedp.Click(chromedp.CSS("#send")))
}

func (b *guestPage) done() (bool, error) {
	got, err := b.browser.eval(visible("#done"))
	return got == "true", err
}

// fetch compares what arrived with what was sent.
func (b *guestPage) fetch(ctx context.Context) error {
	link, err1 := b.browser.eval(`document.getElementById("share-link").href`)
	code, err2 := b.browser.eval(`document.getElementById("share-code").innerText`)
	again := b.browser.do(chromedp.Click(chromedp.CSS("#again")))
	if err := errors.Join(err1, err2, again, b.app.ready(ctx)); err != nil {
		return err
	}
	_, token, _ := strings.Cut(link, "/d/")
	cmd := b.command(b.app.bin, "get", "http://"+b.meter.near()+"/d/"+token, "--code", code, "-o", b.at("got"))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("app get: %w: %s", err, out)
	}
	if err := flatten(b.at("got")); err != nil {
		return err
	}
	found, err := b.want.differ(b.at("got"))
	for _, f := range found {
		b.book.wrong(filesDiffer, 1, "%s", f)
	}
	return errors.Join(err, os.RemoveAll(b.at("got")))
}

// flatten moves what is in the folder that was sent one up, beside the film.
func flatten(root string) error {
	names, err := os.ReadDir(filepath.Join(root, "Wedding"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := os.Rename(filepath.Join(root, "Wedding", name.Name()), filepath.Join(root, name.Name())); err != nil {
			return err
		}
	}
	return os.Remove(filepath.Join(root, "Wedding"))
}
