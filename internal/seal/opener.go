package seal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// skipAhead is how many plain bytes an Opener reads past to go on with its
// stream, rather than ask the source anew: about what passes in the time that
// a new request takes.
const skipAhead = 1 << 20

// Source returns the bytes [off, off+n) of a file's sealed object. The opener
// calls it with the context it was made with and closes what it gets. A reader
// that ends before n bytes is ErrTruncated to the opener; bytes after n are
// not read.
type Source func(ctx context.Context, off, n int64) (io.ReadCloser, error)

// Heads returns the salt ‖ prefix of a part (from 1) as they were recorded
// when it was stored, and known false where they were not.
type Heads func(ctx context.Context, part int) (head [HeadSize]byte, known bool, err error)

// OpenerOptions are the optional things of an Opener.
type OpenerOptions struct {
	// Heads saves a request where reading begins inside a part, and stands in
	// for a header that is damaged in the object. Without it the header is
	// read from the source.
	Heads Heads
	// OnDamage is told of each segment that does not authenticate, once for
	// each failed read, before Read returns.
	OnDamage func(part int, segment int64, err error)
}

// Opener reads the plain bytes of a sealed file from any offset: an
// io.ReadSeekCloser and io.WriterTo. It is lazy: the source is not called
// before the first Read, and then once for the whole range to the limit or the
// end, however many parts that crosses; once more where reading begins inside
// a part whose head nobody knows. No byte leaves before its segment was
// authenticated; one segment is held. Reading on after a Seek to a place at
// most 1 MiB ahead in the stream goes on with it; other seeks cost a request,
// made by the next Read. After an error reads fail with it until the next
// Seek, which allows a new attempt. Not for concurrent use.
type Opener struct {
	ctx     context.Context // io.Reader has no room for one
	key     func() *Key     // a function, so that printing the opener prints no key
	file    File
	src     Source
	o       OpenerOptions
	invalid error // what no attempt can mend: bad file or key, or closed
	err     error // how the last read failed

	off, end int64 // plain: the next byte to give, and where to stop
	held     span  // the segment whose plain bytes are held; empty at first
	plain    []byte
	buf      []byte

	stream     io.ReadCloser // nil when there is none
	next, stop int64         // plain: what the stream has still to give
	cipher     partCipher
}

// NewOpener returns an opener of file f at offset 0. It asks the source for
// nothing yet, so a file or key that the format does not allow shows as
// ErrInvalid at the first Read. ctx is for all calls of the source and Heads.
func NewOpener(ctx context.Context, key Key, f File, src Source, o OpenerOptions) *Opener {
	r := &Opener{ctx: ctx, key: func() *Key { return &key }, file: f, src: src, o: o, end: f.Size}
	if err := f.check(); err != nil {
		r.invalid = fmt.Errorf("open a file: %w", err)
	} else if key.isZero() {
		r.invalid = fmt.Errorf("open a file: key is not set: %w", ErrInvalid)
	}
	return r
}

// Limit says that at most n more bytes will be read from the current offset,
// so that the source is asked for exactly the segments they lie in. Reads end
// in io.EOF there. A Seek lifts the limit.
func (r *Opener) Limit(n int64) {
	left := max(0, r.file.Size-r.off)
	r.end = r.off + min(max(0, n), left)
}

// Err returns the error, io.EOF aside, in which the last read failed. It lets
// a caller that reads through something else, such as http.ServeContent, see
// that the bytes broke off.
func (r *Opener) Err() error {
	if r.invalid != nil {
		return r.invalid
	}
	return r.err
}

// Read gives plain bytes from the current offset, never beyond the segment it
// is in.
func (r *Opener) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	chunk, err := r.chunk()
	if err != nil {
		return 0, err
	}
	n := copy(p, chunk)
	r.off += int64(n)
	return n, nil
}

// WriteTo writes the plain bytes from the current offset to the limit or the
// end to w, without the copy that Read makes.
func (r *Opener) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		chunk, err := r.chunk()
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
		n, err := w.Write(chunk)
		total += int64(n)
		r.off += int64(n)
		if err != nil {
			return total, err
		}
		if n < len(chunk) {
			return total, io.ErrShortWrite
		}
	}
}

// Seek sets the offset of the next Read. It does not touch the source. An
// offset behind the end is allowed and reads io.EOF.
func (r *Opener) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekStart:
	case io.SeekCurrent:
		offset += r.off
	case io.SeekEnd:
		offset += r.file.Size
	default:
		return r.off, fmt.Errorf("seek in a sealed file: whence %d: %w", whence, fs.ErrInvalid)
	}
	if offset < 0 {
		return r.off, fmt.Errorf("seek in a sealed file: negative offset: %w", fs.ErrInvalid)
	}
	r.off, r.end, r.err = offset, r.file.Size, nil
	return offset, nil
}

// Close drops the stream. Reads after it fail with fs.ErrClosed.
func (r *Opener) Close() error {
	r.invalid = fmt.Errorf("read a sealed file: %w", fs.ErrClosed)
	return r.drop()
}

// chunk returns the plain bytes at the current offset that are held, opening
// the segment first where it is not the one held.
func (r *Opener) chunk() ([]byte, error) {
	if err := r.Err(); err != nil {
		return nil, err
	}
	if r.off >= r.end {
		return nil, io.EOF
	}
	if !r.held.contains(r.off) {
		if err := r.load(r.file.locate(r.off)); err != nil {
			r.held, r.plain = span{}, nil
			_ = r.drop() // the read failed already; that is the error to tell
			r.err = err
			return nil, err
		}
	}
	return r.plain[r.off-r.held.start : min(r.end, r.held.end)-r.held.start], nil
}

// load makes want the segment held, from the stream where that is near.
func (r *Opener) load(want span) error {
	if r.stream == nil || want.start < r.next || want.start >= r.stop || want.start-r.next > skipAhead {
		if err := r.start(want); err != nil {
			return err
		}
	}
	for {
		s := r.file.locate(r.next)
		if err := r.open(s); err != nil {
			return err
		}
		r.held = s
		if s.start == want.start {
			break
		}
	}
	if r.next >= r.stop {
		_ = r.drop() // every byte of it was authenticated
	}
	return nil
}

// start opens a stream whose first segment is s and whose last is the one that
// the limit falls in.
func (r *Opener) start(s span) error {
	_ = r.drop() // a stream that we no longer want has nothing to tell
	if s.index > 0 {
		if err := r.findHead(s); err != nil {
			return err
		}
	}
	return r.request(s)
}

func (r *Opener) request(s span) error {
	last := r.file.locate(r.end - 1)
	stream, err := r.src(r.ctx, s.sealedStart, last.sealedEnd()-s.sealedStart)
	if err != nil {
		return fmt.Errorf("read sealed bytes from part %d, segment %d: %w", s.part, s.index, err)
	}
	r.stream, r.next, r.stop = stream, s.start, last.end
	return nil
}

// receive reads the sealed bytes of s, the next of the stream, into the buffer
// and returns its header, if it has one, and its ciphertext.
func (r *Opener) receive(s span) (h header, sealed []byte, err error) {
	if r.buf == nil {
		r.buf = make([]byte, min(SegmentSize, SealedLen(min(r.file.PartSize, r.file.Size))))
	}
	sealed = r.buf[:s.sealedLen]
	if _, err := io.ReadFull(r.stream, sealed); err != nil {
		return h, nil, &SegmentError{Part: s.part, Segment: s.index, Err: shortRead(err)}
	}
	r.next = s.end
	if s.index == 0 {
		copy(h[:], sealed)
		sealed = sealed[HeaderSize:]
	}
	return h, sealed, nil
}

// open receives s and holds its plain bytes.
func (r *Opener) open(s span) error {
	h, sealed, err := r.receive(s)
	if err != nil {
		return err
	}
	if s.index == 0 && !(r.cipher.proven && r.cipher.part == s.part) {
		if err := r.useHeader(s, h); err != nil {
			return err
		}
	}
	if r.authenticate(s, sealed) {
		return nil
	}
	return r.secondTry(s)
}

// authenticate opens sealed in place with the part's cipher.
func (r *Opener) authenticate(s span, sealed []byte) bool {
	if r.cipher.segments == nil || r.cipher.part != s.part {
		return false
	}
	plain, err := r.cipher.segments.open(s.index, s.last, sealed)
	if err != nil {
		return false
	}
	r.plain, r.cipher.proven = plain, true
	return true
}

// drop closes the stream, if there is one.
func (r *Opener) drop() error {
	if r.stream == nil {
		return nil
	}
	err := r.stream.Close()
	r.stream = nil
	if err != nil {
		return fmt.Errorf("close sealed bytes: %w", err)
	}
	return nil
}

// shortRead makes the two ways in which a stream can end early one.
func shortRead(err error) error {
	if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrTruncated
	}
	return fmt.Errorf("read sealed bytes: %w", err)
}
