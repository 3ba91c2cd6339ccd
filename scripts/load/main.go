// Command load measures the server as a process of its own against the budgets
// of docs/benchmarks.md: memory, processor time and waiting, each as one figure a
// line, with the bare relay of the same bytes in the same run beside it.
//
//	scripts/bench                    # a GiB each way, directory and discarding bucket
//	scripts/bench --gib 10 --only bucket
//	scripts/bench --only small-box   # half a processor, 512 MiB, a crowd, then a soak
//
// It sends traffic to loopback only and deletes what it made.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
)

// plan is what one run measures.
type plan struct {
	gib   float64
	files int
	parts int // of the soak
	only  string
	check bool   // end with an error where memory or the share of the bare client's rate misses its budget
	app   string // the built program
	dir   string // of this run
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if len(os.Args) == 3 && os.Args[1] == "relay" {
		exit(relay(ctx, os.Args[2]))
	}
	if len(os.Args) == 4 && os.Args[1] == "write" {
		exit(write(os.Args[2], os.Args[3]))
	}
	if len(os.Args) == 5 && os.Args[1] == "bare" {
		exit(bare(ctx, os.Args[2], os.Args[3], os.Args[4]))
	}
	var p plan
	flag.Float64Var(&p.gib, "gib", 1, "GiB to send in each part of the run")
	flag.IntVar(&p.files, "files", 2000, "number of small files to send")
	flag.StringVar(&p.only, "only", "", "relay, directory, bucket, slow, send or zip: only this; small-box runs only when asked for")
	flag.IntVar(&p.parts, "parts", 12000, "number of parts of the soak of small-box")
	flag.BoolVar(&p.check, "check", false, "exit 1 where send or zip misses a budget of memory or rate")
	flag.Parse()
	exit(run(ctx, p))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, p plan) (err error) {
	if p.dir, err = os.MkdirTemp("", "lenzeye-bench"); err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(p.dir) }()
	p.app = filepath.Join(p.dir, "app")
	build := exec.CommandContext(ctx, "go", "build", "-o", p.app, "./cmd/app")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return fmt.Errorf("build the program: %w", err)
	}
	if p.only == "small-box" {
		return benchBox(ctx, p)
	}
	for _, part := range []struct {
		name string
		run  func(context.Context, plan) error
	}{
		{"relay", benchRelay}, {"directory", benchDirectory}, {"bucket", benchBucket}, {"slow", benchSlow},
		{"send", benchSend}, {"zip", benchZIP},
	} {
		if p.only != "" && p.only != part.name {
			continue
		}
		fmt.Printf("%s\n%s\n", part.name, strings.Repeat("-", len(part.name)))
		if err := part.run(ctx, p); err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		fmt.Println()
	}
	return nil
}

// hold is an error where a run is held to its budgets and misses one.
func (p plan) hold(what string, kept bool) error {
	if !p.check || kept {
		return nil
	}
	return fmt.Errorf("%s: the budget is missed", what)
}

// figure prints one measured value beside its budget.
func figure(name, value, budget string) {
	if budget != "" {
		budget = "   (budget " + budget + ")"
	}
	fmt.Printf("  %-46s %12s%s\n", name, value, budget)
}
