package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lenzeye/lenzeye/internal/names"
)

// Errors of this package. Those of a Source come wrapped as they are.
var (
	// ErrManifest: entries that cannot be in an archive, or not in this order.
	ErrManifest = errors.New("manifest not fit for an archive")
	// ErrTooManyNames: more files and folders than Options.MaxNames.
	ErrTooManyNames = errors.New("too many names for an archive")
	// ErrChanged: the manifest is no longer the one that was planned.
	ErrChanged = errors.New("manifest has changed since the archive was planned")
)

// etagVersion changes with any byte of the format.
const etagVersion = "lenzeye archive 1\n"

// planFiles is how many entries are asked for at once when planning.
const planFiles = 1024

// defaultMaxNames bounds planning to about 100 MB.
const defaultMaxNames = 2_000_000

// planSize is the memory of a Plan without what grows with its files.
const planSize = 128

// Entry is a file of an archive.
type Entry struct {
	// Key orders the manifest and tells its files apart: not negative, and the
	// same key always has the same content.
	Key int64
	// Path is at most names.MaxPath bytes, and need not be safe or unique.
	Path string
	// Size is in bytes, and CRC32 is the IEEE CRC of the content.
	Size  int64
	CRC32 uint32
	// Modified may be zero: then the entry has the oldest time of a ZIP.
	Modified time.Time
}

// Source is where an archive's manifest and content come from.
type Source struct {
	// Page returns the entries with a key above after, least key first: limit of
	// them, or all that there are. The slice is not kept.
	Page func(ctx context.Context, after int64, limit int) ([]Entry, error)
	// Open returns the bytes [off, off+n) of an entry's content, n > 0. The
	// Reader closes what it gets, and uses its WriteTo if it has one. What comes
	// after n bytes is not used; less is io.ErrUnexpectedEOF to the Reader.
	Open func(ctx context.Context, e Entry, off, n int64) (io.ReadCloser, error)
}

// Options are the optional things of a Plan.
type Options struct {
	// MaxNames bounds the memory of planning and what a Plan keeps, whatever the
	// manifest: the sum, over all files, of the path's segments that it does not
	// share with the path before it, and of those that are numbered. For a
	// manifest in the order of a walk that is its files and folders. Zero is two
	// million.
	MaxNames int
}

// Plan is an archive whose layout is known. It keeps no entry and no Source,
// never changes, and is for concurrent use.
type Plan struct {
	checkpoints []checkpoint // one for each pageFiles files
	edits       []byte       // of numbered names, by page
	files       int
	central     int64 // offset of the directory
	endAt       int64 // offset of the end records
	end         []byte
	etag        string
}

// NewPlan reads the manifest of src once, and opens no content. Errors:
// ErrManifest, ErrTooManyNames, and those of src.Page.
func NewPlan(ctx context.Context, src Source, o Options) (*Plan, error) {
	if o.MaxNames == 0 {
		o.MaxNames = defaultMaxNames
	}
	b := &planner{plan: &Plan{}, maxNames: o.MaxNames, last: Entry{Key: -1}, total: sha256.New()}
	b.total.Write([]byte(etagVersion))
	for {
		entries, err := src.Page(ctx, b.last.Key, planFiles)
		if err != nil {
			return nil, fmt.Errorf("read the manifest of an archive: %w", err)
		}
		if len(entries) > planFiles {
			return nil, fmt.Errorf("plan an archive: %d entries in a page of %d: %w", len(entries), planFiles, ErrManifest)
		}
		for _, e := range entries {
			if err := b.add(e); err != nil {
				return nil, fmt.Errorf("plan an archive: file %d: %w", e.Key, err)
			}
		}
		if len(entries) < planFiles {
			return b.finish(), nil
		}
	}
}

// Size is the archive's length in bytes.
func (p *Plan) Size() int64 { return p.endAt + int64(len(p.end)) }

// ETag is a strong entity tag with its quotes: of all that the archive's bytes
// follow from, and of the version of the format.
func (p *Plan) ETag() string { return p.etag }

// Files is the number of files in the archive.
func (p *Plan) Files() int { return p.files }

// Footprint is about how many bytes of memory the plan takes, for a cache that
// has to be bounded.
func (p *Plan) Footprint() int {
	return planSize + len(p.checkpoints)*checkpointSize + len(p.edits) + len(p.end) + len(p.etag)
}

// planner makes a Plan of one entry after another.
type planner struct {
	plan      *Plan
	unique    names.Unique
	maxNames  int
	names     int
	last      Entry
	page      page   // the files since the last checkpoint
	edits     []byte // of these files
	edited    bool   // whether one of them has an edit
	directory int64  // bytes of the directory before the page
	total     hash.Hash
}

func (b *planner) add(e Entry) error {
	if err := b.check(e); err != nil {
		return err
	}
	if b.names += newNames(b.last.Path, e.Path); b.names > b.maxNames {
		return ErrTooManyNames
	}
	if b.plan.files%pageFiles == 0 {
		b.closePage()
		b.plan.checkpoints = append(b.plan.checkpoints, checkpoint{
			after: b.last.Key, local: b.page.end, central: b.directory, edits: len(b.plan.edits),
		})
	}
	name := b.unique.Name(e.Path)
	var count int
	b.edits, count = appendEdits(b.edits, names.Safe(e.Path), name)
	if b.names += count; b.names > b.maxNames {
		return ErrTooManyNames
	}
	b.edited = b.edited || count > 0
	b.page.add(e, name)
	b.last = e
	b.plan.files++
	return nil
}

// check refuses what the layout cannot hold.
func (b *planner) check(e Entry) error {
	switch {
	case e.Key <= b.last.Key:
		return fmt.Errorf("key does not follow %d: %w", b.last.Key, ErrManifest)
	case e.Size < 0 || e.Size > math.MaxInt64/2-b.page.end:
		return fmt.Errorf("size %d: %w", e.Size, ErrManifest)
	case len(e.Path) > names.MaxPath:
		return fmt.Errorf("path of %d bytes: %w", len(e.Path), ErrManifest)
	}
	return nil
}

// closePage completes the last checkpoint, if there is one, and empties the page.
func (b *planner) closePage() {
	if last := len(b.plan.checkpoints) - 1; last >= 0 {
		sum := b.page.sum()
		b.plan.checkpoints[last].sum = sum
		b.total.Write(sum[:])
	}
	if b.edited {
		b.plan.edits = append(b.plan.edits, b.edits...)
	}
	b.directory += int64(len(b.page.central))
	b.edits, b.edited = b.edits[:0], false
	b.page.reset(b.page.end)
}

func (b *planner) finish() *Plan {
	b.closePage()
	p := b.plan
	p.checkpoints, p.edits = slices.Clone(p.checkpoints), slices.Clone(p.edits) // without spare room
	p.central = b.page.end
	p.endAt = p.central + b.directory
	p.end = endRecords(int64(p.files), b.directory, p.central)
	p.etag = `"` + hex.EncodeToString(b.total.Sum(nil)[:sumLen]) + `"`
	return p
}

// newNames counts the segments of path that the path before it does not have.
func newNames(before, path string) int {
	return strings.Count(path[samePrefix(before, path):], "/") + 1
}
