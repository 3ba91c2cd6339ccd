package faults_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// What the last lines of a run count. Those of zeros must be zero.
const (
	kills       = "kills"
	partsSent   = "parts sent"
	repeats     = "repeats"
	partsLost   = "acknowledged parts lost"
	askedAgain  = "parts asked for again after acknowledgement"
	filesDiffer = "files that differ"
	orphanBlobs = "blobs without a row after the sweep"
	orphanSends = "unfinished uploads without a row"
	quotaDrift  = "quota drift"
	strayStates = "rows in unknown states"
)

// What only a run of several processes counts.
const (
	rolls        = "rolls"
	looked       = "outages seen and seen to end"
	asIs         = "calls during an outage answered as what they are"
	filesSprayed = "files over several processes"
	tooLate      = "answers later than their limit"
	unclear      = "answers that do not say what is wrong"
	unnamed      = "outages that /readyz does not name"
	unhealed     = "outages that /readyz still names afterwards"
	endedAlone   = "processes that ended by themselves"
	mailsTwice   = "mails of one event under two Message-IDs"
	mailsLost    = "mails that count as sent and were not"
	mailsUnsent  = "mails that did not go out"
	untold       = "completions without their mails"
	hastened     = "mails made due"
)

func zeros() []string {
	return []string{partsLost, askedAgain, filesDiffer, orphanBlobs, orphanSends, quotaDrift, strayStates}
}

// fleetZeros are those of a run of several processes as well.
func fleetZeros() []string {
	return []string{tooLate, unclear, unnamed, unhealed, endedAlone, mailsTwice, mailsLost, mailsUnsent, untold}
}

// book counts what happens in a run.
type book struct {
	mu       sync.Mutex
	began    time.Time
	counts   map[string]int64
	faults   map[string]int64
	examples []string // of what must not be
	zeros    []string // counts that must be zero
	slowest  time.Duration
}

func newBook() *book {
	return &book{began: time.Now(), counts: map[string]int64{}, faults: map[string]int64{}, zeros: zeros()}
}

func (b *book) add(what string, n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts[what] += n
}

func (b *book) count(what string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.counts[what]
}

func (b *book) fault(kind string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.faults[kind]++
}

// wrong counts what must not be, and keeps the first cases of it.
func (b *book) wrong(what string, n int64, format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts[what] += n
	if n != 0 && len(b.examples) < 40 {
		b.examples = append(b.examples, fmt.Sprintf("%v: %s: ", time.Since(b.began).Round(time.Millisecond), what)+fmt.Sprintf(format, args...))
	}
}

// answered notes how long an answer took to begin, and whether that was in time.
func (b *book) answered(what string, took, limit time.Duration) {
	if limit > 0 && took > limit {
		b.wrong(tooLate, 1, "%s after %v", what, took.Round(time.Millisecond))
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.slowest = max(b.slowest, took)
}

// lines are the report.
func (b *book) lines() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %d\n", kills, b.counts[kills])
	var total int64
	var kinds []string
	for _, kind := range slices.Sorted(maps.Keys(b.faults)) {
		total += b.faults[kind]
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, b.faults[kind]))
	}
	fmt.Fprintf(&out, "faults: %d (%s)\n", total, strings.Join(kinds, ", "))
	for _, what := range append([]string{partsSent, repeats}, b.zeros...) {
		fmt.Fprintf(&out, "%s: %d\n", what, b.counts[what])
	}
	return out.String()
}

// failures are the counts that should be zero, with cases.
func (b *book) failures() (found []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, what := range b.zeros {
		if n := b.counts[what]; n != 0 {
			found = append(found, fmt.Sprintf("%s: %d", what, n))
		}
	}
	return append(found, b.examples...)
}
