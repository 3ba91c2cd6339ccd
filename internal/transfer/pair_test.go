package transfer

import (
	"bytes"
	"context"
	"io"
	"testing"
	"time"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/db"
	"github.com/lenzeye/lenzeye/internal/testenv"
)

// pair is two processes on one database and one store, each with handles and
// leases of its own. The fixture's service is the first.
type pair struct {
	*fixture
	second *Service
}

// meeting is one half-way state and the two processes that take the system out
// of it at once.
type meeting struct {
	name string
	run  func(t *testing.T, p *pair)
}

// TestTwoProcesses puts the system into each half-way state. Then the sweeps of
// two processes and requests to both run at once: what comes out is right and
// was done once. In one half of the meetings the second process's clock is ahead
// by more than a lease, so that it takes over what the first still works on.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	for _, kind := range []storeKind{memory(), directory(), bucket()} {
		t.Run(kind.kind, func(t *testing.T) {
			t.Parallel()
			for _, engine := range []db.Engine{db.EngineSQLite, db.EnginePostgres} {
				t.Run(string(engine), func(t *testing.T) {
					t.Parallel()
					twoProcesses(t, kind, engine)
				})
			}
		})
	}
}

func twoProcesses(t *testing.T, kind storeKind, engine db.Engine) {
	database := testenv.Database(t, engine)
	f := newFixture(t, kind, testenv.Open(t, database))
	first, second := f.Service, f.serviceOn(testenv.Open(t, database), f.another(t))
	for _, m := range meetings() {
		for name, ahead := range map[string]time.Duration{"at once": 0, "overtaken": sweepLease + time.Second} {
			t.Run(m.name+", "+name, func(t *testing.T) {
				f.wipe(t)
				f.clk.set(time.Now().UTC())
				for _, s := range []*Service{first, second} {
					s.set.SealWait = time.Nanosecond // requests leave files sealing
					s.set.Grace = 1000 * time.Hour   // a bucket's clock does not follow the test's
				}
				second.now = func() time.Time { return f.clk.time().Add(ahead) }
				m.run(t, &pair{f, second})
				f.checkRows(t)
			})
		}
	}
}

// meet runs the sweeps of both at once with the given calls, of which each
// process gets every second one, and gives the calls' errors.
func (p *pair) meet(t *testing.T, calls ...func(s *Service) error) []error {
	t.Helper()
	both := [2]*Service{p.Service, p.second}
	errs := at(2+len(calls), func(i int) error {
		if i < 2 {
			return both[i].Sweep(t.Context())
		}
		return calls[i-2](both[i%2])
	})
	good(t, errs[:2], ErrStorageUnavailable)
	return errs[2:]
}

// quiet lets what a meeting left to a later sweep be done.
func (p *pair) quiet(t *testing.T) {
	t.Helper()
	for _, s := range []*Service{p.Service, p.second} {
		p.clk.forward(time.Minute)
		if err := s.Sweep(t.Context()); err != nil {
			t.Errorf("a sweep after all: %v", err)
		}
	}
}

// cut declares a file of two parts.
func (p *pair) cut(t *testing.T, b begun, path string) File {
	t.Helper()
	return p.declareCut(t, b, path, p.unit+7, p.unit)
}

// sending gives the call that sends a part.
func sending(ctx context.Context, b begun, file File, n int, body []byte) func(*Service) error {
	return func(s *Service) error {
		_, err := put(ctx, s, b.Access, file, n, body)
		return err
	}
}

func completing(ctx context.Context, b begun) func(*Service) error {
	return func(s *Service) error {
		_, err := s.CompleteTransfer(ctx, b.Access, b.id, b.token, guest)
		return err
	}
}

func (p *pair) wantEvents(t *testing.T, want map[string]int64) {
	t.Helper()
	for kind, n := range want {
		if got := p.events(t, kind); got != n {
			t.Errorf("%d events %s, want %d", got, kind, n)
		}
	}
}

func meetings() []meeting {
	return []meeting{
		{"a file without its object", meetSealing},
		{"another attempt in the bucket", meetHeld},
		{"a vanished upload", meetVanished},
		{"orphans", meetOrphans},
		{"two first parts", meetFirstParts},
		{"a transfer without a file", meetEmpty},
		{"an idle reservation", meetIdle},
		{"all expired", meetExpired},
		{"ends", meetEnds},
		{"a piece of a file gone", meetDamage},
	}
}

func meetSealing(t *testing.T, p *pair) {
	b := p.begin(t, LinkFields{})
	file := p.cut(t, b, "cut")
	p.putAll(t, b, file)
	p.wantState(t, file, Sealing)
	p.clk.forward(time.Minute)
	errs := p.meet(t, completing(t.Context(), b), sending(t.Context(), b, file, 2, partOf(file, 2)))
	good(t, errs, ErrStillSealing)
	p.quiet(t)
	p.wantState(t, file, Stored)
	p.wantSame(t, file)
	p.wantBucket(t, 1, 0)
	p.wantBorne(t, file.Size, 0)
	good(t, p.meet(t, completing(t.Context(), b), completing(t.Context(), b)))
	p.wantEvents(t, map[string]int64{"transfer_complete": 1, "file_lost": 0})
}

// meetHeld: the bucket refuses the recorded ETag of a part, since it got another
// body for it last.
func meetHeld(t *testing.T, p *pair) {
	b := p.begin(t, LinkFields{})
	file := p.cut(t, b, "cut")
	p.putSome(t, b, file, 1)
	bodies := [2][]byte{partOf(file, 1), other(partOf(file, 1))}
	p.attempt(t, p.row(t, file.ID), 1, bodies[1])
	p.putSome(t, b, file, 2)
	p.clk.forward(time.Minute)
	errs := p.meet(t, sending(t.Context(), b, file, 1, bodies[0]), sending(t.Context(), b, file, 1, bodies[1]))
	good(t, errs, ErrStorageUnavailable, ErrPartConflict)
	p.quiet(t)
	p.wantState(t, file, Stored)
	p.wantOneOf(t, file, 1, bodies)
	p.wantBucket(t, 1, 0)
	p.wantBorne(t, file.Size, 0)
	p.wantEvents(t, map[string]int64{"file_lost": 0})
}

func meetVanished(t *testing.T, p *pair) {
	b := p.begin(t, LinkFields{})
	file := p.cut(t, b, "cut")
	p.putSome(t, b, file, 1)
	row := p.row(t, file.ID)
	if err := p.store.Abort(t.Context(), blob.Upload{Key: row.blobKey, ID: row.uploadID}); err != nil {
		t.Fatal(err)
	}
	second := sending(t.Context(), b, file, 2, partOf(file, 2))
	wantErr(t, "part of a lost upload", second(p.Service), ErrStorageUnavailable)
	for range 14 {
		p.clk.forward(3 * time.Hour)
		good(t, p.meet(t, second, second), ErrStorageUnavailable)
		if p.row(t, file.ID).uploadGen > 1 {
			break
		}
	}
	p.wantEvents(t, map[string]int64{"file_lost": 1})
	if got := p.row(t, file.ID); got.uploadGen != 2 {
		t.Errorf("upload generation %d, want 2", got.uploadGen)
	}
	p.putAll(t, b, file)
	p.quiet(t)
	p.wantSame(t, file)
	p.wantBucket(t, 1, 0)
	p.wantBorne(t, file.Size, 0)
}

// orphan leaves an object and an upload that no row knows.
func (p *pair) orphan(t *testing.T) {
	t.Helper()
	var keys [2]string
	for i := range keys {
		var err error
		if keys[i], err = p.newKey(p.studio.ID); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := p.store.Put(t.Context(), keys[0], bytes.NewReader([]byte("orphan")), 6); err != nil {
		t.Fatal(err)
	}
	if _, err := p.store.CreateUpload(t.Context(), keys[1]); err != nil {
		t.Fatal(err)
	}
}

func meetOrphans(t *testing.T, p *pair) {
	p.set.Grace, p.second.set.Grace = 24*time.Hour, 24*time.Hour
	b := p.begin(t, LinkFields{})
	whole := p.declare(t, b, 90)[0]
	file := p.cut(t, b, "cut")
	p.putAll(t, b, whole)
	p.putSome(t, b, file, 1)
	p.orphan(t)
	p.orphan(t)
	// A second upload to a key that a row knows, as a lost reply leaves.
	if _, err := p.store.CreateUpload(t.Context(), p.row(t, file.ID).blobKey); err != nil {
		t.Fatal(err)
	}
	p.clk.forward(25 * time.Hour)
	good(t, p.meet(t, sending(t.Context(), b, file, 1, partOf(file, 1))))
	p.wantBucket(t, 3, 4) // the first walk only reports
	p.clk.forward(2 * time.Hour)
	part := sending(t.Context(), b, file, 2, partOf(file, 2))
	good(t, p.meet(t, part, part), ErrStorageUnavailable)
	p.quiet(t)
	p.clk.forward(2 * time.Hour)
	p.meet(t)
	p.wantBucket(t, 2, 0)
	p.wantSame(t, whole)
	p.wantSame(t, file)
	p.wantBorne(t, whole.Size+file.Size, 0)
}

// meetFirstParts: both processes make an upload for a file's first part.
func meetFirstParts(t *testing.T, p *pair) {
	b := p.begin(t, LinkFields{})
	file := p.cut(t, b, "cut")
	good(t, p.meet(t, sending(t.Context(), b, file, 1, partOf(file, 1)), sending(t.Context(), b, file, 2, partOf(file, 2))))
	if _, uploads := p.bucket(t); len(uploads) > 1 {
		t.Errorf("%d uploads are left of one file", len(uploads))
	}
	p.quiet(t)
	p.wantSame(t, file)
	p.wantBucket(t, 1, 0)
}

func meetEmpty(t *testing.T, p *pair) {
	for range 3 {
		p.wipe(t)
		b := p.begin(t, LinkFields{})
		p.clk.forward(25 * time.Hour)
		declare := func(s *Service) error {
			_, err := s.Declare(t.Context(), b.Access, b.id, []NewFile{{Path: "a", Size: 10, Modified: ptr(time.Unix(1, 0))}})
			return err
		}
		errs := p.meet(t, declare, declare)
		state, expired := Receiving, int64(0)
		if n := good(t, errs, ErrTransferEnded, ErrTransferExpired); n == 0 {
			state, expired = Expired, 1
		}
		p.wantTransfer(t, b.id, state)
		p.wantEvents(t, map[string]int64{"transfer_expired": expired, "transfer_started": 1 - expired})
		p.checkRows(t)
	}
}

func meetIdle(t *testing.T, p *pair) {
	b := p.begin(t, LinkFields{})
	file := p.cut(t, b, "cut")
	p.putSome(t, b, file, 1)
	p.quota(t, file.Size)
	p.clk.forward(25 * time.Hour)
	good(t, p.meet(t, sending(t.Context(), b, file, 1, partOf(file, 1))))
	p.wantBorne(t, 0, p.unit) // given back once
	part := sending(t.Context(), b, file, 2, partOf(file, 2))
	good(t, p.meet(t, part, part), ErrStorageUnavailable) // the one's attempt is read back for the other's
	p.quiet(t)
	p.wantSame(t, file)
	p.wantBorne(t, file.Size, 0)
	p.exec(t, "UPDATE accounts SET quota_bytes = NULL")
}

// meetExpired: transfers in every state are over their time, with files in every
// state, while guest and studio still use them.
func meetExpired(t *testing.T, p *pair) {
	receiving, done, deleted := p.begin(t, LinkFields{}), p.begin(t, LinkFields{}), p.begin(t, LinkFields{})
	cut, sealing := p.cut(t, receiving, "cut"), p.cut(t, receiving, "sealing")
	p.putSome(t, receiving, cut, 1)
	p.putAll(t, receiving, sealing)
	var files []File
	for _, b := range []begun{receiving, done, deleted} {
		file := p.declare(t, b, 90)[0]
		p.putAll(t, b, file)
		files = append(files, file)
	}
	p.complete(t, done)
	if err := p.DeleteTransfer(t.Context(), p.studio.ID, deleted.id, Client{}); err != nil {
		t.Fatal(err)
	}
	p.clk.forward(31 * 24 * time.Hour)
	read := func(file File) func(*Service) error {
		return func(s *Service) error {
			o, err := s.OpenFile(t.Context(), p.own(), file.ID)
			if err != nil {
				return err
			}
			got, err := io.ReadAll(o)
			if !bytes.HasPrefix(content(file), got) {
				t.Error("I3: other bytes were read")
			}
			_ = o.Close()
			return err
		}
	}
	errs := p.meet(t, sending(t.Context(), receiving, cut, 2, partOf(cut, 2)), read(files[0]), read(files[1]), completing(t.Context(), receiving))
	good(t, errs, ErrTransferExpired, ErrTransferEnded, ErrFileMissing, ErrKeyUnavailable, account.ErrShredded)
	p.quiet(t)
	for b, state := range map[string]string{receiving.id: Expired, done.id: Expired, deleted.id: Purged} {
		p.wantTransfer(t, b, state)
	}
	p.wantBucket(t, 0, 0)
	p.wantBorne(t, 0, 0)
	p.wantNothing(t, "files", "parts", "file_keys")
	p.wantEvents(t, map[string]int64{"transfer_expired": 2, "transfer_purged": 3, "file_damaged": 0, "file_lost": 0})
}

func (p *pair) wantNothing(t *testing.T, tables ...string) {
	t.Helper()
	for _, table := range tables {
		if n := p.number(t, "SELECT COUNT(*) FROM "+table); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
}

// meetEnds: what is deleted and given up is purged, while it is deleted and
// given up again and completed.
func meetEnds(t *testing.T, p *pair) {
	b, lives := p.begin(t, LinkFields{}), p.begin(t, LinkFields{})
	gone, stays := p.cut(t, lives, "gone"), p.declare(t, lives, 90)[0]
	cut, sealing := p.cut(t, b, "cut"), p.cut(t, b, "sealing")
	p.putSome(t, b, cut, 1)
	p.putAll(t, b, sealing)
	p.putAll(t, lives, gone, stays)
	p.clk.forward(time.Minute)
	abort := func(s *Service) error { return s.AbortTransfer(t.Context(), b.Access, b.id, guest) }
	remove := func(s *Service) error { return s.DeleteFile(t.Context(), lives.Access, gone.ID) }
	good(t, p.meet(t, abort, abort, remove, remove))
	p.wantBorne(t, stays.Size, 0)
	good(t, p.meet(t, abort, remove, completing(t.Context(), lives)))
	p.quiet(t)
	p.wantTransfer(t, b.id, Aborted)
	p.wantTransfer(t, lives.id, Complete)
	p.wantBucket(t, 1, 0)
	p.wantSame(t, stays)
	p.wantEvents(t, map[string]int64{"transfer_aborted": 1, "transfer_purged": 1, "transfer_complete": 1, "file_lost": 0})
}
