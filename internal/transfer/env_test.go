package transfer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/catalog"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/mail"
	"github.com/lenzeye/lenzeye/internal/seal"
)

const ringText = "1:00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// fixture is a service over an empty database and an empty store, whose steps
// fail as the test wants, with a clock that the test turns and one studio.
type fixture struct {
	*Service
	db        *db.DB
	store     *blob.Store
	clk       *clock
	studio    account.Account
	faults    *faults
	death     *death // of the process, in the property
	ring      *rings
	service   func() *Service                            // a further process on the same database and store
	serviceOn func(d *db.DB, store *blob.Store) *Service // one with handles of its own

	storeKind
	another func(t testing.TB) *blob.Store // a further handle of the store
	folders []string                       // where the store keeps everything; none for one in memory
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) time() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) set(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = now
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// rings gives the master keys that a test lets the servers have.
type rings struct {
	mu         sync.Mutex
	first, now *seal.Ring
}

func (r *rings) get(context.Context, uint32) (*seal.Ring, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now == nil {
		return nil, errors.New("no master key here")
	}
	return r.now, nil
}

func (r *rings) set(ring *seal.Ring) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = ring
}

// faults decides which step of the store fails, and when.
type faults struct {
	mu sync.Mutex
	fn func(op blob.Op, when blob.When) error
}

func (f *faults) hook(op blob.Op, when blob.When) error {
	f.mu.Lock()
	fn := f.fn
	f.mu.Unlock()
	if fn == nil {
		return nil
	}
	return fn(op, when)
}

// once lets one step fail, before it is done or with its answer lost, and calls
// of it go through after that.
func (f *faults) once(op blob.Op, when blob.When) {
	done := false
	f.set(func(o blob.Op, w blob.When) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if o != op || w != when || done {
			return nil
		}
		done = true
		return blob.ErrUnavailable
	})
}

// always lets every call of a step fail.
func (f *faults) always(op blob.Op, when blob.When) {
	f.set(func(o blob.Op, w blob.When) error {
		if o == op && w == when {
			return blob.ErrUnavailable
		}
		return nil
	})
}

func (f *faults) set(fn func(op blob.Op, when blob.When) error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fn = fn
}

// open makes the services of the fixture and its studio.
func (f *fixture) open(t tester, set Settings) *fixture {
	t.Helper()
	ring, err := seal.ParseRing(ringText)
	if err != nil {
		t.Fatal(err)
	}
	f.ring = &rings{first: ring, now: ring}
	messages, err := catalog.Load()
	if err != nil {
		t.Fatal(err)
	}
	set.PublicURL = "https://send.example"
	f.serviceOn = func(d *db.DB, store *blob.Store) *Service {
		accounts := account.New(account.Options{DB: d, Now: f.clk.time, Ring: f.ring.get})
		outbox, err := mail.New(mail.Options{
			DB: d, Catalog: messages, From: "Lenzeye <post@lenzeye.example>", Now: f.clk.time,
			Send: func(context.Context, mail.Envelope) error { return nil },
			Seal: accounts.SealSecret, Open: accounts.OpenSecret,
		})
		if err != nil {
			t.Fatal(err)
		}
		return New(Options{
			DB: d, Blobs: store, Accounts: accounts, Mail: outbox, Settings: set, Now: f.clk.time,
			Log: slog.New(slog.DiscardHandler),
		})
	}
	f.service = func() *Service { return f.serviceOn(f.db, f.store) }
	f.Service = f.service()
	if f.studio, err = f.accounts.Create(t.Context(), account.NewAccount{Email: "studio@example.com", Name: "Halden & Rye"}); err != nil {
		t.Fatal(err)
	}
	return f
}

var guest = Client{IP: "192.0.2.7", Subject: "192.0.2.7"}

// begun is a transfer of a guest with what the guest holds.
type begun struct {
	Access
	id, token string
}

func (f *fixture) begin(t tester, fields LinkFields) begun {
	t.Helper()
	l, err := f.CreateLink(t.Context(), f.studio.ID, fields, Client{})
	if err != nil {
		t.Fatalf("create link: %v", err)
	}
	return f.beginOn(t, l.Slug)
}

func (f *fixture) beginOn(t tester, slug string) begun {
	t.Helper()
	s, err := f.Start(t.Context(), slug, NewTransfer{SenderEmail: "anna@larsen.example", Client: guest})
	if err != nil {
		t.Fatalf("start: %v", err)
	}
	a, err := f.AuthUpload(t.Context(), s.UploadToken)
	if err != nil {
		t.Fatalf("upload token: %v", err)
	}
	return begun{a, s.Transfer.ID, s.UploadToken}
}

// declare declares files of the given sizes under the names f0, f1 …
func (f *fixture) declare(t tester, b begun, sizes ...int64) []File {
	t.Helper()
	var in []NewFile
	for i, size := range sizes {
		in = append(in, NewFile{Path: "folder/f" + string(rune('0'+i)), Size: size, Modified: ptr(f.clk.time())})
	}
	d, err := f.Declare(t.Context(), b.Access, b.id, in)
	if err != nil || len(d.Errors) > 0 {
		t.Fatalf("declare: %v %+v", err, d.Errors)
	}
	var out []File
	for _, x := range d.Files {
		out = append(out, x.File)
	}
	return out
}

// content is the file's plain bytes, made from its id: blocks of noise, each
// with its number in front.
func content(f File) []byte {
	var seed [32]byte
	copy(seed[:], f.ID)
	block := make([]byte, min(f.Size, 64<<10))
	_, _ = rand.NewChaCha8(seed).Read(block)
	b := make([]byte, 0, f.Size+int64(len(block))+8)
	for n := uint64(0); int64(len(b)) < f.Size; n++ {
		b = append(binary.BigEndian.AppendUint64(b, n), block...)
	}
	return b[:f.Size]
}

func partOf(f File, n int) []byte {
	b := content(f)
	start := int64(n-1) * f.PartSize
	return b[start : start+f.partLen(n)]
}

// put sends one part and gives what the service said.
func put(ctx context.Context, s *Service, a Access, f File, n int, body []byte) (Receipt, error) {
	u, err := s.BeginPart(ctx, a, f.ID, n, int64(len(body)))
	if err != nil {
		return Receipt{}, err
	}
	return u.Receive(ctx, bytes.NewReader(body), nil)
}

func (f *fixture) putAll(t tester, b begun, files ...File) {
	t.Helper()
	for _, file := range files {
		for n := 1; n <= file.PartCount; n++ {
			if _, err := put(t.Context(), f.Service, b.Access, file, n, partOf(file, n)); err != nil {
				t.Fatalf("put part %d of %s: %v", n, file.Path, err)
			}
		}
	}
}

func (f *fixture) complete(t tester, b begun) Completed {
	t.Helper()
	c, err := f.CompleteTransfer(t.Context(), b.Access, b.id, b.token, guest)
	if err != nil {
		t.Fatalf("complete: %v", err)
	}
	return c
}

// read gives the file's plain bytes as the studio reads them.
func (f *fixture) read(t tester, id string) []byte {
	t.Helper()
	c, err := f.OpenFile(t.Context(), Access{AccountID: f.studio.ID}, id)
	if err != nil {
		t.Fatalf("open file: %v", err)
	}
	defer func() { _ = c.Close() }()
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("read file: %v", err)
	}
	return b
}

func (f *fixture) wantSame(t tester, file File) {
	t.Helper()
	if got := f.read(t, file.ID); !bytes.Equal(got, content(file)) {
		t.Errorf("file %s came back different (%d bytes of %d)", file.Path, len(got), file.Size)
	}
}

// wantBorne checks the counters of account and link.
func (f *fixture) wantBorne(t tester, used, reserved int64) {
	t.Helper()
	a, err := f.accounts.ByID(t.Context(), f.studio.ID)
	if err != nil {
		t.Fatal(err)
	}
	if a.Used != used || a.Reserved != reserved {
		t.Errorf("account bears used %d, reserved %d; want %d, %d", a.Used, a.Reserved, used, reserved)
	}
	held, err := scanOne[int64](f.db.QueryRowContext(t.Context(), "SELECT CAST(COALESCE(SUM(bytes_held), 0) AS BIGINT) FROM links"))
	if err != nil {
		t.Fatal(err)
	}
	if held != used+reserved {
		t.Errorf("links hold %d bytes, want %d", held, used+reserved)
	}
}

func wantErr(t tester, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("%s: error %v, want %v", what, err, want)
	}
}

func crcOf(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

const mib = 1 << 20
