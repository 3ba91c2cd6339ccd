package client

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/lenzeye/lenzeye/internal/api"
	"github.com/lenzeye/lenzeye/internal/names"
)

// Wanted is a file to fetch, made by a Naming. Many are held at once, so it is
// small.
type Wanted struct {
	Path string // in the share
	Name string // below the folder, with slashes
	Size int64

	modified int64 // in milliseconds, or undated
	uuid     [16]byte
	odd      *string // an id that is no UUID
	byID     *bool   // of the whole list: what grows is called by its id
	crc      api.CRC32
	hasCRC   bool
}

const undated = math.MinInt64

// ID is the file's id.
func (w *Wanted) ID() string {
	if w.odd != nil {
		return *w.odd
	}
	return textOfID(w.uuid)
}

// Sum is the checksum that the share gives, if it does.
func (w *Wanted) Sum() (crc api.CRC32, ok bool) { return w.crc, w.hasCRC }

// partName is what the file is called until it is whole: name.part, or the file's
// id where that would be too long, or the name of another file or folder.
func (w *Wanted) partName() string {
	if w.byID != nil && *w.byID || len(path.Base(w.Name)) > names.MaxSegment-len(".part.json.new") {
		return w.idPartName()
	}
	return w.Name + ".part"
}

// idPartName is what it is called where name.part will not do. What a server gives
// instead of a UUID is no name, so its hash is taken.
func (w *Wanted) idPartName() string {
	id := w.uuid
	if w.odd != nil {
		sum := sha256.Sum256([]byte(*w.odd))
		id = [16]byte(sum[:])
	}
	return path.Join(path.Dir(w.Name), textOfID(id)+".part")
}

// Naming gives the files of a share names that any file system can hold and tell
// apart. The same list gives the same names, so it takes all of them, in order,
// also where some only are wanted, and before the first is fetched.
type Naming struct {
	unique names.Unique
	byID   *bool
}

// Name is the next file of the list.
func (n *Naming) Name(f api.SharedFile) Wanted {
	if n.byID == nil {
		n.byID = new(bool)
	}
	w := Wanted{Path: f.Path, Name: n.unique.Name(f.Path), Size: f.Size, modified: undated, byID: n.byID}
	if w.Name == w.Path {
		w.Name = w.Path // held once
	}
	if f.Modified != nil {
		w.modified = f.Modified.UnixMilli()
	}
	if f.CRC32 != nil {
		w.crc, w.hasCRC = *f.CRC32, true
	}
	var ok bool
	if w.uuid, ok = parseID(f.ID); !ok {
		id := f.ID
		w.odd = &id
	}
	if slices.ContainsFunc(strings.Split(strings.ToLower(w.Name), "/"), isPartName) {
		*n.byID = true
	}
	return w
}

func isPartName(lower string) bool {
	return slices.ContainsFunc([]string{".part", ".part.json", ".part.json.new"},
		func(ending string) bool { return strings.HasSuffix(lower, ending) })
}

// date is when the file was modified, zero if nobody knows.
func (w *Wanted) date() time.Time {
	if w.modified == undated {
		return time.Time{}
	}
	return time.UnixMilli(w.modified)
}

// parseID reads an id that is a UUID as the server writes it, which takes a third
// of the room.
func parseID(text string) (id [16]byte, ok bool) {
	plain := strings.ReplaceAll(text, "-", "")
	n, err := hex.Decode(id[:], []byte(plain)[:min(len(plain), 32)])
	return id, err == nil && n == 16 && textOfID(id) == text
}

func textOfID(id [16]byte) string {
	text := hex.EncodeToString(id[:])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
