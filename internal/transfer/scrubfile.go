package transfer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"io"

	"github.com/lenzeye/lenzeye/internal/seal"
)

var (
	errScrubStop = errors.New("no more bytes may be read now")
	errGone      = errors.New("stored bytes are not there")
)

// scrub is one run.
type scrub struct {
	s        *Service
	may      func(ctx context.Context, n int64) (bool, error) // whether n more sealed bytes may be read
	damaged  func(ScrubDamage)
	progress func(Scrubbed)
	seen     Scrubbed
}

// scrubRow is a file with the parts that authenticated in the round under way.
type scrubRow struct {
	File
	done int
}

func scanScrubRow(row scanner) (r scrubRow, err error) {
	r.File, err = scanFileAnd(row, &r.done)
	return r, err
}

// run goes through the files of a scope until there are none, or no more bytes
// may be read.
func (c *scrub) run(ctx context.Context, scope scrubScope) error {
	query, args := scope.query(pickScrub)
	query += scrubOrder + fmt.Sprint(scrubBatch)
	for {
		rows, err := queryAll(ctx, c.s.db, scanScrubRow, query, args...)
		if err != nil {
			return fmt.Errorf("read files to scrub: %w", err)
		}
		for _, f := range rows {
			err := c.file(ctx, f)
			c.progress(c.seen)
			if errors.Is(err, errScrubStop) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("scrub file %s: %w", f.ID, err)
			}
		}
		if len(rows) < scrubBatch {
			return nil
		}
	}
}

// file authenticates what is left of one file and writes down what came of it.
func (c *scrub) file(ctx context.Context, f scrubRow) error {
	live, err := c.s.isLive(ctx, f.File)
	if err != nil {
		return err
	}
	if !live { // it ended, and its object may be gone
		return c.aside(ctx, f)
	}
	key, err := c.s.keyOf(ctx, f.File)
	if err != nil {
		return c.skip(ctx, f, err)
	}
	for n := f.done + 1; n <= f.PartCount; n++ {
		size := f.sealedPart(n)
		ok, err := c.may(ctx, size)
		if err != nil {
			return err
		}
		if !ok {
			return errScrubStop
		}
		err = c.part(ctx, f.File, key, n)
		if err == nil || errors.Is(err, seal.ErrDamaged) {
			c.seen.Bytes += size
			c.s.observe.Scrubbed(size)
		}
		switch {
		case errors.Is(err, errGone):
			return c.gone(ctx, f, err)
		case errors.Is(err, seal.ErrDamaged):
			return c.wrong(ctx, f, n, err)
		case err != nil:
			return c.skip(ctx, f, err)
		}
		if ok, err := c.record(ctx, f, n); err != nil || !ok {
			return err
		}
		c.progress(c.seen)
	}
	return nil
}

// part reads one part of the object, header and all, and holds it against its
// row.
func (c *scrub) part(ctx context.Context, f File, key seal.Key, n int) error {
	file, err := f.sealFile()
	if err != nil {
		return err
	}
	// The end of a stream is the opener's to tell: errGone must not wrap one.
	source := c.s.source(f, func(err error) error { return fmt.Errorf("%w: %v", errGone, err) })
	o := seal.NewOpener(ctx, key, file, source, seal.OpenerOptions{})
	defer func() { _ = o.Close() }()
	if _, err := o.Seek(int64(n-1)*f.PartSize, io.SeekStart); err != nil {
		return err
	}
	o.Limit(f.partLen(n))
	sum := crc32.NewIEEE()
	if _, err := io.Copy(sum, o); err != nil {
		return err
	}
	want, err := scanOne[int64](c.s.db.QueryRowContext(ctx, crcOfPart, f.ID, n))
	if err != nil {
		return fmt.Errorf("read the CRC of part %d: %w", n, missing(err, ErrPartMissing))
	}
	if uint32(want) != sum.Sum32() {
		return fmt.Errorf("part %d authenticates and has another CRC-32: %w", n, seal.ErrDamaged)
	}
	return nil
}

// record writes down a part that is whole, and with the last one the file. ok is
// false when somebody else was at the file meanwhile.
func (c *scrub) record(ctx context.Context, f scrubRow, n int) (ok bool, err error) {
	last := n == f.PartCount
	err = c.s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if last {
			ok, err = changed(tx.ExecContext(ctx, scrubWhole, f.ID, n, c.s.micros()))
		} else {
			ok, err = changed(tx.ExecContext(ctx, scrubPart, f.ID, n))
		}
		return err
	})
	if err != nil || !ok || !last {
		return ok, err
	}
	c.seen.Files++
	if f.State == Damaged {
		c.seen.Recovered++
		return true, c.s.recoverDamaged(ctx, f.File)
	}
	return true, nil
}

// gone is met when the object is not there, or not all of it: a look like those
// of the walk, which alone makes no damage.
func (c *scrub) gone(ctx context.Context, f scrubRow, cause error) error {
	whole, err := c.s.isWhole(ctx, f.File)
	if err != nil || whole {
		return c.skip(ctx, f, errors.Join(cause, err))
	}
	live, err := c.s.isLive(ctx, f.File)
	if err != nil {
		return err
	}
	if !live {
		return c.aside(ctx, f)
	}
	c.s.log.WarnContext(ctx, "a stored object is missing", "file", f.ID, "error", cause)
	if err := c.s.countMissing(ctx, f.File); err != nil {
		return err
	}
	c.found(f, true)
	return c.aside(ctx, f)
}

func (c *scrub) wrong(ctx context.Context, f scrubRow, n int, cause error) error {
	d := damage{part: n, cause: cause}
	var at *seal.SegmentError
	if errors.As(cause, &at) {
		d.segment = at.Segment
	}
	if err := c.s.markDamage(ctx, f.File, d); err != nil {
		return err
	}
	c.found(f, false)
	return c.aside(ctx, f)
}

func (c *scrub) found(f scrubRow, gone bool) {
	c.seen.Damaged++
	c.damaged(ScrubDamage{FileID: f.ID, TransferID: f.TransferID, AccountID: f.AccountID, Missing: gone})
}

// skip is met when a file cannot be read for a reason that says nothing of its
// bytes. If the bucket answers, others may be read, and this one has its turn
// again; else the run ends.
func (c *scrub) skip(ctx context.Context, f scrubRow, cause error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err := c.s.blobs.Check(ctx); err != nil {
		return errors.Join(cause, err)
	}
	c.s.log.WarnContext(ctx, "a stored file could not be scrubbed", "file", f.ID, "error", cause)
	c.seen.Skipped++
	return c.aside(ctx, f)
}

// aside lets a file wait for its next turn.
func (c *scrub) aside(ctx context.Context, f scrubRow) error {
	err := c.s.db.InTx(ctx, func(ctx context.Context, tx *sql.Tx) error {
		if err := c.s.holdsChore(ctx, tx, choreScrub); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, scrubAside, f.ID, c.s.micros())
		return err
	})
	if err != nil {
		return fmt.Errorf("note that it was checked: %w", err)
	}
	return nil
}
