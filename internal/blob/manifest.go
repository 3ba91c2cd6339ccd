package blob

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"strconv"
)

// A manifest names the parts of a multipart object in a directory, one line
// each, all of manifestLine bytes, so that the line for an offset is found
// without reading the rest:
//
//	v1 <upload id, 32 hex> <parts, 5 digits> <bytes, 16 digits>
//	<number, 5 digits>.<attempt, 32 hex> <end offset, 19 digits>
const (
	manifestName = "manifest"
	manifestLine = 59
)

var errManifest = errors.New("damaged manifest")

// isUnreadable tells whether a manifest is there and makes no sense. A disk that
// could not be read just now is another matter.
func isUnreadable(err error) bool {
	_, failed := errors.AsType[*fs.PathError](err)
	return errors.Is(err, errManifest) && !failed
}

// manifest is what Complete writes.
type manifest struct {
	id      string
	size    int64
	entries []manifestEntry
}

// manifestEntry is one part: its bytes end before end in the object.
type manifestEntry struct {
	number  int
	attempt string
	end     int64
}

func (m *manifest) write(f *os.File) error {
	w := bufio.NewWriterSize(f, 32<<10)
	fmt.Fprintf(w, "v1 %s %05d %016d\n", m.id, len(m.entries), m.size)
	for _, e := range m.entries {
		fmt.Fprintf(w, "%05d.%s %019d\n", e.number, e.attempt, e.end)
	}
	return w.Flush()
}

// openedManifest is one that is being read, a line at a time.
type openedManifest struct {
	f     *os.File
	info  os.FileInfo
	id    string
	parts int
	size  int64
}

// openManifest reads the first line. A missing object or manifest is
// fs.ErrNotExist; so is a plain object, which has none.
func (d *dir) openManifest(key string) (*openedManifest, error) {
	f, err := d.root.Open(key + "/" + manifestName)
	if err != nil {
		return nil, notFolder(err)
	}
	m := &openedManifest{f: f}
	if err := m.readHead(); err != nil {
		return nil, errors.Join(fmt.Errorf("%w of %s: %w", errManifest, key, err), f.Close())
	}
	return m, nil
}

func (m *openedManifest) readHead() (err error) {
	if m.info, err = m.f.Stat(); err != nil {
		return err
	}
	line, err := m.line(0)
	if err != nil {
		return err
	}
	m.id = line[3:35]
	parts, err1 := strconv.ParseUint(line[36:41], 10, 31)
	size, err2 := strconv.ParseUint(line[42:58], 10, 63)
	m.parts, m.size = int(parts), int64(size)
	switch {
	case err1 != nil || err2 != nil || line[:3] != "v1 " || line[35] != ' ' || line[41] != ' ' || !isHex(m.id):
		return errors.New("first line")
	case m.info.Size() != int64(manifestLine*(1+m.parts)):
		return fmt.Errorf("%d bytes for %d parts", m.info.Size(), m.parts)
	}
	last, err := m.entry(m.parts - 1)
	if err == nil && last.end != m.size {
		err = errors.New("size")
	}
	return err
}

// entry reads the i-th part, from 0. Before the first there is the empty one.
func (m *openedManifest) entry(i int) (manifestEntry, error) {
	if i < 0 {
		return manifestEntry{}, nil
	}
	line, err := m.line(1 + i)
	if err != nil {
		return manifestEntry{}, fmt.Errorf("%w: %w", errManifest, err)
	}
	return parseEntry(line, i)
}

func parseEntry(line string, i int) (manifestEntry, error) {
	number, err1 := strconv.ParseUint(line[:5], 10, 31)
	end, err2 := strconv.ParseInt(line[39:58], 10, 64)
	e := manifestEntry{number: int(number), attempt: line[6:38], end: end}
	if err1 != nil || err2 != nil || line[5] != '.' || line[38] != ' ' || !isHex(e.attempt) ||
		e.number < 1 || e.number > MaxParts || e.end < 0 {
		return manifestEntry{}, fmt.Errorf("%w: line %d", errManifest, 2+i)
	}
	return e, nil
}

// entries reads the parts in their order, many lines at a time.
func (m *openedManifest) entries() iter.Seq2[manifestEntry, error] {
	return func(yield func(manifestEntry, error) bool) {
		lines := io.NewSectionReader(m.f, manifestLine, int64(m.parts)*manifestLine)
		r := bufio.NewReaderSize(lines, 32<<10)
		var line [manifestLine]byte
		for i := range m.parts {
			_, err := io.ReadFull(r, line[:])
			if err == io.EOF || err == io.ErrUnexpectedEOF || err == nil && line[manifestLine-1] != '\n' {
				err = fmt.Errorf("%w: line %d", errManifest, 2+i)
			}
			var e manifestEntry
			if err == nil {
				e, err = parseEntry(string(line[:]), i)
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

func (m *openedManifest) line(i int) (string, error) {
	var line [manifestLine]byte
	if _, err := m.f.ReadAt(line[:], int64(i)*manifestLine); err != nil {
		if err == io.EOF {
			err = errors.New("cut short")
		}
		return "", err
	}
	if line[manifestLine-1] != '\n' {
		return "", fmt.Errorf("line %d", 1+i)
	}
	return string(line[:]), nil
}

// find is the part that holds the byte at off, and where the part begins.
func (m *openedManifest) find(off int64) (i int, start int64, err error) {
	low, high := 0, m.parts
	for low < high {
		mid := (low + high) / 2
		e, err := m.entry(mid)
		if err != nil {
			return 0, 0, err
		}
		if e.end > off {
			high = mid
		} else {
			low = mid + 1
		}
	}
	before, err := m.entry(low - 1)
	return low, before.end, err
}

func (m *openedManifest) Close() error { return m.f.Close() }
