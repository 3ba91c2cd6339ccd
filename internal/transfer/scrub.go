package transfer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/seal"
)

const (
	choreScrub  = "transfer.scrub"
	scrubBatch  = 100
	scrubCharge = 1 << 20          // bytes that are paid for at once, so that small files cost few writes
	scrubBurst  = 10 * time.Minute // what was left unread for longer is not made up for
	scrubWait   = time.Minute      // how long a scrub by hand waits for another
)

// ErrScrubBusy is met when another process scrubs.
var ErrScrubBusy = errors.New("another scrub is at work")

// Scrubbed is how far a scrub is.
type Scrubbed struct {
	Total     int64 // files that it is about; 0 of the sweep's
	Files     int64 // files that all of it authenticated
	Bytes     int64 // sealed bytes that were read
	Damaged   int64 // files that are damaged or missing
	Recovered int64 // files that were damaged and are whole
	Skipped   int64 // files that could not be read for another reason
}

// ScrubDamage is a file that a scrub found damaged.
type ScrubDamage struct {
	FileID, TransferID, AccountID string
	Missing                       bool // its object is not there, or not all of it
}

// ScrubOptions say what a scrub by hand reads. Zero values are no limit.
type ScrubOptions struct {
	AccountID, TransferID string
	Bytes                 int64         // sealed bytes, at most, but one part at least
	Older                 time.Duration // only files that were not checked for so long
	Damaged               func(ScrubDamage)
	Progress              func(Scrubbed) // after each part
}

// Scrub reads stored files back and authenticates them, the longest unchecked
// first, as long as Settings.ScrubBytes a day allow. It is to be called often and
// reads what has become due since: so the day's bytes are spread over the day.
// Any number of processes may call it; one at a time reads. What it stopped at it
// goes on with, also in the midst of a file.
func (s *Service) Scrub(ctx context.Context) error {
	if s.set.ScrubBytes <= 0 {
		return nil
	}
	ok, err := s.leaseChore(ctx, choreScrub)
	if err != nil || !ok {
		return err
	}
	err = s.holdChore(ctx, choreScrub, func(ctx context.Context) error {
		p, err := s.readPace(ctx)
		if err != nil {
			return err
		}
		c := &scrub{s: s, may: p.may, damaged: func(ScrubDamage) {}, progress: func(Scrubbed) {}}
		return c.run(ctx, scrubScope{before: s.clock().Add(-s.set.ScrubAgain)})
	})
	if errors.Is(err, errLeaseLost) {
		return nil // another process scrubs
	}
	return err
}

// ScrubNow is a scrub by hand, of what o says, in the same order and from where
// the last one stopped. It minds no budget but o.Bytes. Errors: ErrScrubBusy,
// ErrTransferMissing.
func (s *Service) ScrubNow(ctx context.Context, o ScrubOptions) (seen Scrubbed, err error) {
	scope := scrubScope{account: o.AccountID, transfer: o.TransferID, before: s.clock().Add(-o.Older)}
	if o.TransferID != "" {
		if _, err := scanTransferRow(s.db.QueryRowContext(ctx, anyTransferByID, o.TransferID)); err != nil {
			return seen, fmt.Errorf("scrub transfer %s: %w", o.TransferID, missing(err, ErrTransferMissing))
		}
	}
	if err := s.awaitChore(ctx, choreScrub, scrubWait); err != nil {
		return seen, err
	}
	err = s.holdChore(ctx, choreScrub, func(ctx context.Context) error {
		c := &scrub{s: s, damaged: o.Damaged, progress: o.Progress, may: func(_ context.Context, n int64) (bool, error) {
			return o.Bytes == 0 || seen.Bytes == 0 || seen.Bytes+n <= o.Bytes, nil
		}}
		if c.damaged == nil {
			c.damaged = func(ScrubDamage) {}
		}
		c.progress = func(now Scrubbed) {
			seen = now
			if o.Progress != nil {
				o.Progress(now)
			}
		}
		query, args := scope.query(countScrub)
		if c.seen.Total, err = scanOne[int64](s.db.QueryRowContext(ctx, query, args...)); err != nil {
			return fmt.Errorf("count files to scrub: %w", err)
		}
		return c.run(ctx, scope)
	})
	if errors.Is(err, errLeaseLost) {
		err = fmt.Errorf("%w: it took over", ErrScrubBusy)
	}
	return seen, err
}

// awaitChore leases a chore, and waits for a while for whoever has it.
func (s *Service) awaitChore(ctx context.Context, name string, patience time.Duration) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for begun := time.Now(); ; {
		ok, err := s.leaseChore(ctx, name)
		if err != nil || ok {
			return err
		}
		if time.Since(begun) >= patience {
			return ErrScrubBusy
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// holdChore does a chore whose lease is taken, renews the lease meanwhile and
// gives it back.
func (s *Service) holdChore(ctx context.Context, name string, do func(context.Context) error) error {
	defer s.yieldChore(ctx, name)
	held, release := hold(ctx, sweepLease, func(ctx context.Context) error {
		ok, err := s.leaseChore(ctx, name)
		if err == nil && !ok {
			err = errLeaseLost
		}
		return err
	})
	defer release()
	err := do(held)
	if err != nil && held.Err() != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w: %w", context.Cause(held), err)
	}
	return err
}

// scrubScope says which files are meant.
type scrubScope struct {
	account, transfer string
	before            time.Time // not checked since
}

const (
	// $1 is the time since when a file was not checked. A file that was never
	// checked counts from when it was stored: its parts authenticated then.
	scrubFiles = ` FROM files
WHERE stored_at IS NOT NULL AND blob_key IS NOT NULL AND COALESCE(checked_at, stored_at) < $1
	AND state IN ('stored', 'damaged')`
	countScrub = `SELECT COUNT(*)` + scrubFiles
	pickScrub  = `SELECT` + fileColumns + `, scrub_part` + scrubFiles
	scrubOrder = ` ORDER BY COALESCE(checked_at, stored_at), id LIMIT `

	// $2 is the part that authenticated. A scrub that somebody overtook, or whose
	// file was found damaged meanwhile, changes nothing.
	scrubPart  = `UPDATE files SET scrub_part = $2 WHERE id = $1 AND scrub_part = $2 - 1`
	scrubWhole = `UPDATE files SET scrub_part = 0, scrubbed_at = $3, checked_at = $3 WHERE id = $1 AND scrub_part = $2 - 1`
	scrubAside = `UPDATE files SET scrub_part = 0, checked_at = $2 WHERE id = $1`
	crcOfPart  = `SELECT crc32 FROM parts WHERE file_id = $1 AND number = $2`
)

func (c scrubScope) query(head string) (string, []any) {
	args := []any{db.Micros(c.before)}
	if c.account != "" {
		args = append(args, c.account)
		head += fmt.Sprintf(" AND account_id = $%d", len(args))
	}
	if c.transfer != "" {
		args = append(args, c.transfer)
		head += fmt.Sprintf(" AND transfer_id = $%d", len(args))
	}
	return head, args
}

// pace spreads a day's bytes over the day. It is kept in the chore's cursor.
type pace struct {
	s      *Service
	credit int64 // bytes that are paid for and were not read
	Paid   int64 `json:"paid_until"` // micros: until when bytes are read in advance
}

func (s *Service) readPace(ctx context.Context) (*pace, error) {
	p := &pace{s: s}
	cursor, err := s.readCursor(ctx, choreScrub)
	if err != nil || cursor == "" {
		return p, err
	}
	if err := json.Unmarshal([]byte(cursor), p); err != nil {
		return nil, fmt.Errorf("read the scrub's pace: %w", err)
	}
	return p, nil
}

// may tells whether n more bytes may be read now, and pays for them first, so
// that a crash reads nothing twice for one price. Within any day it allows the
// day's bytes and one part: that a day's bytes are spread over a day and the
// burst makes up for the burst.
func (p *pace) may(ctx context.Context, n int64) (bool, error) {
	if n <= p.credit {
		p.credit -= n
		return true, nil
	}
	now := p.s.micros()
	from := max(p.Paid, now-scrubBurst.Microseconds())
	if from > now {
		return false, nil
	}
	day := 24*time.Hour + scrubBurst
	amount := max(n-p.credit, min(scrubCharge, p.s.set.ScrubBytes/1000))
	p.Paid = from + int64(float64(amount)/float64(p.s.set.ScrubBytes)*float64(day.Microseconds()))
	if err := p.s.writeCursor(ctx, choreScrub, choreScrub, p); err != nil {
		return false, err
	}
	p.credit += amount - n
	return true, nil
}

// sealedPart is the length of a part as it is stored.
func (f File) sealedPart(n int) int64 { return seal.SealedLen(f.partLen(n)) }
