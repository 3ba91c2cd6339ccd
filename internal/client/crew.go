package client

import (
	"context"
	"iter"
	"sync"
)

// crew does jobs with a number of workers, pulling one whenever a worker is free.
// The first error ends all, and is returned when all have stopped.
func crew[T any](ctx context.Context, workers int, jobs iter.Seq[T], do func(context.Context, T) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	queue := make(chan T)
	var first error
	var once sync.Once
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for job := range queue {
				if err := do(ctx, job); err != nil {
					once.Do(func() { first = err })
					cancel()
				}
			}
		})
	}
	for job := range jobs {
		if ctx.Err() != nil {
			break
		}
		select {
		case queue <- job:
		case <-ctx.Done():
		}
	}
	close(queue)
	all.Wait()
	if first == nil {
		return ctx.Err()
	}
	return first
}
