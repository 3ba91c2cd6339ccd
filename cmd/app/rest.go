package main

import (
	"context"
	"time"
)

// restAtLeast is the shortest time between two looks whether nothing is in flight.
const restAtLeast = time.Second

// rests gives back what a process took for work that is over, each time that it
// looks for rows that wait and has nothing in flight. What it returns ends that.
func (p *parts) rests(busy func() bool) (end func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		whenIdle(ctx, max(p.cfg.Sweep.Every, restAtLeast), busy, func() {
			releaseMemory()
			p.log.Debug("memory given back")
		})
	}()
	return func() {
		cancel()
		<-ended
	}
}

// whenIdle calls a function once in every period that ends with nothing in flight,
// until ctx ends.
func whenIdle(ctx context.Context, every time.Duration, busy func() bool, call func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if !busy() {
				call()
			}
		}
	}
}
