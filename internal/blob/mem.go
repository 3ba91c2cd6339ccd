package blob

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"
)

// MemOptions configure a memory store. All may be zero.
type MemOptions struct {
	// Now is the store's clock; time.Now by default.
	Now func() time.Time
	// Observe is called after each step with its context, name, duration and error.
	Observe func(ctx context.Context, op string, d time.Duration, err error)
	// MinPart is the smallest part, in bytes, that Complete takes anywhere but
	// at the end. S3's is 5 MiB.
	MinPart int64
}

// OpenMem returns an empty store in memory, for tests. It behaves as the
// strictest S3 servers do: of each part only the last acknowledged attempt is
// kept, and a second Complete is ErrUploadNotFound.
func OpenMem(o MemOptions) *Store {
	return newMem(o, func(b *body) (content, error) {
		var data bytes.Buffer
		err := b.copyTo(&data, nil)
		return content{size: int64(data.Len()), data: data.Bytes()}, err
	})
}

// content is the bytes of one part or object, or only their number.
type content struct {
	size int64
	data []byte // nil: zeros
}

type memObject struct {
	info  Info
	parts []content
}

type memPart struct {
	content
	info PartInfo
}

type memUpload struct {
	initiated time.Time
	parts     map[int]memPart
}

// mem is the driver of OpenMem and OpenDiscard.
type mem struct {
	now     func() time.Time
	minPart int64
	take    func(b *body) (content, error)

	mu      sync.Mutex
	serial  int64 // makes ETags and upload IDs
	objects map[string]memObject
	uploads map[Upload]*memUpload
}

func newMem(o MemOptions, take func(b *body) (content, error)) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	m := &mem{
		now: o.Now, minPart: o.MinPart, take: take,
		objects: map[string]memObject{}, uploads: map[Upload]*memUpload{},
	}
	return &Store{objects: m, uploads: m, now: o.Now, observe: o.Observe}
}

// next is called with the lock held.
func (m *mem) next() string {
	m.serial++
	return strconv.FormatInt(m.serial, 36)
}

func (m *mem) put(_ context.Context, key string, b *body) (string, error) {
	c, err := m.take(b)
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.keep(key, []content{c})
}

// keep is called with the lock held.
func (m *mem) keep(key string, parts []content) (string, error) {
	if _, ok := m.objects[key]; ok {
		return "", ErrExists
	}
	info := Info{Key: key, ETag: "object-" + m.next(), Modified: m.now()}
	for _, p := range parts {
		info.Size += p.size
	}
	m.objects[key] = memObject{info: info, parts: parts}
	return info.ETag, nil
}

func (m *mem) object(key string) (memObject, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o, ok := m.objects[key]
	if !ok {
		return memObject{}, ErrNotFound
	}
	return o, nil
}

func (m *mem) head(_ context.Context, key string) (Info, error) {
	o, err := m.object(key)
	return o.info, err
}

func (m *mem) open(_ context.Context, key string, off, n int64) (io.ReadCloser, error) {
	o, err := m.object(key)
	if err != nil {
		return nil, err
	}
	var readers []io.Reader
	for _, p := range o.parts {
		take := min(p.size-off, n)
		if take > 0 {
			readers = append(readers, p.reader(off, take))
			n -= take
		}
		off = max(0, off-p.size)
	}
	return io.NopCloser(io.MultiReader(readers...)), nil
}

func (c content) reader(off, n int64) io.Reader {
	if c.data == nil {
		return io.LimitReader(zeros{}, n)
	}
	return bytes.NewReader(c.data[off : off+n])
}

func (m *mem) remove(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}

func (m *mem) list(_ context.Context, after string, limit int) ([]Info, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var page []Info
	for _, key := range slices.Sorted(maps.Keys(m.objects)) {
		if key > after && len(page) < limit {
			page = append(page, m.objects[key].info)
		}
	}
	return page, nil
}

func (m *mem) check(context.Context) error        { return nil }
func (m *mem) free(context.Context) (int64, bool) { return 0, false }
func (m *mem) close() error                       { return nil }

func (m *mem) create(_ context.Context, key string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	id := "upload-" + m.next()
	m.uploads[Upload{Key: key, ID: id}] = &memUpload{initiated: m.now(), parts: map[int]memPart{}}
	return id, nil
}

// upload is called with the lock held.
func (m *mem) upload(u Upload) (*memUpload, error) {
	up, ok := m.uploads[u]
	if !ok {
		return nil, ErrUploadNotFound
	}
	return up, nil
}

func (m *mem) putPart(_ context.Context, u Upload, n int, b *body) (string, error) {
	m.mu.Lock()
	_, err := m.upload(u)
	m.mu.Unlock()
	if err != nil {
		return "", err
	}
	c, err := m.take(b)
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	up, err := m.upload(u)
	if err != nil {
		return "", err
	}
	info := PartInfo{Number: n, Size: c.size, ETag: "part-" + m.next(), Modified: m.now()}
	up.parts[n] = memPart{content: c, info: info}
	return info.ETag, nil
}

func (m *mem) parts(_ context.Context, u Upload, after, limit int) ([]PartInfo, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	up, err := m.upload(u)
	if err != nil {
		return nil, err
	}
	var page []PartInfo
	for _, n := range slices.Sorted(maps.Keys(up.parts)) {
		if n > after && len(page) < limit {
			page = append(page, up.parts[n].info)
		}
	}
	return page, nil
}

func (m *mem) complete(_ context.Context, u Upload, parts []PartRef) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	up, err := m.upload(u)
	if err != nil {
		return err
	}
	contents := make([]content, 0, len(parts))
	for i, ref := range parts {
		p, ok := up.parts[ref.Number]
		if !ok || p.info.ETag != ref.ETag {
			return fmt.Errorf("%w: part %d", ErrPartMismatch, ref.Number)
		}
		if p.size < m.minPart && i < len(parts)-1 {
			return fmt.Errorf("%w: part %d", ErrTooSmall, ref.Number)
		}
		contents = append(contents, p.content)
	}
	if _, err := m.keep(u.Key, contents); err != nil {
		return err
	}
	delete(m.uploads, u)
	return nil
}

func (m *mem) abort(_ context.Context, u Upload) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.uploads, u)
	return nil
}

func (m *mem) unfinished(_ context.Context, after UploadMark, limit int) ([]UploadInfo, UploadMark, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	order := func(a, b Upload) int { return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.ID, b.ID)) }
	var page []UploadInfo
	for _, u := range slices.SortedFunc(maps.Keys(m.uploads), order) {
		if order(u, Upload(after)) <= 0 {
			continue
		}
		if len(page) == limit {
			return page, UploadMark(page[limit-1].Upload), nil
		}
		page = append(page, UploadInfo{Upload: u, Initiated: m.uploads[u].initiated})
	}
	return page, UploadMark{}, nil
}
