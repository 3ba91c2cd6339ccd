// Package jobs runs work outside of requests. A job is a hint: "look at this row
// now". What has to be done stands in the row, so a hint may be lost, repeated
// or late, and nothing breaks: a periodic sweep finds every row that waits. The
// package hides where hints are kept, in this process ([OpenInProcess]) or in a
// Redis that many share ([OpenRedis]), and how handlers are scheduled.
//
// Promises:
//
//   - A hint that was accepted is handled at least once while the place lives
//     where it is kept, this process or Redis, and is tried again when its handler
//     fails, later each time, up to a limit.
//   - Duplicates of a hint that waits may collapse into one. A hint given while
//     its handler runs leads to one more run after it, since the running one may
//     have read the row before it changed.
//   - Every run has a deadline, and a panic ends no more than its own run.
//   - Memory is bounded, here and in Redis: a full queue refuses hints with
//     [ErrFull], and one whose Redis does not answer with [ErrUnreachable], soon.
//   - [Queue.Shutdown] returns when no handler and no chore runs any more, or
//     says how many would not end.
//
// A hint carries the id of a row, and where work is traced the ids of its
// caller's trace ([Trace]).
//
// A handler gets the id of a row and nothing else. It must be idempotent, and
// two processes may run it at once. Give the hint after the commit, not before.
//
// Times in a process are measured on its monotonic clock, so a clock that is set
// changes nothing; those in Redis rest on the clocks of the machines.
//
// It imports nothing of this module, and asynq with its Redis client.
package jobs
