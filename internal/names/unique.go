package names

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// numberRoom is what a numbered name keeps free for its number, the same for every number, so that all duplicates
// of one name share one counter.
const numberRoom = len(" (4294967295)")

// Unique gives every path of a list a safe name that differs from all others also where file systems ignore case
// and normalisation, and never lets a file and a folder share a name. The zero value is ready. It is not safe for
// concurrent use.
//
// It keeps eight bytes of SHA-256 for each file and folder, not the names: some 30 bytes a path. Two equal names
// never come out; a name is numbered without need once in some 36 million lists of a million paths.
type Unique struct {
	taken map[uint64]kind
	tried map[uint64]uint32 // by the name without its number: the number that was given last
}

// kind is what holds a name; the zero value is nothing.
type kind byte

const (
	file   kind = 'f'
	folder kind = 'd'
)

// Name returns Safe(path), with " (2)" and so on before the extension of a segment whose name is taken: a file's
// by any earlier file or folder, a folder's by an earlier file. The same calls in the same order give the same
// names on every machine.
func (u *Unique) Name(path string) string {
	if u.taken == nil {
		u.taken, u.tried = map[uint64]kind{}, map[uint64]uint32{}
	}
	segments := strings.Split(Safe(path), "/")
	last := len(segments) - 1
	parent := uint64(0)
	for i, segment := range segments[:last] {
		segments[i], parent = u.place(parent, segment, folder)
	}
	segments[last], _ = u.place(parent, segments[last], file)
	return strings.Join(segments, "/")
}

// place takes the first free name for a segment below parent, and returns it with the hash that stands for it as a
// parent. The last number is remembered, so that n duplicates cost n steps and not n squared.
func (u *Unique) place(parent uint64, segment string, as kind) (name string, hash uint64) {
	if hash = hashName(parent, segment); u.take(hash, as) {
		return segment, hash
	}
	stem, extension := splitExtension(segment)
	stem = cut(stem, MaxSegment-numberRoom-len(extension))
	counter := hashName(parent, string(as)+"\x00"+stem+"\x00"+extension)
	for number := max(u.tried[counter], 2); ; number++ {
		name = stem + " (" + strconv.FormatUint(uint64(number), 10) + ")" + extension
		if hash = hashName(parent, name); u.take(hash, as) {
			u.tried[counter] = number
			return name, hash
		}
	}
}

// take claims a name, and reports whether it was free. A folder may be taken again: another file lies in it.
func (u *Unique) take(hash uint64, as kind) bool {
	held := u.taken[hash]
	if held == 0 {
		u.taken[hash] = as
	}
	return held == 0 || held == folder && as == folder
}

// hashName hashes a segment without regard to case and normalisation, below the hash of its parent. SHA-256, so
// that nobody can choose names that collide in number.
func hashName(parent uint64, segment string) uint64 {
	seed := binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(segment)), parent)
	sum := sha256.Sum256(append(seed, fold(segment)...))
	return binary.BigEndian.Uint64(sum[:])
}

// fold maps names to one text that any common file system may take for the same name: decomposed, each character
// replaced by the least one of its simple case folding.
func fold(name string) string {
	return norm.NFD.String(strings.Map(leastCase, norm.NFD.String(name)))
}

func leastCase(r rune) rune {
	if r < utf8.RuneSelf {
		return unicode.ToUpper(r)
	}
	least := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		least = min(least, next)
	}
	return least
}
