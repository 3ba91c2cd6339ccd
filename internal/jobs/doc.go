// Package jobs runs work outside of requests. A job is a hint: "look at this row
// now". What has to be done stands in the row, so a hint may be lost, repeated
// or late, and nothing breaks: a periodic sweep finds every row that waits. The
// package hides where hints are kept and how handlers are scheduled.
//
// Promises:
//
//   - A hint that was accepted is handled at least once while this queue lives,
//     and is tried again when its handler fails, later each time, up to a limit.
//   - Duplicates of a hint that waits may collapse into one. A hint given while
//     its handler runs leads to one more run after it, since the running one may
//     have read the row before it changed.
//   - Every run has a deadline, and a panic ends no more than its own run.
//   - Memory is bounded: a full queue refuses hints with [ErrFull].
//   - [Queue.Shutdown] returns when no handler and no chore runs any more, or
//     says how many would not end.
//
// A handler gets the id of a row and nothing else. It must be idempotent, and
// two processes may run it at once. Give the hint after the commit, not before.
//
// Times are measured on the monotonic clock of the process, so a clock that is
// set changes nothing.
//
// It imports nothing of this module.
package jobs
