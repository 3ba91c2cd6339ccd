package faults_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/performance"
	"github.com/chromedp/cdproto/systeminfo"
	"github.com/chromedp/chromedp"

	"github.com/lenzeye/lenzeye/internal/testenv"
)

// stepLimit is how long a page may take for one step that is not the sending.
const stepLimit = time.Minute

// chromium is one browser with a profile that outlives it, and the tab that sends.
type chromium struct {
	path, profile string
	ctx           context.Context // of the tab
	stop          func()
}

func newChromium(t *testing.T, profile string) *chromium {
	t.Helper()
	c := &chromium{path: testenv.Chromium(t), profile: profile, stop: func() {}}
	t.Cleanup(func() { c.stop() })
	return c
}

// open starts the browser.
func (c *chromium) open(ctx context.Context) error {
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(c.path), chromedp.NoSandbox,
		chromedp.Flag("headless", "new"), chromedp.Flag("disable-component-update", true),
		chromedp.UserDataDir(c.profile), chromedp.WindowSize(1280, 900))
	allocator, stopAllocator := chromedp.NewExecAllocator(context.WithoutCancel(ctx), options...)
	var stop context.CancelFunc
	c.ctx, stop = chromedp.NewContext(allocator)
	c.stop = func() { stop(); stopAllocator() }
	return chromedp.Do(c.ctx)
}

// close ends the browser as a person does, or by a crash.
func (c *chromium) close(crash bool) error {
	process := chromedp.FromContext(c.ctx).Browser.Process()
	if crash {
		if err := process.Kill(); err != nil {
			return err
		}
	} else if err := chromedp.Cancel(c.ctx); err != nil {
		return err
	}
	for range 200 { // its children may hold the profile for a moment
		if process.Signal(syscall.Signal(0)) != nil {
			break
		}
		rest(c.ctx, 50*time.Millisecond)
	}
	c.stop()
	return nil
}

func (c *chromium) do(steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(c.ctx, stepLimit)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

func (c *chromium) eval(expression string) (string, error) {
	ctx, cancel := context.WithTimeout(c.ctx, stepLimit)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[string]("String("+expression+")"))
}

// holds waits until an expression is true.
func (c *chromium) holds(expression string) error {
	for began := time.Now(); time.Since(began) < stepLimit; {
		if got, err := c.eval(expression); err == nil && got == "true" {
			return nil
		}
		if !rest(c.ctx, 50*time.Millisecond) {
			break
		}
	}
	text, _ := c.eval(`document.querySelector("main")?.innerText`)
	return fmt.Errorf("the page does not come to %s: %.2000s", expression, text)
}

func visible(selector string) string {
	return fmt.Sprintf(`document.querySelector(%q)?.checkVisibility() === true`, selector)
}

// memory is what the page takes.
type memory struct {
	heap     int64 // of its script
	renderer int64 // of its process
	all      int64 // of all processes of the browser
}

func (c *chromium) memory() (m memory, err error) {
	ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
	defer cancel()
	metrics, err := c.metrics(ctx)
	if err != nil {
		return m, err
	}
	m.heap = int64(metrics["JSHeapUsedSize"])
	processes, err := chromedp.CallBrowser(ctx, systeminfo.GetProcessInfo, cdp.Empty{})
	if err != nil {
		return m, err
	}
	for _, p := range processes.ProcessInfo {
		resident := residentMemory(int(p.ID))
		m.all += resident
		if p.Type == "renderer" {
			m.renderer = max(m.renderer, resident)
		}
	}
	return m, nil
}

func (c *chromium) metrics(ctx context.Context) (map[string]float64, error) {
	_, err1 := chromedp.Call(ctx, performance.Enable, performance.EnableParams{})
	got, err2 := chromedp.Call(ctx, performance.GetMetrics, cdp.Empty{})
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	all := map[string]float64{}
	for _, m := range got.Metrics {
		all[m.Name] = m.Value
	}
	return all, nil
}

// residentMemory is the memory of a process now, in bytes.
func residentMemory(pid int) int64 {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib << 10
		}
	}
	return 0
}
