package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// archivePage is how many hints one call to Redis brings.
const archivePage = 250

// ErrNoSuchHint means that no hint that was given up has this key any more.
var ErrNoSuchHint = errors.New("no such hint")

// GivenUp is a hint whose handler failed for good. The row it is about is not
// changed by that: the sweep may find it again.
type GivenUp struct {
	Key    string // names it in Archive, like default/0193…
	Kind   string
	ID     string // of the row
	Tries  int
	Reason string // of the last failure
	At     time.Time
}

// Archive shows an operator the hints in Redis that were given up. Redis keeps a
// thousand or so for three months.
type Archive struct {
	client    redis.UniversalClient
	inspector *asynq.Inspector
}

// OpenArchive connects to Redis.
func OpenArchive(ctx context.Context, url string) (*Archive, error) {
	dial, err := newDialer(url)
	if err != nil {
		return nil, fmt.Errorf("open the archive of hints: %w", err)
	}
	client := dial(1)
	// asynq knows only queues in this set, and does not write it again when Redis
	// was emptied.
	if err := client.SAdd(ctx, "asynq:queues", Critical, Default, Low).Err(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the archive of hints: %w: %w", ErrUnreachable, err), client.Close())
	}
	return &Archive{client: client, inspector: asynq.NewInspectorFromRedisClient(client)}, nil
}

// Close ends the connection.
func (a *Archive) Close() error { return a.client.Close() }

// List gives the hints that were given up, the latest first, at most limit of
// each queue.
func (a *Archive) List(limit int) ([]GivenUp, error) {
	var all []GivenUp
	for _, queue := range []string{Critical, Default, Low} {
		hints, err := a.hints(queue)
		if err != nil {
			return nil, fmt.Errorf("list hints that were given up: %w", err)
		}
		slices.SortStableFunc(hints, latestFirst)
		all = append(all, hints[:min(limit, len(hints))]...)
	}
	slices.SortStableFunc(all, latestFirst)
	return all, nil
}

func latestFirst(a, b GivenUp) int { return b.At.Compare(a.At) }

// hints are all that a queue's archive holds, since asynq lists the oldest first.
func (a *Archive) hints(queue string) (all []GivenUp, err error) {
	for page := 1; ; page++ {
		tasks, err := a.inspector.ListArchivedTasks(queue, asynq.PageSize(archivePage), asynq.Page(page))
		if err != nil || len(tasks) == 0 {
			return all, err
		}
		for _, t := range tasks {
			var body payload
			if err := json.Unmarshal(t.Payload, &body); err != nil {
				body.ID = "?" // it is not ours, and shown all the same
			}
			all = append(all, GivenUp{
				Key: queue + "/" + t.ID, Kind: t.Type, ID: body.ID, Tries: t.Retried + 1,
				Reason: t.LastErr, At: t.LastFailedAt.UTC(),
			})
		}
	}
}

// Retry gives a hint to the queue again. Errors: ErrNoSuchHint.
func (a *Archive) Retry(key string) error { return a.with(key, a.inspector.RunTask) }

// Delete forgets a hint. Errors: ErrNoSuchHint.
func (a *Archive) Delete(key string) error { return a.with(key, a.inspector.DeleteTask) }

func (a *Archive) with(key string, do func(queue, id string) error) error {
	queue, id, ok := strings.Cut(key, "/")
	if !ok || !isQueue(queue) {
		return fmt.Errorf("%w: %s", ErrNoSuchHint, key)
	}
	info, err := a.inspector.GetTaskInfo(queue, id)
	if err == nil && info.State != asynq.TaskStateArchived {
		return fmt.Errorf("%w that was given up: %s", ErrNoSuchHint, key)
	}
	if err == nil {
		err = do(queue, id)
	}
	if errors.Is(err, asynq.ErrTaskNotFound) || errors.Is(err, asynq.ErrQueueNotFound) {
		return fmt.Errorf("%w: %s", ErrNoSuchHint, key)
	}
	if err != nil {
		return fmt.Errorf("hint %s: %w", key, err)
	}
	return nil
}
