package transfer

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"pgregory.net/rapid"

	"github.com/lenzeye/lenzeye/internal/blob"
)

// errDied is what a process that is killed in the midst of an operation panics
// with: nothing but its deferred calls is done any more.
var errDied = errors.New("the process died")

// death kills a process at the nth step from now: before or after one of the
// store, or after a transaction.
type death struct {
	mu   sync.Mutex
	left int // steps to go; 0: it lives
	died int // how often
}

func (d *death) step() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left == 0 {
		return
	}
	if d.left--; d.left == 0 {
		d.died++
		panic(errDied)
	}
}

func (d *death) set(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.left = n
}

// observe is the database's observer.
func (d *death) observe(_ context.Context, op string, _ time.Duration, _ error) {
	if op == "tx" {
		d.step()
	}
}

// doomed runs an action that may die on the way, and goes on as a new process
// with the rows that it left.
func (m *model) doomed(t *rapid.T, run func(*rapid.T)) {
	if rapid.IntRange(0, 3).Draw(t, "doomed") == 0 {
		m.f.death.set(rapid.IntRange(1, 12).Draw(t, "steps to live"))
	}
	defer func() {
		died := recover()
		m.f.death.set(0)
		m.f.faults.set(nil)
		if died == nil {
			return
		}
		if err, ok := died.(error); !ok || !errors.Is(err, errDied) {
			panic(died)
		}
		m.f.Service = m.f.service()
		m.learn(t)
	}()
	run(t)
}

// learn looks what became of the operation that nobody answered: what it did
// counts from here on.
func (m *model) learn(t *rapid.T) {
	for _, tr := range m.transfers {
		files, err := queryAll(t.Context(), m.f.db, scanFile, "SELECT"+fileColumns+" FROM files WHERE transfer_id = $1", tr.id)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range files {
			i := slices.IndexFunc(tr.files, func(f *modelFile) bool { return f.ID == row.ID })
			if i < 0 {
				tr.files = append(tr.files, m.declared(t, row))
				continue
			}
			file := tr.files[i]
			file.deleted = file.deleted || row.State == Deleted
			m.learnParts(t, file)
		}
	}
}

func (m *model) learnParts(t *rapid.T, file *modelFile) {
	parts, err := queryAll(t.Context(), m.f.db, scanPartRow, partsOfFile, file.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if file.parts[p.number] != nil {
			continue
		}
		for _, body := range [][]byte{partOf(file.File, p.number), other(partOf(file.File, p.number))} {
			if int64(crcOf(body)) == p.crc32 {
				file.parts[p.number] = &modelPart{body: body, sent: body}
			}
		}
		if file.parts[p.number] == nil {
			t.Fatalf("I1: part %d of %s is recorded with bytes that nobody sent", p.number, file.Path)
		}
	}
}

// checkBorne holds the account's counters against what the model says that it
// has to bear: of a transfer that holds its reservation all bytes that were
// declared, else those that were acknowledged; used are those of stored files.
func (m *model) checkBorne(t *rapid.T) {
	var used, all int64
	for _, tr := range m.transfers {
		row, err := scanTransferRow(m.f.db.QueryRowContext(t.Context(), anyTransferByID, tr.id))
		if err != nil {
			t.Fatal(err)
		}
		if row.State != Receiving && row.State != Complete {
			continue
		}
		for _, file := range tr.files {
			if file.deleted {
				continue
			}
			acknowledged := file.acknowledged()
			if row.reserved == 1 {
				all += file.Size
			} else {
				all += acknowledged
			}
			state := m.f.row(t, file.ID).State
			if want := acknowledged == file.Size; want != (state == Stored || state == Sealing) {
				t.Fatalf("%s is %s with %d of %d bytes acknowledged", file.Path, state, acknowledged, file.Size)
			}
			if state == Stored {
				used += file.Size
			}
		}
	}
	a, err := m.f.accounts.ByID(t.Context(), m.f.studio.ID)
	if err != nil {
		t.Fatal(err)
	}
	if a.Used != used || a.Used+a.Reserved != all {
		t.Fatalf("the account bears used %d, reserved %d; the model says %d, %d", a.Used, a.Reserved, used, all-used)
	}
}

func (f *modelFile) acknowledged() (n int64) {
	for _, p := range f.parts {
		n += int64(len(p.body))
	}
	return n
}

// quiet is checkBorne when nothing is on its way: all that was acknowledged
// whole is stored, and reads as it was sent.
func (m *model) quiet(t *rapid.T) {
	m.check(t)
	for _, tr := range m.transfers {
		for _, file := range tr.files {
			if !file.deleted && m.f.exists(t, file.ID) && m.f.row(t, file.ID).State == Sealing && m.transferLives(t, tr) {
				t.Fatalf("%s still waits for its object", file.Path)
			}
		}
	}
}

func (m *model) transferLives(t *rapid.T, tr *modelTransfer) bool {
	row, err := scanTransferRow(m.f.db.QueryRowContext(t.Context(), anyTransferByID, tr.id))
	if err != nil {
		t.Fatal(err)
	}
	return row.State == Receiving || row.State == Complete
}

func (f *fixture) exists(t tester, fileID string) bool {
	return f.number(t, "SELECT COUNT(*) FROM files WHERE id = $1", fileID) == 1
}

// hook lets the process die at a step of the store, or the step fail.
func (f *fixture) hook(op blob.Op, when blob.When) error {
	if op != blob.OpRead {
		f.death.step()
	}
	return f.faults.hook(op, when)
}

// sameBytes tells whether a part holds these bytes now or held them when it was acknowledged.
func (p *modelPart) sameBytes(body []byte) bool {
	return bytes.Equal(body, p.sent) || bytes.Equal(body, p.body)
}
