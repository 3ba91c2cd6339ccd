package client

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"

	"github.com/lenzeye/lenzeye/internal/api"
)

// arrived is what name.part.json holds: which file this is, and which of its
// pieces are in name.part.
type arrived struct {
	ID     string     `json:"id"`
	Size   int64      `json:"size"`
	CRC32  *api.CRC32 `json:"crc32"`
	Piece  int64      `json:"piece_size"`
	Pieces [][2]int   `json:"pieces"` // runs [first, last], sorted
}

// openPart opens what the file grows in, with what it holds if it is of this file.
// The note is there before the first byte, so that name.part is never taken for
// somebody else's.
func (w *fetchWork) openPart(dir *os.Root) error {
	w.state = arrived{ID: w.id, Size: w.Size, CRC32: &w.crc, Piece: pieceSize}
	if err := dir.MkdirAll(path.Dir(w.part), 0o777); err != nil {
		return &LocalError{err}
	}
	before, err := w.claimPart(dir)
	if err != nil {
		return &LocalError{err}
	}
	if w.continues(before) {
		w.state.Pieces = before.Pieces
	} else if err := w.writeNote(dir); err != nil {
		return &LocalError{err}
	}
	f, err := openRegular(dir, w.part, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return &LocalError{err}
	}
	size := int64(0)
	if len(w.state.Pieces) > 0 {
		size, err = f.Seek(0, io.SeekEnd)
	} else {
		err = f.Truncate(0)
	}
	if err != nil {
		_ = f.Close() // nothing was written
		return &LocalError{err}
	}
	if n := len(w.state.Pieces); n > 0 && size < min(w.Size, int64(w.state.Pieces[n-1][1]+1)*pieceSize) {
		w.state.Pieces = nil // somebody shortened it
	}
	w.f = f
	return nil
}

// claimPart gives the note of an earlier run, empty where there is none. Where
// something else stands under name.part, or where its note belongs, like another
// download that has not ended, that stays as it is, and this file grows under its
// id, which is nobody else's name.
func (w *fetchWork) claimPart(dir *os.Root) (before arrived, err error) {
	if before := readArrived(dir, w.idPartName()+".json"); w.continues(before) {
		w.part = w.idPartName() // whatever made it grow there may be gone
		return before, nil
	}
	if before := readArrived(dir, w.part+".json"); before.ID == w.id {
		return before, nil
	}
	for _, name := range []string{w.part, w.part + ".json"} {
		_, err := dir.Lstat(name)
		switch {
		case err == nil && w.part != w.idPartName():
			w.part = w.idPartName()
			return arrived{}, nil
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return arrived{}, err
		}
	}
	return arrived{}, nil
}

// continues tells whether what an earlier run noted is of this very file, and
// makes sense.
func (w *fetchWork) continues(before arrived) bool {
	if before.ID != w.id || before.Size != w.Size || before.Piece != pieceSize || before.CRC32 == nil || *before.CRC32 != w.crc {
		return false
	}
	next := 0
	for _, run := range before.Pieces {
		if run[0] < next || run[1] < run[0] || run[1] >= w.count {
			return false
		}
		next = run[1] + 1
	}
	return true
}

// readArrived reads the note of an earlier run, empty where there is none that makes
// sense.
func readArrived(dir *os.Root, name string) (a arrived) {
	f, err := openRegular(dir, name, os.O_RDONLY)
	if err != nil {
		return a
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxNote)).Decode(&a); err != nil {
		return arrived{}
	}
	return a
}

// maxNote is more than the note of a file of 5 TiB can have, all of whose other
// pieces arrived.
const maxNote = 16 << 20

// note writes down that a piece has arrived. A file of one piece is done next.
func (w *fetchWork) note(dir *os.Root, n int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state.Pieces = addPiece(w.state.Pieces, n)
	if w.count == 1 {
		return nil
	}
	return w.writeNote(dir)
}

func (w *fetchWork) writeNote(dir *os.Root) error {
	text, err := json.Marshal(w.state)
	if err != nil {
		return err
	}
	name := w.part + ".json"
	f, err := openRegular(dir, name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err == nil && len(w.state.Pieces) == 0 && w.count > 1 {
		err = f.Sync() // the first: later ones take the place of one that is whole
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return dir.Rename(name+".new", name)
}

// tidy removes what an earlier run noted of a file that is whole: it may have ended
// between giving it its name and this.
func (w *fetchWork) tidy(dir *os.Root) error {
	for _, part := range []string{w.part, w.idPartName()} {
		before := readArrived(dir, part+".json")
		if !w.continues(before) {
			continue // none, or somebody else's
		}
		if err := remove(dir, part+".json"); err != nil {
			return &LocalError{err}
		}
	}
	return nil
}

// addPiece adds n to sorted, disjoint and merged runs.
func addPiece(runs [][2]int, n int) [][2]int {
	out := make([][2]int, 0, len(runs)+1)
	added := [2]int{n, n}
	for _, run := range runs {
		switch {
		case run[1] < added[0]-1:
			out = append(out, run)
		case run[0] > added[1]+1:
			out = append(out, added)
			added = run
		default:
			added = [2]int{min(run[0], added[0]), max(run[1], added[1])}
		}
	}
	return append(out, added)
}
