package archive

import (
	"encoding/binary"
	"fmt"
	"strings"
)

// appendEdits appends what makes name of safe, of which it differs in the
// numbers of a few segments: the number of edits, and for each how many bytes
// to keep, how many to drop, and what to put there. Both have as many segments.
func appendEdits(b []byte, safe, name string) (edited []byte, count int) {
	if safe == name {
		return append(b, 0), 0
	}
	var edits []byte
	keep := 0
	from, to := strings.Split(safe, "/"), strings.Split(name, "/")
	for i, old := range from {
		if old == to[i] {
			keep += len(old) + 1
			continue
		}
		before := samePrefix(old, to[i])
		after := sameSuffix(old[before:], to[i][before:])
		put := to[i][before : len(to[i])-after]
		edits = binary.AppendUvarint(edits, uint64(keep+before))
		edits = binary.AppendUvarint(edits, uint64(len(old)-before-after))
		edits = binary.AppendUvarint(edits, uint64(len(put)))
		edits = append(edits, put...)
		keep = after + 1
		count++
	}
	return append(binary.AppendUvarint(b, uint64(count)), edits...), count
}

// applyEdits returns the name that appendEdits began b with, and the rest of b.
func applyEdits(b []byte, safe string) (name string, rest []byte, err error) {
	r := editReader{b: b}
	var made strings.Builder
	for range r.number() {
		keep, drop, put := r.number(), r.number(), r.number()
		if r.failed || keep+drop > len(safe) || put > len(r.b) {
			r.failed = true
			break
		}
		made.WriteString(safe[:keep])
		made.Write(r.b[:put])
		safe, r.b = safe[keep+drop:], r.b[put:]
	}
	if r.failed {
		return "", nil, fmt.Errorf("number a name: %w", ErrChanged)
	}
	made.WriteString(safe)
	return made.String(), r.b, nil
}

// editReader reads numbers from b.
type editReader struct {
	b      []byte
	failed bool
}

// number returns the next number. No length in an edit is above 65,535.
func (r *editReader) number() int {
	n, used := binary.Uvarint(r.b)
	if used <= 0 || n > max16 {
		r.failed = true
		return 0
	}
	r.b = r.b[used:]
	return int(n)
}

func samePrefix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}

func sameSuffix(a, b string) int {
	n := 0
	for n < min(len(a), len(b)) && a[len(a)-1-n] == b[len(b)-1-n] {
		n++
	}
	return n
}
