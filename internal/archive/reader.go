package archive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// copyBuffer is for content that does not write itself.
const copyBuffer = 64 << 10

// Reader reads an archive from any offset: an io.ReadSeekCloser and
// io.WriterTo. It is lazy: nothing is asked for before the first Read. Content
// is opened when reading comes to it, to the limit or its end, and is read on
// as long as reading goes on where it stopped. After an error reads fail with
// it until the next Seek, which allows a new attempt. Not for concurrent use.
type Reader struct {
	ctx     context.Context // io.Reader has no room for one
	plan    *Plan
	src     Source
	invalid error // set when closed
	err     error // how the last read failed

	off, end int64 // the next byte to give, and where to stop
	page     page
	loaded   int    // index of the page, or -1
	head     []byte // room for a local header
	buf      []byte

	stream     io.ReadCloser // nil when there is none
	key        int64         // of the file that the stream is of
	next, stop int64         // archive offsets that the stream has still to give
}

// Reader returns a reader at offset 0. src is the Source that was planned, or
// another of the same manifest; if it is not the same, reads fail with
// ErrChanged. ctx is for all calls of src.
func (p *Plan) Reader(ctx context.Context, src Source) *Reader {
	return &Reader{ctx: ctx, plan: p, src: src, end: p.Size(), loaded: -1}
}

// Limit says that at most n more bytes will be read from the current offset,
// so that content is asked for exactly these. Reads end in io.EOF there. A Seek
// lifts the limit.
func (r *Reader) Limit(n int64) {
	left := max(0, r.plan.Size()-r.off)
	r.end = r.off + min(max(0, n), left)
}

// Err returns the error, io.EOF aside, in which the last read failed. It lets
// a caller that reads through something else, such as http.ServeContent, see
// that the bytes broke off.
func (r *Reader) Err() error {
	if r.invalid != nil {
		return r.invalid
	}
	return r.err
}

// Read gives bytes from the current offset, never of two files at once.
func (r *Reader) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	held, err := r.ready()
	if err != nil {
		return 0, err
	}
	if held != nil {
		n := copy(p, held)
		r.off += int64(n)
		return n, nil
	}
	n, err := r.stream.Read(p[:min(int64(len(p)), r.available())])
	r.move(int64(n))
	if err == nil || r.stream == nil {
		return n, nil
	}
	r.broke(err)
	if n > 0 {
		return n, nil // these bytes are good; the next read fails
	}
	return 0, r.err
}

// WriteTo writes the bytes from the current offset to the limit or the end to
// w. An error of w is returned as it is.
func (r *Reader) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		held, err := r.ready()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		var n int64
		if held != nil {
			n, err = writeAll(w, held)
			r.off += n
		} else {
			n, err = r.copyContent(w)
		}
		total += n
		if err != nil {
			return total, err
		}
	}
}

// Seek sets the offset of the next Read. It asks for nothing. An offset behind
// the end is allowed and reads io.EOF.
func (r *Reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.off
	case io.SeekEnd:
		offset += r.plan.Size()
	default:
		return r.off, fmt.Errorf("seek in an archive: whence %d: %w", whence, fs.ErrInvalid)
	}
	if offset < 0 {
		return r.off, fmt.Errorf("seek in an archive: negative offset: %w", fs.ErrInvalid)
	}
	r.off, r.end, r.err = offset, r.plan.Size(), nil
	return offset, nil
}

// Close drops the open content. Reads after it fail with fs.ErrClosed.
func (r *Reader) Close() error {
	r.invalid = fmt.Errorf("read an archive: %w", fs.ErrClosed)
	return r.drop()
}

// ready returns the bytes at the current offset if they are of a header, up to
// the limit, and nil if they are of content, with the stream standing there.
func (r *Reader) ready() ([]byte, error) {
	if err := r.Err(); err != nil {
		return nil, err
	}
	if r.off >= r.end {
		return nil, io.EOF
	}
	if r.stream != nil && r.next == r.off {
		return nil, nil
	}
	_ = r.drop() // a stream that we no longer want has nothing to tell
	start, held, err := r.locate()
	if err != nil {
		r.err = err
		return nil, err
	}
	if held == nil {
		return nil, nil
	}
	return held[r.off-start : min(r.end-start, int64(len(held)))], nil
}

// locate returns the header or run of headers that the current offset lies in,
// and where it starts; where that is content it opens the content instead.
func (r *Reader) locate() (start int64, held []byte, err error) {
	p := r.plan
	switch {
	case r.off >= p.endAt:
		return p.endAt, p.end, nil
	case r.off >= p.central:
		index := p.centralPage(r.off - p.central)
		err := r.load(index)
		return p.central + p.checkpoints[index].central, r.page.central, err
	}
	if err := r.load(p.localPage(r.off)); err != nil {
		return 0, nil, err
	}
	i := r.page.at(r.off)
	h := &r.page.headers[i]
	content := h.offset + h.localLen()
	if r.off < content {
		r.head = h.appendLocal(r.head[:0])
		return h.offset, r.head, nil
	}
	return 0, nil, r.open(r.page.entries[i], content)
}

// load makes the page of an index the one held.
func (r *Reader) load(index int) error {
	if r.loaded == index {
		return nil
	}
	r.loaded = -1
	if err := r.page.load(r.ctx, r.plan, r.src, index); err != nil {
		return err
	}
	r.loaded = index
	return nil
}

// open opens the content of e, which begins at an offset, from the current
// offset to the limit or its end.
func (r *Reader) open(e Entry, start int64) error {
	stop := min(start+e.Size, r.end)
	stream, err := r.src.Open(r.ctx, e, r.off-start, stop-r.off)
	if err != nil {
		return fmt.Errorf("open content of file %d of an archive: %w", e.Key, err)
	}
	r.stream, r.key, r.next, r.stop = stream, e.Key, r.off, stop
	return nil
}

// available is how much of the stream may be given: a limit may have been set
// since it was opened.
func (r *Reader) available() int64 { return min(r.stop, r.end) - r.off }

// move counts bytes that the stream gave, and drops it behind its last.
func (r *Reader) move(n int64) {
	r.off += n
	r.next += n
	if r.next >= r.stop {
		_ = r.drop() // all of it came
	}
}

// broke notes that the stream ended where it should not have.
func (r *Reader) broke(err error) {
	_ = r.drop() // reading failed already; that is the error to tell
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	r.err = fmt.Errorf("read content of file %d of an archive: %w", r.key, err)
}

// copyContent writes what is available of the stream to w, and is done with the
// stream then: it may have read ahead.
func (r *Reader) copyContent(w io.Writer) (int64, error) {
	out := &exactWriter{w: w, left: r.available()}
	var err error
	if from, ok := r.stream.(io.WriterTo); ok {
		_, err = from.WriteTo(out)
	} else {
		if r.buf == nil {
			r.buf = make([]byte, copyBuffer)
		}
		_, err = io.CopyBuffer(out, io.LimitReader(r.stream, out.left), r.buf)
	}
	r.move(out.written)
	switch {
	case out.err != nil:
		err = out.err
	case out.left == 0:
		err = nil
	case err == nil:
		r.broke(io.EOF)
		err = r.err
	default:
		r.broke(err)
		err = r.err
	}
	_ = r.drop() // what it gave is counted
	return out.written, err
}

// drop closes the stream, if there is one.
func (r *Reader) drop() error {
	if r.stream == nil {
		return nil
	}
	err := r.stream.Close()
	r.stream = nil
	if err != nil {
		return fmt.Errorf("close content of file %d of an archive: %w", r.key, err)
	}
	return nil
}

// errFull tells content that writes itself that it wrote enough.
var errFull = errors.New("all bytes that were asked for came")

// exactWriter passes on at most left bytes, and tells errors of w from those of
// what writes to it.
type exactWriter struct {
	w             io.Writer
	left, written int64
	err           error // of w
}

func (e *exactWriter) Write(p []byte) (int, error) {
	if e.err != nil {
		return 0, e.err
	}
	fits := p[:min(int64(len(p)), e.left)]
	n, err := writeAll(e.w, fits)
	e.left -= n
	e.written += n
	e.err = err
	if err == nil && len(fits) < len(p) {
		err = errFull
	}
	return int(n), err
}

func writeAll(w io.Writer, p []byte) (int64, error) {
	n, err := w.Write(p)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return int64(n), err
}
