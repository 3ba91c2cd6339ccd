package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/lenzeye/lenzeye/internal/account"
	"github.com/lenzeye/lenzeye/internal/blob"
	"github.com/lenzeye/lenzeye/internal/seal"
)

// model is what a property's run knows of what it did: which parts were
// acknowledged, and which bytes the bucket got last for each.
type model struct {
	f         *fixture
	transfers []*modelTransfer
}

type modelTransfer struct {
	begun
	state string
	files []*modelFile
}

type modelFile struct {
	File
	deleted bool
	parts   map[int]*modelPart
}

type modelPart struct {
	body []byte // what the bucket holds of it
	sent []byte // what was acknowledged
}

// actions are the steps that a run is made of. Each may meet one fault of the
// store. The empty name is what holds after every step.
func (m *model) actions() map[string]func(*rapid.T) {
	actions := map[string]func(*rapid.T){
		"start": m.start, "declare": m.declare, "put": m.put, "put more": m.put, "fill": m.fill,
		"late attempt": m.lateAttempt, "delete file": m.deleteFile, "complete": m.complete, "end": m.end,
		"restore": m.restore, "sweep": m.sweep, "read": m.read,
	}
	if !m.f.lastWins { // the recorded attempt is still there
		delete(actions, "late attempt")
	}
	for name, run := range actions {
		actions[name] = func(t *rapid.T) {
			m.fault(t)
			if name == "late attempt" || name == "read" { // the test's own work
				defer m.f.faults.set(nil)
				run(t)
				return
			}
			m.doomed(t, run)
		}
	}
	actions["crash"] = func(*rapid.T) { m.f.Service = m.f.service() }
	actions["wait"] = func(t *rapid.T) {
		m.f.clk.forward(rapid.SampledFrom([]time.Duration{time.Second, time.Minute, 5 * time.Minute, time.Hour, 25 * time.Hour, 3 * 24 * time.Hour}).Draw(t, "time"))
	}
	actions[""] = m.check
	return actions
}

// fault lets, now and then, one step of the store fail or lose its answer.
func (m *model) fault(t *rapid.T) {
	ops := []blob.Op{blob.OpPut, blob.OpCreateUpload, blob.OpPutPart, blob.OpComplete, blob.OpHead, blob.OpParts, blob.OpAbort, blob.OpDelete, blob.OpRange}
	if rapid.IntRange(0, 2).Draw(t, "faulty") == 0 {
		m.f.faults.once(rapid.SampledFrom(ops).Draw(t, "step"), rapid.SampledFrom([]blob.When{blob.Before, blob.After}).Draw(t, "when"))
	}
}

// allow fails the run at an error that the step does not allow.
func allow(t *rapid.T, what string, err error, allowed ...error) {
	if err != nil && !isAny(err, allowed...) {
		t.Fatalf("%s: %v", what, err)
	}
}

func (m *model) start(t *rapid.T) {
	if len(m.transfers) < 3 {
		m.transfers = append(m.transfers, &modelTransfer{begun: m.f.beginOn(t, "property"), state: Receiving})
	}
}

// pick draws a transfer, nil while there is none.
func (m *model) pick(t *rapid.T) *modelTransfer {
	if len(m.transfers) == 0 {
		return nil
	}
	return rapid.SampledFrom(m.transfers).Draw(t, "transfer")
}

// pickFile draws a file, nil where there is none.
func (m *model) pickFile(t *rapid.T) (*modelTransfer, *modelFile) {
	tr := m.pick(t)
	if tr == nil || len(tr.files) == 0 {
		return tr, nil
	}
	return tr, rapid.SampledFrom(tr.files).Draw(t, "file")
}

// ended are the answers of a transfer that takes nothing any more.
var ended = []error{ErrTransferEnded, ErrTransferExpired, ErrTransferMissing, ErrFileMissing}

func (m *model) declare(t *rapid.T) {
	tr := m.pick(t)
	if tr == nil {
		return
	}
	var in []NewFile
	for range rapid.IntRange(1, 3).Draw(t, "files") {
		in = append(in, NewFile{
			Path:     rapid.SampledFrom([]string{"a", "b", "a/c", "d/e", "d/f", "g"}).Draw(t, "path"),
			Size:     rapid.SampledFrom([]int64{0, 1, 90, 250, 300, m.f.unit + 1}).Draw(t, "size"),
			Modified: ptr(time.Unix(1, 0)),
		})
	}
	d, err := m.f.Declare(t.Context(), tr.Access, tr.id, in)
	allow(t, "declare", err, append(ended, account.ErrQuotaExceeded)...)
	for _, e := range d.Errors {
		allow(t, "declare "+e.Path, e.Err, ErrPathTaken)
	}
	for _, x := range d.Files {
		if slices.ContainsFunc(tr.files, func(f *modelFile) bool { return f.ID == x.File.ID }) {
			continue
		}
		tr.files = append(tr.files, m.declared(t, x.File))
	}
}

// declared makes a file known, cut into small parts if it is larger than one.
func (m *model) declared(t *rapid.T, f File) *modelFile {
	m.f.death.set(0)
	file := &modelFile{File: f, parts: map[int]*modelPart{}}
	if file.Size > m.f.unit {
		m.f.exec(t, "UPDATE files SET part_size = $2, part_count = $3 WHERE id = $1", file.ID, m.f.unit, seal.PartCount(file.Size, m.f.unit))
		file.File = m.f.row(t, file.ID)
	}
	return file
}

// put sends a part, or a repeat, or another body under its number, or a body
// that breaks off.
func (m *model) put(t *rapid.T) {
	tr, file := m.pickFile(t)
	if file == nil || file.Size == 0 {
		return
	}
	n := rapid.IntRange(1, file.PartCount).Draw(t, "part")
	body := partOf(file.File, n)
	kind := rapid.SampledFrom([]string{"right", "right", "right", "other", "cut"}).Draw(t, "body")
	if kind == "other" {
		body = other(body)
	}
	var reader io.Reader = bytes.NewReader(body)
	if kind == "cut" {
		reader = bytes.NewReader(body[:len(body)-1])
	}
	r, err := m.f.send(t.Context(), tr.begun, file.File, n, reader)
	allow(t, "put", err, append(ended, ErrStorageUnavailable, ErrPartConflict, ErrBodyShort, account.ErrQuotaExceeded)...)
	known := file.parts[n]
	switch {
	case err == nil && kind == "cut":
		t.Fatalf("a body that broke off was acknowledged: %+v", r)
	case err == nil && known == nil:
		file.parts[n] = &modelPart{body: body, sent: body}
	case err == nil && !known.sameBytes(body):
		t.Fatalf("I1: part %d of %s is acknowledged with other bytes", n, file.Path)
	case errors.Is(err, ErrPartConflict) && known == nil:
		t.Fatalf("conflict with a part that was never acknowledged")
	}
	if err == nil && r.Part.CRC32 != crcOf(body) {
		t.Fatalf("receipt of CRC %08x for bytes of %08x", r.Part.CRC32, crcOf(body))
	}
}

// fill sends what is missing of a file.
func (m *model) fill(t *rapid.T) {
	if tr, file := m.pickFile(t); file != nil {
		m.sendMissing(t, tr, file)
	}
}

func (m *model) sendMissing(t *rapid.T, tr *modelTransfer, file *modelFile) {
	for n := 1; n <= file.PartCount; n++ {
		if file.parts[n] != nil {
			continue
		}
		body := partOf(file.File, n)
		_, err := put(t.Context(), m.f.Service, tr.Access, file.File, n, body)
		allow(t, "missing part", err, append(ended, ErrStorageUnavailable, account.ErrQuotaExceeded)...)
		if err == nil {
			file.parts[n] = &modelPart{body: body, sent: body}
		}
	}
}

// lateAttempt replaces a recorded part in the bucket, as a second body does
// whose transaction comes too late.
func (m *model) lateAttempt(t *rapid.T) {
	var begun []*modelFile
	for _, tr := range m.transfers {
		for _, file := range tr.files {
			if !file.deleted && len(file.parts) > 0 && len(file.parts) < file.PartCount {
				begun = append(begun, file)
			}
		}
	}
	if len(begun) == 0 {
		return
	}
	m.f.faults.set(nil)
	file := rapid.SampledFrom(begun).Draw(t, "file")
	rows, err := queryAll(t.Context(), m.f.db, scanFile, "SELECT"+fileColumns+" FROM files WHERE id = $1 AND upload_id IS NOT NULL AND state = 'receiving'", file.ID)
	if err != nil {
		t.Fatal(err)
	}
	n := slices.Sorted(maps.Keys(file.parts))[0]
	if p := file.parts[n]; len(rows) == 1 && m.keysStand(t, file) {
		p.body = other(p.body)
		m.f.attempt(t, rows[0], n, p.body)
	}
}

// keysStand tells whether the file's key was not shredded yet.
func (m *model) keysStand(t *rapid.T, file *modelFile) bool {
	return m.f.number(t, "SELECT COUNT(*) FROM file_keys WHERE file_id = $1", file.ID) == 1
}

func (m *model) deleteFile(t *rapid.T) {
	tr, file := m.pickFile(t)
	if file == nil {
		return
	}
	err := m.f.DeleteFile(t.Context(), tr.Access, file.ID)
	allow(t, "delete file", err, ended...)
	file.deleted = file.deleted || err == nil
}

func (m *model) complete(t *rapid.T) {
	tr := m.pick(t)
	if tr == nil {
		return
	}
	_, err := m.f.CompleteTransfer(t.Context(), tr.Access, tr.id, tr.token, guest)
	allow(t, "complete", err, append(ended, ErrTransferEmpty, ErrTransferIncomplete, ErrStillSealing)...)
	if err == nil {
		tr.state = Complete
	}
}

// end aborts or deletes, seldom, so that most transfers live to be completed.
func (m *model) end(t *rapid.T) {
	tr := m.pick(t)
	if tr == nil {
		return
	}
	switch rapid.IntRange(0, 7).Draw(t, "end") {
	case 0:
		err := m.f.AbortTransfer(t.Context(), tr.Access, tr.id, guest)
		allow(t, "abort", err, ended...)
		if err == nil {
			tr.state = Aborted
		}
	case 1, 2:
		err := m.f.DeleteTransfer(t.Context(), m.f.studio.ID, tr.id, Client{})
		allow(t, "delete", err, ended...)
	}
}

func (m *model) restore(t *rapid.T) {
	if tr := m.pick(t); tr != nil {
		_, err := m.f.RestoreTransfer(t.Context(), m.f.studio.ID, tr.id, Client{})
		allow(t, "restore", err, ended...)
	}
}

func (m *model) sweep(t *rapid.T) {
	allow(t, "sweep", m.f.Sweep(t.Context()), ErrStorageUnavailable)
}

// read holds a stored file against what the bucket got last of each part.
func (m *model) read(t *rapid.T) {
	m.f.faults.set(nil)
	if _, file := m.pickFile(t); file != nil {
		m.compare(t, file)
	}
}

func (m *model) compare(t *rapid.T, file *modelFile) {
	o, err := m.f.OpenFile(t.Context(), m.f.own(), file.ID)
	if isAny(err, ErrFileMissing, ErrFileNotReady) {
		return
	}
	allow(t, "open", err)
	got, err := io.ReadAll(o)
	allow(t, "read", errors.Join(err, o.Close()))
	var want []byte
	for n := 1; n <= file.PartCount; n++ {
		if file.parts[n] == nil {
			t.Fatalf("I2: %s is stored without part %d being acknowledged", file.Path, n)
		}
		want = append(want, file.parts[n].body...)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("I1: %s came back different", file.Path)
	}
}

// check is what holds after every step: the counters, and that nothing
// acknowledged was lost.
func (m *model) check(t *rapid.T) {
	m.f.checkRows(t)
	m.checkBorne(t)
	for _, tr := range m.transfers {
		row, err := scanTransferRow(m.f.db.QueryRowContext(t.Context(), anyTransferByID, tr.id))
		if err != nil {
			t.Fatal(err)
		}
		if tr.state == Complete && row.State == Receiving || tr.state == Aborted && row.State != Aborted && row.State != Purged {
			t.Fatalf("a transfer went from %s to %s", tr.state, row.State)
		}
		if row.State == Receiving || row.State == Complete {
			for _, file := range tr.files {
				m.checkAcknowledged(t, file)
			}
		}
	}
}

func (m *model) checkAcknowledged(t *rapid.T, file *modelFile) {
	if file.deleted {
		return
	}
	parts, err := queryAll(t.Context(), m.f.db, scanPartRow, partsOfFile, file.ID)
	if err != nil {
		t.Fatal(err)
	}
	var have []string
	for _, p := range parts {
		have = append(have, fmt.Sprint(p.number))
	}
	for n := range file.parts {
		if !slices.Contains(have, fmt.Sprint(n)) {
			t.Fatalf("I1: part %d of %s was acknowledged and is lost; there are %v", n, file.Path, have)
		}
	}
}

// finish sends what is missing, completes what still receives and compares;
// then everything ends, and nothing may be left of it.
func (m *model) finish(t *rapid.T) {
	m.f.clk.forward(time.Hour)
	m.sweep(t)
	m.quiet(t)
	for _, tr := range m.transfers {
		for _, file := range tr.files {
			m.sendMissing(t, tr, file)
			m.compare(t, file)
		}
	}
	m.check(t)
	for range 3 {
		m.f.purgeAll(t)
	}
	m.f.wantBucket(t, 0, 0)
	m.f.wantBorne(t, 0, 0)
}
