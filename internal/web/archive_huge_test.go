package web

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/seal"
)

const (
	hugeFiles = 100_000
	hugeSize  = 3_000_000
	// The archive begins with the header of an empty file, and then all headers
	// have the same length: fixed fields, name and time.
	hugeStart = int64(30 + len("first") + 9)
	hugeHead  = int64(30 + len("2024/shoot-000/IMG_000000.CR3") + 9)
	hugeStep  = hugeHead + hugeSize
)

// madeUp is a bucket on the network that holds 100,000 sealed objects of 3 MB and
// keeps none: it seals what is asked for when it is asked. Each file has its own
// key and its own bytes.
type madeUp struct {
	t     *testing.T
	plain []byte // of which every file's bytes are a walk around
	gets  atomic.Int64
}

func newMadeUp(t *testing.T) *madeUp { return &madeUp{t: t, plain: pattern(65_521)} }

func hugeID(n int64) [16]byte {
	id := [16]byte{0x01, 0xa2, 6: 0x70, 8: 0x80}
	for i := range 6 {
		id[15-i] = byte(n >> (8 * i))
	}
	return id
}

func hugeKey(n int64) seal.Key { return sha256.Sum256(fmt.Appendf(nil, "key of %d", n)) }

// fill writes the bytes of file n from off on.
func (m *madeUp) fill(p []byte, n, off int64) {
	for len(p) > 0 {
		done := copy(p, m.plain[(n*7919+off)%int64(len(m.plain)):])
		p, off = p[done:], off+int64(done)
	}
}

func (m *madeUp) crc(n int64) uint32 {
	body := make([]byte, hugeSize)
	m.fill(body, n, 0)
	return crc32.ChecksumIEEE(body)
}

// madeFile reads file n.
type madeFile struct {
	*madeUp
	n, off int64
}

func (f *madeFile) Read(p []byte) (int, error) {
	p = p[:min(int64(len(p)), hugeSize-f.off)]
	if len(p) == 0 {
		return 0, io.EOF
	}
	f.fill(p, f.n, f.off)
	f.off += int64(len(p))
	return len(p), nil
}

// sealed is the object of file n.
func (m *madeUp) sealed(n int64) *seal.PartReader {
	salt := sha512.Sum512(fmt.Appendf(nil, "salt of %d", n))
	r, err := seal.NewPartReader(hugeKey(n), seal.Part{FileID: hugeID(n), PartSize: seal.PartSize(hugeSize), Number: 1, Last: true, Size: hugeSize},
		&madeFile{madeUp: m, n: n}, seal.PartOptions{Rand: bytes.NewReader(salt[:])})
	if err != nil {
		m.t.Error(err)
	}
	return r
}

// ServeHTTP answers a ranged GET as a bucket does.
func (m *madeUp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var from, to int64
	n, err := strconv.ParseInt(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], 16, 64)
	_, err2 := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
	if err := errors.Join(err, err2); err != nil || r.Method != http.MethodGet {
		m.t.Errorf("the store is asked %s %s: %v", r.Method, r.URL.Path, err)
		w.WriteHeader(http.StatusNotImplemented)
		return
	}
	m.gets.Add(1)
	object := m.sealed(n)
	to = min(to, object.Len()-1)
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, object.Len()))
	w.Header().Set("Content-Length", strconv.FormatInt(to-from+1, 10))
	w.WriteHeader(http.StatusPartialContent)
	if _, err := io.CopyN(io.Discard, object, from); err != nil {
		m.t.Error(err)
	}
	_, _ = io.CopyN(w, object, to-from+1) // the server closes what it needs no more of
}

// declareHuge puts 100,000 rows beside the one file of a complete transfer. It is
// done by a process that has SQLite in C, since ours is ten times slower still
// where the race detector looks on.
func (e *env) declareHuge(transferID string) {
	e.t.Helper()
	const insert = `import sqlite3, sys
path, transfer, account, files, size, part = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5]), int(sys.argv[6])
db = sqlite3.connect(path, timeout=60)
name = lambda n: "2024/shoot-%03d/IMG_%06d.CR3" % (n // 1000, n)
db.executemany("""INSERT INTO files (id, transfer_id, account_id, position, path, path_key, size, modified, part_size, part_count,
	parts_stored, state, format, sealing, blob_key, crc32, crc_source, created_at, stored_at)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 1, 'stored', 1, 'server', ?, ?, 'server', 1, 1)""",
	(("01a20000-0000-7000-8000-%012x" % n, transfer, account, n + 10, name(n), name(n).encode(), size, 1700000000000000 + n * 1000000,
	part, "v1/%s/%032x" % (account.replace("-", ""), n), n) for n in range(files)))
db.commit()`
	out, err := exec.CommandContext(e.t.Context(), "python3", "-c", insert, e.dbPath, transferID, e.account.ID,
		strconv.Itoa(hugeFiles), strconv.Itoa(hugeSize), strconv.FormatInt(seal.PartSize(hugeSize), 10)).CombinedOutput()
	if err != nil {
		e.t.Fatalf("insert the files: %v: %s", err, out)
	}
}

func (e *env) exec(query string, args ...any) {
	e.t.Helper()
	e.must(e.db.InTx(e.t.Context(), func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	}))
}

// reveal gives a file the key and the salt that its object has, as sending it
// would have.
func (e *env) reveal(m *madeUp, n int64, keyID string, public []byte, known map[int64]bool) {
	e.t.Helper()
	if known[n] {
		return
	}
	known[n] = true
	id := hugeID(n)
	sealed, err := seal.SealFileKey(public, id, hugeKey(n))
	e.must(err)
	text := fmt.Sprintf("01a20000-0000-7000-8000-%012x", n)
	head := m.sealed(n).Head()
	e.exec("INSERT INTO file_keys (file_id, key_id, sealed) VALUES ($1, $2, $3)", text, keyID, sealed)
	e.exec("INSERT INTO parts (file_id, number, size, crc32, etag, head, recorded_at) VALUES ($1, 1, $2, 0, 'e', $3, 1)", text, hugeSize, head[:])
}

// stretch is a range of the archive, and the content that lies in it.
type stretch struct {
	from, size int64
}

// files are the numbers of the files of which content is in the range.
func (s stretch) files() (all []int64) {
	for n := max(0, (s.from-hugeStart)/hugeStep); n < hugeFiles && hugeStart+n*hugeStep < s.from+s.size; n++ {
		if start := hugeStart + n*hugeStep + hugeHead; start < s.from+s.size && start+hugeSize > s.from {
			all = append(all, n)
		}
	}
	return all
}

// check compares the content in the bytes of a range.
func (s stretch) check(t *testing.T, m *madeUp, got []byte) {
	t.Helper()
	for _, n := range s.files() {
		start := hugeStart + n*hugeStep + hugeHead
		from, to := max(s.from, start), min(s.from+s.size, start+hugeSize)
		want := make([]byte, to-from)
		m.fill(want, n, from-start)
		if !bytes.Equal(got[from-s.from:to-s.from], want) {
			t.Errorf("range %+v: the content of file %d differs", s, n)
		}
	}
}

// TestHugeArchiveByRanges serves a ZIP of 300 GB in 100,000 files, whose list is
// rows of a database and whose bytes a bucket makes up: random ranges, edges, the
// directory and the end, by a real server. It is not parallel: it looks at the
// memory of the process.
func TestHugeArchiveByRanges(t *testing.T) {
	m := newMadeUp(t)
	bucket := httptest.NewServer(m)
	defer bucket.Close()
	store, err := blob.OpenS3(blob.S3Options{Bucket: "made", Endpoint: bucket.URL, Region: "r", AccessKey: "a", SecretKey: "s"})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	e := newEnvOver(t, store, nil)
	s := e.send("first", nil)
	e.declareHuge(s.ID)
	whole := []int64{0, hugeFiles / 2, hugeFiles - 1} // with the checksums that their bytes have
	for _, n := range whole {
		e.exec("UPDATE files SET crc32 = $1 WHERE position = $2 AND transfer_id = $3", int64(m.crc(n)), n+10, s.ID)
	}
	access := e.unlockShare(s).AccessToken
	path := "/api/v1/d/" + s.token + "/archive.zip"
	before := liveMemory()
	head := e.do("HEAD", path, access, nil)
	size := head.ContentLength
	if head.StatusCode != 200 || size < 300e9 || m.gets.Load() != 0 {
		t.Fatalf("HEAD: %d, %d bytes, %d requests to the store", head.StatusCode, size, m.gets.Load())
	}
	e.hugeRanges(m, path, access, size)
	e.hugeDirectory(m, path, access, size, whole)
	if grown := e.hugeTogether(m, path, access) - before; grown > 16<<20 {
		t.Errorf("a plan of %d files and eight ranges at once take %d bytes", hugeFiles, grown)
	}
}

// accountKey is the key that the account's file keys are sealed to.
func (e *env) accountKey() (id string, public []byte) {
	e.t.Helper()
	e.must(e.db.QueryRowContext(e.t.Context(), "SELECT id, public FROM keys WHERE kind = 'account' AND owner_id = $1 AND state = 'active'",
		e.account.ID).Scan(&id, &public))
	return id, public
}

// hugeRanges asks for ranges anywhere, and counts what they ask of the store.
func (e *env) hugeRanges(m *madeUp, path, access string, size int64) {
	e.t.Helper()
	end := hugeStart + hugeFiles*hugeStep // of the contents
	stretches := []stretch{{0, 10}, {hugeStart, 200}, {hugeStart + hugeStep - 1, 2}, {hugeStart + hugeHead, hugeSize}, {end - 100, 100},
		{end - 100, 300}, {end, 1000}, {size - 22, 22}, {size - 1, 1}, {4<<30 - 5, 10}, {hugeStart + 7*hugeStep - 500_000, 2*hugeStep + 1}}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		at, n := rng.Int64N(size), int64(1)<<rng.IntN(23)
		stretches = append(stretches, stretch{at, min(n, size-at)})
	}
	keyID, public := e.accountKey()
	known := map[int64]bool{}
	for _, s := range stretches {
		for _, n := range s.files() {
			e.reveal(m, n, keyID, public, known)
		}
		m.gets.Store(0)
		a := e.do("GET", path, access, nil, "Range", fmt.Sprintf("bytes=%d-%d", s.from, s.from+s.size-1))
		if want := fmt.Sprintf("bytes %d-%d/%d", s.from, s.from+s.size-1, size); a.StatusCode != 206 || int64(len(a.body)) != s.size || a.Header.Get("Content-Range") != want {
			e.t.Fatalf("range %+v: %d, %d bytes, %s", s, a.StatusCode, len(a.body), a.Header.Get("Content-Range"))
		}
		s.check(e.t, m, a.body)
		if got, want := m.gets.Load(), int64(len(s.files())); got != want {
			e.t.Errorf("range %+v: %d requests to the store for %d files", s, got, want)
		}
	}
	if a := e.do("GET", path, access, nil, "Range", fmt.Sprintf("bytes=%d-", size)); a.StatusCode != 416 {
		e.t.Errorf("beyond the end: %d", a.StatusCode)
	}
}

// byRanges reads the archive over HTTP, but for its end, which is there.
type byRanges struct {
	*env
	path, access string
	end          []byte
	endAt        int64
}

func (r byRanges) ReadAt(p []byte, off int64) (int, error) {
	if off >= r.endAt {
		return bytes.NewReader(r.end).ReadAt(p, off-r.endAt)
	}
	a := r.do("GET", r.path, r.access, nil, "Range", fmt.Sprintf("bytes=%d-%d", off, off+int64(len(p))-1))
	if a.StatusCode != 206 {
		return 0, fmt.Errorf("answered %d", a.StatusCode)
	}
	return copy(p, a.body), nil
}

// hugeDirectory reads the whole directory without one request to the store, and
// files from the beginning, the middle and the end by it, with their checksums.
func (e *env) hugeDirectory(m *madeUp, path, access string, size int64, whole []int64) {
	e.t.Helper()
	endAt := hugeStart + hugeFiles*hugeStep
	m.gets.Store(0)
	a := e.do("GET", path, access, nil, "Range", fmt.Sprintf("bytes=%d-", endAt))
	if a.StatusCode != 206 || int64(len(a.body)) != size-endAt || m.gets.Load() != 0 {
		e.t.Fatalf("directory: %d, %d bytes, %d requests to the store", a.StatusCode, len(a.body), m.gets.Load())
	}
	z, err := zip.NewReader(byRanges{e, path, access, a.body, endAt}, size)
	e.must(err)
	if len(z.File) != hugeFiles+1 {
		e.t.Fatalf("the directory has %d files", len(z.File))
	}
	keyID, public := e.accountKey()
	known := map[int64]bool{}
	for _, n := range whole {
		if e.db.QueryRowContext(e.t.Context(), "SELECT file_id FROM file_keys WHERE file_id = $1", fmt.Sprintf("01a20000-0000-7000-8000-%012x", n)).Scan(new(string)) != nil {
			e.reveal(m, n, keyID, public, known)
		}
		f := z.File[n+1]
		offset, err := f.DataOffset()
		if err != nil || offset != hugeStart+n*hugeStep+hugeHead || f.Name != fmt.Sprintf("2024/shoot-%03d/IMG_%06d.CR3", n/1000, n) || f.UncompressedSize64 != hugeSize {
			e.t.Fatalf("%s at %d with %d bytes: %v", f.Name, offset, f.UncompressedSize64, err)
		}
		content := e.do("GET", path, access, nil, "Range", fmt.Sprintf("bytes=%d-%d", offset, offset+hugeSize-1))
		if crc32.ChecksumIEEE(content.body) != f.CRC32 {
			e.t.Errorf("%s has not the checksum of the directory", f.Name)
		}
	}
}

// comparing takes the bytes of the archive from an offset on, and pauses once.
type comparing struct {
	t       *testing.T
	m       *madeUp
	at      int64
	pauseAt int64
	halfway chan<- struct{}
	goOn    <-chan struct{}
}

func (c *comparing) Write(p []byte) (int, error) {
	stretch{c.at, int64(len(p))}.check(c.t, c.m, p)
	if before := c.at; before < c.pauseAt && before+int64(len(p)) >= c.pauseAt {
		c.halfway <- struct{}{}
		<-c.goOn
	}
	c.at += int64(len(p))
	return len(p), nil
}

// hugeTogether fetches eight ranges of ten files at once, and gives the memory in
// use when all are half way.
func (e *env) hugeTogether(m *madeUp, path, access string) (used int64) {
	e.t.Helper()
	const together = 8
	halfway, goOn := make(chan struct{}, together), make(chan struct{})
	keyID, public := e.accountKey()
	known := map[int64]bool{}
	var all sync.WaitGroup
	for i := range int64(together) {
		s := stretch{hugeStart + (20_000+i*1000)*hugeStep, 10 * hugeStep}
		for _, n := range s.files() {
			e.reveal(m, n, keyID, public, known)
		}
		req := e.request("GET", path, access, nil, "Range", fmt.Sprintf("bytes=%d-%d", s.from, s.from+s.size-1))
		all.Go(func() {
			c := &comparing{t: e.t, m: m, at: s.from, pauseAt: s.from + s.size/2, halfway: halfway, goOn: goOn}
			resp, err := e.client.Do(req)
			if err != nil {
				e.t.Error(err)
				return
			}
			defer resp.Body.Close()
			if n, err := io.Copy(c, resp.Body); err != nil || n != s.size {
				e.t.Errorf("range %+v: %d bytes, %v", s, n, err)
			}
		})
	}
	for range together {
		select {
		case <-halfway:
		case <-time.After(5 * time.Minute):
			e.t.Error("a range does not get to its middle")
		}
	}
	used = liveMemory()
	close(goOn)
	all.Wait()
	return used
}

func liveMemory() int64 {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
