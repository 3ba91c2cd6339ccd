package archive

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"
	"sort"

	"github.com/lenzeye/lenzeye/internal/names"
)

// pageFiles is how many files a checkpoint stands for, and so how many a
// Reader holds. More make a plan smaller, and a Reader larger.
const pageFiles = 64

// sumLen is what is kept of a page's SHA-256: enough that nobody finds another
// manifest with the same.
const sumLen = 16

// checkpointSize is the memory of a checkpoint.
const checkpointSize = 48

// checkpoint says where a page begins, and in which state it was planned.
type checkpoint struct {
	after   int64 // the key before its first
	local   int64 // offset of its first local header
	central int64 // offset of its first record, in the directory
	edits   int   // offset of its edits in those of the plan
	sum     [sumLen]byte
}

// page is up to pageFiles successive files with all that is made of them.
type page struct {
	entries []Entry
	headers []header
	keys    []byte
	central []byte // their records of the directory
	end     int64  // offset behind the last content
}

// reset empties the page, which begins at an offset.
func (p *page) reset(local int64) {
	p.entries, p.headers, p.end = p.entries[:0], p.headers[:0], local
	p.keys, p.central = p.keys[:0], p.central[:0]
}

func (p *page) add(e Entry, name string) {
	h := header{name: name, size: e.Size, crc32: e.CRC32, modified: e.Modified, offset: p.end}
	p.entries = append(p.entries, e)
	p.headers = append(p.headers, h)
	p.keys = binary.BigEndian.AppendUint64(p.keys, uint64(e.Key))
	p.central = h.appendCentral(p.central)
	p.end += h.localLen() + e.Size
}

// sum hashes all that the page's bytes follow from: the records hold it, save
// for the keys, which stand for the content.
func (p *page) sum() [sumLen]byte {
	h := sha256.New()
	h.Write(p.keys)
	h.Write(p.central)
	return [sumLen]byte(h.Sum(nil))
}

// at returns the index of the file whose header or content is at an offset.
func (p *page) at(off int64) int {
	return sort.Search(len(p.headers), func(i int) bool { return p.headers[i].offset > off }) - 1
}

// load makes p the plan's page of an index again.
func (p *page) load(ctx context.Context, plan *Plan, src Source, index int) error {
	at := plan.checkpoints[index]
	count := min(pageFiles, plan.files-index*pageFiles)
	entries, err := src.Page(ctx, at.after, count)
	if err != nil {
		return fmt.Errorf("read the manifest of an archive: %w", err)
	}
	if len(entries) != count {
		return fmt.Errorf("read the manifest of an archive: %d files of %d are left: %w", len(entries), count, ErrChanged)
	}
	edits := plan.editsOf(index)
	p.reset(at.local)
	for _, e := range entries {
		name := names.Safe(e.Path)
		if len(edits) > 0 {
			if name, edits, err = applyEdits(edits, name); err != nil {
				return err
			}
		}
		p.add(e, name)
	}
	if p.sum() != at.sum {
		return fmt.Errorf("read the manifest of an archive: its hash differs: %w", ErrChanged)
	}
	return nil
}

// localPage and centralPage return the index of the page that an offset of the
// archive, or of its directory, lies in.
func (p *Plan) localPage(off int64) int {
	return p.page(off, func(c checkpoint) int64 { return c.local })
}

func (p *Plan) centralPage(off int64) int {
	return p.page(off, func(c checkpoint) int64 { return c.central })
}

func (p *Plan) page(off int64, start func(checkpoint) int64) int {
	after := sort.Search(len(p.checkpoints), func(i int) bool { return start(p.checkpoints[i]) > off })
	return after - 1
}

// editsOf returns the edits of a page: none, or those of each of its files.
func (p *Plan) editsOf(index int) []byte {
	end := len(p.edits)
	if index+1 < len(p.checkpoints) {
		end = p.checkpoints[index+1].edits
	}
	return slices.Clip(p.edits[p.checkpoints[index].edits:end])
}
