package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/jobs"
)

const (
	sweepBatch   = 500                 // rows that one step of a sweep takes at most
	keepPurged   = 90 * 24 * time.Hour // a purged transfer's empty row, for its shares' last answer
	emptyFor     = 24 * time.Hour      // a transfer that never got a file
	sweepLease   = 15 * time.Second    // renewed while a sweep goes on
	choreSweep   = "transfer.sweep"
	choreOrphans = "transfer.orphans"
)

// Sweep finds every row that waits and does its next step or hints at it. Any
// number of processes may run it: a lease lets one at a time. A step that fails
// does not keep the others from running.
func (s *Service) Sweep(ctx context.Context) error {
	ok, err := s.leaseChore(ctx, choreSweep)
	if err != nil || !ok {
		return err
	}
	err = s.holdChore(ctx, choreSweep, s.sweepAll)
	if errors.Is(err, errLeaseLost) {
		s.log.InfoContext(ctx, "another process has taken the sweep over", "error", err)
		return nil
	}
	return err
}

func (s *Service) sweepAll(ctx context.Context) error {
	var errs []error
	for _, step := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"unfinished files", s.sweepSealing},
		{"expired transfers", s.sweepExpired},
		{"deleted accounts", s.sweepClosed},
		{"notices", s.sweepNotices},
		{"idle reservations", s.sweepIdle},
		{"deleted files", s.sweepDeleted},
		{"purges", s.sweepPurges},
		{"old rows", s.sweepRows},
		{"orphans", s.sweepOrphans},
	} {
		if err := step.run(ctx); err != nil {
			errs = append(errs, fmt.Errorf("sweep %s: %w", step.name, err))
		}
	}
	return errors.Join(errs...)
}

// leaseChore makes this process the only one that does a chore for a while.
func (s *Service) leaseChore(ctx context.Context, name string) (ok bool, err error) {
	now := s.clock()
	err = s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, insertChore, name); err != nil {
			return err
		}
		ok, err = changed(tx.ExecContext(ctx, leaseChore, name, s.owner, db.Micros(now.Add(sweepLease)), db.Micros(now)))
		return err
	})
	if err != nil {
		return false, fmt.Errorf("lease %s: %w", name, err)
	}
	return ok, nil
}

// Alone does a chore of another package in one process only, and not again
// before a period has passed since its last run in any.
func (s *Service) Alone(ctx context.Context, name string, every time.Duration, run func(context.Context) error) error {
	ran, err := queryAll(ctx, s.db, scanOne[string], choreRanSince, name, db.Micros(s.clock().Add(-every)))
	if err != nil {
		return fmt.Errorf("look when %s ran: %w", name, err)
	}
	if len(ran) > 0 {
		return nil
	}
	ok, err := s.leaseChore(ctx, name)
	if err != nil || !ok {
		return err
	}
	return s.holdChore(ctx, name, run)
}

func (s *Service) yieldChore(ctx context.Context, name string) {
	ctx, cancel := cleanup(ctx)
	defer cancel()
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, yieldChore, name, s.owner, s.micros())
		return err
	})
	if err != nil {
		s.log.WarnContext(ctx, "chore's lease not given back, it will end by itself", "chore", name, "error", err)
	}
}

// TakeOver ends the leases of processes before this one, which need not be
// waited for where only one process can run at a time.
func (s *Service) TakeOver(ctx context.Context) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		for _, statement := range []string{endFileLeases, endChoreLeases} {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("take leases over: %w", err)
	}
	return nil
}

// do hands a row's step to the queue, or does it here where there is none.
func (s *Service) do(ctx context.Context, kind string, ids []string, run func(context.Context, string) error) error {
	var errs []error
	for _, id := range ids {
		if s.enqueue != nil {
			s.tell(ctx, jobs.Hint{Kind: kind, ID: id, Repeat: true})
			continue
		}
		if err := run(ctx, id); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// LookOnly makes the next walk through the bucket one that only reports, as the
// first one ever, for a database that was put back from a backup.
func (s *Service) LookOnly(ctx context.Context) error {
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, forgetWalk, choreOrphans)
		return err
	})
	if err != nil {
		return fmt.Errorf("begin the walks anew: %w", err)
	}
	return nil
}

func (s *Service) sweepSealing(ctx context.Context) error {
	ids, err := queryAll(ctx, s.db, scanOne[string], sealingDue, s.micros(), sweepBatch)
	if err != nil {
		return err
	}
	return s.do(ctx, JobSeal, ids, s.sealJob)
}

// sweepExpired ends what is over its time, and transfers that never got a file.
// One whose files were all deleted lives on: a guest deletes a file to declare
// it anew.
func (s *Service) sweepExpired(ctx context.Context) error {
	now := s.clock()
	due, err := queryAll(ctx, s.db, scanTransferRow, expiredDue, db.Micros(now), db.Micros(now.Add(-emptyFor)), sweepBatch)
	if err != nil {
		return err
	}
	var errs []error
	for _, t := range due {
		statement := endExpired
		if t.counted == 0 && t.State == Receiving {
			statement = endEmpty
		}
		err := s.endNow(ctx, t, statement, Expired, account.Event{Kind: account.EventTransferExpired})
		if err != nil && !errors.Is(err, errNoChange) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// sweepIdle gives back the unreceived bytes of transfers without a part for a
// day; their next part takes them again.
func (s *Service) sweepIdle(ctx context.Context) error {
	cutoff := db.Micros(s.clock().Add(-s.set.IdleRelease))
	idle, err := queryAll(ctx, s.db, scanTransferRow, idleDue, cutoff, sweepBatch)
	if err != nil {
		return err
	}
	var errs []error
	for _, head := range idle {
		err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
			if err := s.lockBearers(ctx, tx, head.AccountID, head.LinkID); err != nil {
				return err
			}
			t, err := scanTransferRow(tx.QueryRowContext(ctx, lockIdle, head.ID, cutoff))
			if errors.Is(err, sql.ErrNoRows) {
				return nil // a part came meanwhile
			}
			if err != nil {
				return err
			}
			return s.releaseUnreceived(ctx, tx, t)
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("transfer %s: %w", head.ID, err))
		}
	}
	return errors.Join(errs...)
}

func (s *Service) sweepDeleted(ctx context.Context) error {
	ids, err := queryAll(ctx, s.db, scanOne[string], deletedDue, s.micros(), sweepBatch)
	if err != nil {
		return err
	}
	return s.do(ctx, JobPurgeFile, ids, s.purgeFile)
}

func (s *Service) sweepPurges(ctx context.Context) error {
	ids, err := queryAll(ctx, s.db, scanOne[string], purgeDue, s.micros(), sweepBatch)
	if err != nil {
		return err
	}
	return s.do(ctx, JobPurgeTransfer, ids, s.purgeTransfer)
}

// sweepRows removes fetch tokens that ended and, long after a purge, the empty
// rows of transfers and shares.
func (s *Service) sweepRows(ctx context.Context) error {
	now := s.clock()
	err := s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, deleteFetches, db.Micros(now), sweepBatch)
		return err
	})
	if err != nil {
		return err
	}
	ids, err := queryAll(ctx, s.db, scanOne[string], purgedLongAgo, db.Micros(now.Add(-keepPurged)), sweepBatch)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, s.execAll(ctx, id, deleteFetchesOf, deleteSharesOf, deleteTransferRow))
	}
	return errors.Join(errs...)
}
