package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/lenzeye/lenzeye/internal/archive"
	"github.com/lenzeye/lenzeye/internal/transfer"
)

const zipType = "application/zip"

func (s *Server) archive(c *call) error {
	a, err := s.transfers.OpenArchive(c.r.Context(), c.access, c.id())
	if err != nil {
		return err
	}
	return c.archive(a)
}

func (s *Server) sharedArchive(c *call) error {
	access, err := c.fetchAccess()
	if err != nil {
		return err
	}
	a, err := s.transfers.SharedArchive(c.r.Context(), access)
	if err != nil {
		return err
	}
	return c.archive(a)
}

// archive answers with the whole transfer as one ZIP, or a range of it. No byte
// is made that was not asked for: the plan knows where everything lies.
func (c *call) archive(a transfer.Archive) error {
	src := c.s.archiveSource(a)
	plan, err := c.s.plans.get(c.r.Context(), a.TransferID(), src)
	if err != nil {
		return err
	}
	reader := plan.Reader(c.r.Context(), src)
	defer reader.Close() //nolint:errcheck // it was only read
	h := c.w.Header()
	h.Set("Content-Type", zipType)
	h.Set("Content-Disposition", attachment(archiveName(a.Title)))
	h.Set("Etag", plan.ETag())
	return c.serveRange(reader, a.TransferID(), a.Modified)
}

func archiveName(title string) string {
	title = strings.Trim(strings.Map(func(r rune) rune {
		if strings.ContainsRune(`/\:*?"<>|`, r) || r < ' ' || r == 0x7f {
			return '-'
		}
		return r
	}, title), " .-")
	if title == "" {
		title = "files"
	}
	return title + ".zip"
}

// archiveSource joins the archive's rows and contents.
func (s *Server) archiveSource(a transfer.Archive) archive.Source {
	return archive.Source{
		Page: func(ctx context.Context, after int64, limit int) ([]archive.Entry, error) {
			files, err := s.transfers.ArchiveFiles(ctx, a, after, limit)
			if err != nil {
				return nil, err
			}
			entries := make([]archive.Entry, len(files))
			for i, f := range files {
				if f.CRC32 == nil {
					return nil, transfer.ErrFileNotReady
				}
				entries[i] = archive.Entry{Key: f.Position, Path: f.Path, Size: f.Size, CRC32: *f.CRC32, Modified: f.When()}
			}
			return entries, nil
		},
		Open: func(ctx context.Context, e archive.Entry, off, n int64) (io.ReadCloser, error) {
			content, err := s.transfers.OpenInArchive(ctx, a, e.Key)
			if err != nil {
				return nil, err
			}
			if _, err := content.Seek(off, io.SeekStart); err != nil {
				return nil, errors.Join(err, content.Close())
			}
			content.Limit(n)
			return content, nil
		},
	}
}

const (
	planLife  = time.Minute
	planCount = 64
	planBytes = 4 << 20 // of all plans together
)

// planCache keeps the plans of archives for a minute, since a download that is
// resumed or fetched in ranges asks again and again. A plan is a fact of a
// transfer that is complete; whether it may be fetched is asked for every
// request. One plan is made at a time, because making one holds the names: some
// 50 bytes a file.
type planCache struct {
	now    func() time.Time
	making chan struct{}
	limit  archive.Options

	mu    sync.Mutex
	plans map[string]cachedPlan
}

type cachedPlan struct {
	plan *archive.Plan
	made time.Time
}

func newPlanCache(now func() time.Time) *planCache {
	return &planCache{now: now, making: make(chan struct{}, 1), plans: map[string]cachedPlan{}}
}

func (p *planCache) get(ctx context.Context, id string, src archive.Source) (*archive.Plan, error) {
	if plan := p.find(id); plan != nil {
		return plan, nil
	}
	select {
	case p.making <- struct{}{}:
		defer func() { <-p.making }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if plan := p.find(id); plan != nil { // somebody made it meanwhile
		return plan, nil
	}
	plan, err := archive.NewPlan(ctx, src, p.limit)
	if err != nil {
		return nil, fmt.Errorf("plan archive: %w", err)
	}
	p.keep(id, plan)
	return plan, nil
}

func (p *planCache) find(id string) *archive.Plan {
	p.mu.Lock()
	defer p.mu.Unlock()
	c, ok := p.plans[id]
	if !ok || p.now().Sub(c.made) > planLife {
		return nil
	}
	return c.plan
}

// keep adds a plan and drops those that are too old, or the oldest while there
// is too much.
func (p *planCache) keep(id string, plan *archive.Plan) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plans[id] = cachedPlan{plan, p.now()}
	for {
		oldest, bytes := "", 0
		for other, c := range p.plans {
			bytes += c.plan.Footprint()
			if oldest == "" || c.made.Before(p.plans[oldest].made) {
				oldest = other
			}
		}
		if len(p.plans) <= planCount && bytes <= planBytes && p.now().Sub(p.plans[oldest].made) <= planLife {
			return
		}
		delete(p.plans, oldest)
		if len(p.plans) == 0 {
			return
		}
	}
}
